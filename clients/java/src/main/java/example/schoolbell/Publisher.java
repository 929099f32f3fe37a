package example.schoolbell;

import example.schoolbell.v1.Change;
import example.schoolbell.v1.ChangeServiceGrpc.ChangeServiceStub;
import example.schoolbell.v1.PublishAck;
import example.schoolbell.v1.StreamPublishChangesRequest;
import example.schoolbell.v1.StreamPublishChangesResponse;
import io.grpc.Status.Code;
import io.grpc.stub.ClientCallStreamObserver;
import io.grpc.stub.ClientResponseObserver;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;

/**
 * Publishes changes for one district on a stream: in batches, in order, each one answered. When the stream
 * breaks it opens another and sends again whatever was not answered: keys make that harmless. What the
 * service refuses for being full is sent again later. A mistake of the caller, such as a revoked key, a
 * wrong target or a certificate that is not trusted, ends it with that reason.
 *
 * <p>At most 2,000 changes wait in it; {@link #submit} then waits. Many threads may use it. An interrupt of
 * a thread that waits in it is a {@link SchoolbellException} of CANCELLED, and the thread stays marked.
 */
public final class Publisher implements AutoCloseable {
    static final int MOST_SUBMITTED = 2_000; // changes without an answer before `submit` waits
    static final int MOST_BYTES = 1 << 20; // of one change; the server takes 8 KiB

    private static final int BATCH_SIZE = 100; // changes a message
    private static final int BATCH_BYTES = 1 << 20; // of a message, before its last change
    private static final int WINDOW = 8; // unanswered batches; the server reads no further than 16
    private static final Duration COME_BACK = Duration.ofSeconds(1); // where a full service names no time
    private static final int PATIENCE = 5; // seconds, of closing once everything is answered

    private final ChangeServiceStub stub;
    private final String districtId;
    private final Breaks breaks;
    private final Thread sender = new Thread(this::run, "schoolbell-publisher");
    private final CountDownLatch abandoned = new CountDownLatch(1);

    private final ReentrantLock lock = new ReentrantLock(); // guards what follows
    private final Condition work = lock.newCondition(); // the sender has something to do
    private final Condition answered = lock.newCondition(); // something was answered, or nothing will be
    private final ArrayDeque<Pending> waiting = new ArrayDeque<>();
    private final ArrayDeque<List<Pending>> batches = new ArrayDeque<>(); // unanswered, oldest first
    private final Set<Pending> pending = new LinkedHashSet<>(); // all of them, oldest first
    private PublishStream stream; // the present one
    private long submitted;
    private boolean closing;
    private SchoolbellException fault;

    /** A change without an answer. */
    private static final class Pending {
        private final long number;
        private final Change change;
        private final int size;
        private final CompletableFuture<PublishAck> answer = new CompletableFuture<>();

        Pending(long number, Change change, int size) {
            this.number = number;
            this.change = change;
            this.size = size;
        }
    }

    Publisher(ChangeServiceStub stub, String districtId, Breaks breaks) {
        this.stub = stub;
        this.districtId = districtId;
        this.breaks = breaks;
        sender.setDaemon(true);
        sender.start();
    }

    /**
     * Queues a change; it waits while too much is queued.
     *
     * @param change the change
     * @return its answer to come: it is durable, a duplicate, or refused (see
     *     {@link SchoolbellException#of(com.google.rpc.Status)} for the error of a refused one); a
     *     {@link SchoolbellException} says why there will be none. It is completed on a thread of the client,
     *     which what depends on it must not block.
     * @throws SchoolbellException where a mistake ended the publisher
     * @throws IllegalStateException where it is closed
     * @throws IllegalArgumentException where the change is larger than any message
     */
    public CompletableFuture<PublishAck> submit(Change change) {
        int size = change.getSerializedSize();
        if (size > MOST_BYTES) {
            throw new IllegalArgumentException("the change has " + size + " bytes, and may have 8 KiB");
        }
        lock.lock();
        try {
            while (fault == null && !closing && pending.size() >= MOST_SUBMITTED) {
                answered.await();
            }
            throwFault();
            if (closing) {
                throw new IllegalStateException("the publisher is closed");
            }
            Pending one = new Pending(++submitted, change, size);
            pending.add(one);
            waiting.add(one);
            if (batches.size() < WINDOW) {
                work.signal();
            }
            return one.answer;
        } catch (InterruptedException interrupt) {
            throw SchoolbellException.interrupted();
        } finally {
            lock.unlock();
        }
    }

