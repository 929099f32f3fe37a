package example.schoolbell;

import example.schoolbell.v1.ListDeliveriesRequest;
import example.schoolbell.v1.ListDeliveriesResponse;
import example.schoolbell.v1.StatusServiceGrpc.StatusServiceBlockingStub;
import example.schoolbell.v1.WatchStatusRequest;
import example.schoolbell.v1.WatchStatusResponse;
import example.schoolbell.v1.WatchTopic;
import io.grpc.Context;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import java.util.Iterator;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.function.Supplier;

/**
 * Follows what happens in a district. It resumes where a break left it, drops revisions that are older than
 * what it handed over, and lists and goes on when its token has expired or is of another store.
 *
 * <p>It reads on the thread that calls {@link #next}, and no further than that takes.
 */
public final class Watcher implements AutoCloseable {
    private static final int LIST_PAGE = 500;
    private static final String TOKEN_EXPIRED = "RESUME_TOKEN_EXPIRED";
    private static final String TOKEN_FOREIGN = "RESUME_TOKEN_FOREIGN";

    private final StatusServiceBlockingStub stub;
    private final Breaks breaks;
    private final Context.CancellableContext context = Context.ROOT.withCancellation();
    private final CountDownLatch closed = new CountDownLatch(1);

    private WatchStatusRequest request; // its token is behind what was handed over
    private Revisions seen = new Revisions();
    private Iterator<WatchStatusResponse> stream; // null where none is open
    private ListDeliveriesRequest page; // the next of a list; null where it does not list
    private SchoolbellException fault;
    private volatile long lists;

    Watcher(StatusServiceBlockingStub stub, WatchStatusRequest request, Breaks breaks) {
        this.stub = stub;
        this.request = request;
        this.breaks = breaks;
    }

    /**
     * Waits for the next update.
     *
     * @return the update
     * @throws SchoolbellException what ended the watcher, such as a revoked key: no other call will work
     *     either. CANCELLED is that it was closed, or that the thread was interrupted; after an interrupt
     *     the next call goes on where this one was.
     */
    public synchronized Update next() {
        while (fault == null) {
            try {
                return page == null ? fromStream() : fromList();
            } catch (StatusRuntimeException error) {
                stream = null;
                bear(SchoolbellException.of(error));
            }
        }
        throw fault.again();
    }

    /** Gets over an error, or throws it. */
    private void bear(SchoolbellException error) {
        if (Thread.currentThread().isInterrupted()) {
            throw SchoolbellException.interrupted();
        }
        boolean foreign = error.reason().equals(TOKEN_FOREIGN);
        if (foreign || error.reason().equals(TOKEN_EXPIRED)) {
            seen = foreign ? new Revisions() : seen; // a restored store counts anew
            beginList();
            return;
        }
        try {
            breaks.await(error, closed);
        } catch (SchoolbellException last) {
            if (!Thread.currentThread().isInterrupted()) {
                fault = last;
            }
            throw last;
        }
        if (page != null) {
            beginList();
        }
    }

    /** Returns the next response of the stream, which is opened where there is none. */
    private Update fromStream() {
        Iterator<WatchStatusResponse> responses = stream == null ? within(() -> stub.watchStatus(request)) : stream;
        stream = responses;
        if (!responses.hasNext()) {
            throw Status.UNAVAILABLE.withDescription("the service ended the stream").asRuntimeException();
        }
        WatchStatusResponse response = responses.next();
        breaks.over();
        request = request.toBuilder().setResumeToken(response.getResumeToken()).build();
        return new Update(
            response.getStatesList(),
            seen.newer(response.getDeliveriesList()),
            response.getChangesList(),
            response.getResumeToken(),
            false);
    }

    private void beginList() {
        lists++;
        page = ListDeliveriesRequest.newBuilder()
            .setDistrictId(request.getDistrictId())
            .setFilter(request.getDeliveryFilter())
            .setPageSize(LIST_PAGE)
            .build();
    }

    /** Returns the next page of the deliveries that there are; the watcher is behind them after the last. */
    private Update fromList() {
        ListDeliveriesResponse found = within(() -> stub.listDeliveries(page));
        breaks.over();
        boolean last = found.getNextPageToken().isEmpty() || !wantsDeliveries(); // else only its position matters
        if (last) {
            page = null;
            request = request.toBuilder().setResumeToken(found.getResumeToken()).build();
        } else {
            page = page.toBuilder().setPageToken(found.getNextPageToken()).build();
        }
        return new Update(
            List.of(),
            wantsDeliveries() ? seen.newer(found.getDeliveriesList()) : List.of(),
            List.of(),
            last ? found.getResumeToken() : "",
            true);
    }

    private boolean wantsDeliveries() {
        return request.getTopicsList().isEmpty()
            || request.getTopicsList().contains(WatchTopic.WATCH_TOPIC_DELIVERIES);
    }

    /** Makes a call that ends when the watcher is closed. */
    private <T> T within(Supplier<T> call) {
        Context before = context.attach();
        try {
            return call.get();
        } finally {
            context.detach(before);
        }
    }

    /**
     * Returns how often the watcher had to list.
     *
     * @return the count since it was opened
     */
    public long lists() {
        return lists;
    }

    /** Ends the watcher, also while another thread waits in {@link #next}. */
    @Override
    public void close() {
        closed.countDown();
        context.cancel(Status.CANCELLED.withDescription("the watcher was closed").asRuntimeException());
    }
}