    /**
     * Publishes a change and waits for its answer.
     *
     * @param change the change
     * @return its answer: it is durable, a duplicate, or refused
     * @throws SchoolbellException where there will be no answer, as with {@link #submit}
     */
    public PublishAck publish(Change change) {
        CompletableFuture<PublishAck> answer = submit(change);
        try {
            return answer.get();
        } catch (InterruptedException interrupt) {
            throw SchoolbellException.interrupted();
        } catch (ExecutionException error) {
            throw SchoolbellException.of(error.getCause()).again();
        }
    }

    /**
     * Waits until everything is answered that was submitted before it.
     *
     * @throws SchoolbellException where a mistake ended the publisher
     */
    public void flush() {
        lock.lock();
        try {
            long last = submitted;
            while (fault == null && !pending.isEmpty() && pending.iterator().next().number <= last) {
                answered.await();
            }
            throwFault();
        } catch (InterruptedException interrupt) {
            throw SchoolbellException.interrupted();
        } finally {
            lock.unlock();
        }
    }

    /**
     * Takes no more changes and waits until everything is answered, however long the service is away. An
     * interrupt gives up what is unanswered, which may or may not have been taken.
     *
     * @throws SchoolbellException where a mistake ended the publisher
     */
    @Override
    public void close() {
        close(Duration.ofNanos(Long.MAX_VALUE));
    }

    /**
     * Takes no more changes and waits until everything is answered, but not for ever.
     *
     * @param atMost how long; what is unanswered then is given up, and may or may not have been taken
     * @throws SchoolbellException where a mistake ended the publisher, or DEADLINE_EXCEEDED where something
     *     was given up
     */
    public void close(Duration atMost) {
        try {
            if (!answeredWithin(atMost)) {
                fail(SchoolbellException.own(Code.DEADLINE_EXCEEDED, "not everything was answered in time"));
            }
            sender.join(TimeUnit.SECONDS.toMillis(PATIENCE)); // the stream's own end, of which nothing depends
        } catch (InterruptedException interrupt) {
            fail(SchoolbellException.interrupted());
        }
        lock.lock();
        try {
            throwFault();
        } finally {
            lock.unlock();
        }
    }

    private boolean answeredWithin(Duration atMost) throws InterruptedException {
        long left = atMost.toNanos();
        lock.lockInterruptibly();
        try {
            closing = true;
            work.signal();
            answered.signalAll();
            while (!pending.isEmpty() && left > 0) {
                left = answered.awaitNanos(left);
            }
            return pending.isEmpty();
        } finally {
            lock.unlock();
        }
    }

    private void throwFault() {
        if (fault != null) {
            throw fault.again();
        }
    }

    /** Opens one stream after the other until everything is answered or nothing can be. */
    private void run() {
        try {
            while (hasWork()) {
                try {
                    new PublishStream().play();
                } catch (SchoolbellException error) {
                    if (hasWork()) {
                        breaks.await(error, abandoned);
                    }
                }
            }
        } catch (RuntimeException | Error error) {
            fail(SchoolbellException.of(error));
        }
    }

    /** Waits until there is something to send; false where there will be nothing any more. */
    private boolean hasWork() {
        lock.lock();
        try {
            while (waiting.isEmpty() && batches.isEmpty() && !isFinished()) {
                work.awaitUninterruptibly();
            }
            return !isFinished();
        } finally {
            lock.unlock();
        }
    }

    /** Tells whether everything is answered and nothing more will come, or all is given up. */
    private boolean isFinished() {
        return fault != null || closing && pending.isEmpty();
    }

    /** Takes changes from those that wait. */
    private List<Pending> nextBatch() {
        List<Pending> batch = new ArrayList<>(Math.min(BATCH_SIZE, waiting.size()));
        int bytes = 0;
        while (!waiting.isEmpty() && batch.size() < BATCH_SIZE && bytes < BATCH_BYTES) {
            bytes += waiting.peek().size;
            batch.add(waiting.poll());
        }
        return batch;
    }

    /** Hands the answers of a batch out, and queues again what the service was too full for. */
    private void handOut(List<Pending> batch, List<PublishAck> acks) {
        List<Pending> done = new ArrayList<>(batch.size());
        for (int i = 0; i < batch.size(); i++) {
            Pending one = batch.get(i);
            Optional<SchoolbellException> refusal = SchoolbellException.of(acks.get(i).getError());
            if (refusal.isPresent() && refusal.get().code() == Code.RESOURCE_EXHAUSTED) {
                long delay = refusal.get().retryAfter().orElse(COME_BACK).toMillis();
                CompletableFuture.delayedExecutor(delay, TimeUnit.MILLISECONDS).execute(() -> again(one));
            } else {
                one.answer.complete(acks.get(i));
                done.add(one);
            }
        }
        lock.lock();
        try {
            done.forEach(pending::remove);
            work.signal();
            answered.signalAll();
        } finally {
            lock.unlock();
        }
    }

    private void again(Pending one) {
        lock.lock();
        try {
            if (fault == null) {
                waiting.add(one);
                work.signal();
            }
        } finally {
            lock.unlock();
        }
    }

    /** Ends the publisher: nothing that is unanswered will be. */
    private void fail(SchoolbellException error) {
        abandoned.countDown();
        List<Pending> lost;
        PublishStream broken;
        lock.lock();
        try {
            if (fault != null) {
                return;
            }
            fault = error;
            lost = List.copyOf(pending);
            waiting.clear();
            batches.clear();
            broken = stream;
            work.signal();
        } finally {
            lock.unlock();
        }
        if (broken != null) {
            broken.cancel("given up");
        }
        lost.forEach(one -> one.answer.completeExceptionally(error));
        lock.lock();
        try {
            pending.clear();
            answered.signalAll();
        } finally {
            lock.unlock();
        }
    }

    /** One stream: the sender's thread sends on it, a thread of gRPC takes the answers. */
    private final class PublishStream
            implements ClientResponseObserver<StreamPublishChangesRequest, StreamPublishChangesResponse> {
        private volatile ClientCallStreamObserver<StreamPublishChangesRequest> requests; // null before it begins
        private int sent; // how many of the unanswered batches it has taken
        private boolean over;
        private SchoolbellException error;

        /** Sends and receives until it ends; returns where it ended because all is done. */
        void play() {
            lock.lock();
            try {
                stream = this;
            } finally {
                lock.unlock();
            }
            stub.streamPublishChanges(this);
            try {
                for (var next = next(); next != null; next = next()) {
                    requests.onNext(next);
                }
                requests.onCompleted();
            } catch (IllegalStateException cancelled) {
                cancel("cancelled"); // by the other side of it, which says why
            }
            end();
        }

        private void end() {
            lock.lock();
            try {
                while (!over) {
                    work.awaitUninterruptibly();
                }
                if (error != null) {
                    throw error;
                }
                if (!isFinished()) {
                    throw SchoolbellException.own(Code.UNAVAILABLE, "the service ended the stream");
                }
            } finally {
                lock.unlock();
            }
        }

        /** Returns what to send next: first what a broken stream left unanswered; null at its end. */
        private StreamPublishChangesRequest next() {
            lock.lock();
            try {
                while (!over && !isFinished()) {
                    if (sent == batches.size() && sent < WINDOW && !waiting.isEmpty()) {
                        batches.add(nextBatch());
                    }
                    if (sent < batches.size()) {
                        return request(batches.stream().skip(sent++).findFirst().orElseThrow());
                    }
                    work.awaitUninterruptibly();
                }
                return null;
            } finally {
                lock.unlock();
            }
        }

        private StreamPublishChangesRequest request(List<Pending> batch) {
            StreamPublishChangesRequest.Builder request =
                StreamPublishChangesRequest.newBuilder().setDistrictId(districtId);
            batch.forEach(one -> request.addChanges(one.change));
            return request.build();
        }

        @Override
        public void beforeStart(ClientCallStreamObserver<StreamPublishChangesRequest> call) {
            requests = call;
        }

        @Override
        public void onNext(StreamPublishChangesResponse response) {
            List<Pending> batch;
            lock.lock();
            try {
                if (sent == 0 || fault != null || batches.element().size() != response.getAcksCount()) {
                    batch = null;
                } else {
                    batch = batches.remove();
                    sent--;
                }
            } finally {
                lock.unlock();
            }
            if (batch == null) {
                cancel("the service answered something else than was asked");
                return;
            }
            breaks.over();
            handOut(batch, response.getAcksList());
        }

        @Override
        public void onError(Throwable broken) {
            finish(SchoolbellException.of(broken));
        }

        @Override
        public void onCompleted() {
            finish(null);
        }

        private void finish(SchoolbellException how) {
            lock.lock();
            try {
                over = true;
                error = how;
                work.signal();
            } finally {
                lock.unlock();
            }
        }

        void cancel(String why) {
            if (requests != null) {
                requests.cancel(why, null);
            }
        }
    }
}
