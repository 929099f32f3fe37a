package example.schoolbell;

import com.google.protobuf.Any;
import com.google.rpc.RetryInfo;
import example.schoolbell.v1.AccessServiceGrpc;
import example.schoolbell.v1.Change;
import example.schoolbell.v1.ChangeServiceGrpc;
import example.schoolbell.v1.GetCallerRequest;
import example.schoolbell.v1.GetCallerResponse;
import example.schoolbell.v1.ListDeliveriesRequest;
import example.schoolbell.v1.ListDeliveriesResponse;
import example.schoolbell.v1.PublishAck;
import example.schoolbell.v1.PublishResult;
import example.schoolbell.v1.StatusServiceGrpc;
import example.schoolbell.v1.StreamPublishChangesRequest;
import example.schoolbell.v1.StreamPublishChangesResponse;
import example.schoolbell.v1.WatchStatusRequest;
import example.schoolbell.v1.WatchStatusResponse;
import io.grpc.BindableService;
import io.grpc.Context;
import io.grpc.Contexts;
import io.grpc.Grpc;
import io.grpc.InsecureServerCredentials;
import io.grpc.Metadata;
import io.grpc.Server;
import io.grpc.ServerCall;
import io.grpc.ServerCallHandler;
import io.grpc.ServerInterceptor;
import io.grpc.Status;
import io.grpc.Status.Code;
import io.grpc.stub.StreamObserver;
import java.io.IOException;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;

/** Servers that behave as a test says. */
final class Servers {
    private static final Context.Key<String> AUTHORIZATION = Context.key("authorization");

    private Servers() {}

    /** A server with a client of it. */
    record Served(Server server, Client client) implements AutoCloseable {
        @Override
        public void close() {
            client.close();
            server.shutdownNow();
        }
    }

    static Connection connection(Server server) {
        return Connection.to("127.0.0.1:" + server.getPort()).withPlaintext();
    }

    static Server serve(BindableService service) throws IOException {
        return Grpc.newServerBuilderForPort(0, InsecureServerCredentials.create())
            .addService(service).intercept(new Headers()).build().start();
    }

    static Served served(BindableService service) throws IOException {
        Server server = serve(service);
        return new Served(server, new Client(connection(server)));
    }

    /**
     * Accepts what it is sent; breaks a stream after its first changes as often as it is told, and refuses
     * each change as often as it is told for being full.
     */
    static final class Changes extends ChangeServiceGrpc.ChangeServiceImplBase {
        final AtomicInteger breaks = new AtomicInteger();
        Status broken = Status.UNAVAILABLE;
        Status last; // ends every stream, where set
        final CountDownLatch released;
        final Map<String, Integer> full = new ConcurrentHashMap<>();
        final Map<String, Integer> accepted = new ConcurrentHashMap<>(); // how often each was taken

        Changes() {
            this(new CountDownLatch(0));
        }

        /** Answers nothing before it is released. */
        Changes(CountDownLatch released) {
            this.released = released;
        }

        @Override
        public StreamObserver<StreamPublishChangesRequest> streamPublishChanges(
                StreamObserver<StreamPublishChangesResponse> responses) {
            return new StreamObserver<>() {
                private boolean over;

                @Override
                public void onNext(StreamPublishChangesRequest request) {
                    if (over || !isReleased()) {
                        return;
                    }
                    StreamPublishChangesResponse response = answer(request);
                    Status end = last != null ? last : breaks.getAndDecrement() > 0 ? broken : null;
                    if (end == null) {
                        responses.onNext(response);
                    } else { // the changes were taken, and the answer is lost
                        over = true;
                        responses.onError(end.asRuntimeException());
                    }
                }

                @Override
                public void onError(Throwable error) {
                    over = true;
                }

                @Override
                public void onCompleted() {
                    if (!over) {
                        responses.onCompleted();
                    }
                }
            };
        }

        private boolean isReleased() {
            try {
                released.await();
                return true;
            } catch (InterruptedException error) {
                return false;
            }
        }

        private StreamPublishChangesResponse answer(StreamPublishChangesRequest request) {
            StreamPublishChangesResponse.Builder response = StreamPublishChangesResponse.newBuilder();
            for (Change change : request.getChangesList()) {
                String id = change.getKey().getChangeId();
                if (full.merge(id, -1, Integer::sum) >= 0) {
                    response.addAcks(fullAck());
                } else {
                    accepted.merge(id, 1, Integer::sum);
                    response.addAcks(PublishAck.newBuilder().setResult(PublishResult.PUBLISH_RESULT_ACCEPTED));
                }
            }
            return response.build();
        }

        private static PublishAck fullAck() {
            RetryInfo retry = RetryInfo.newBuilder()
                .setRetryDelay(com.google.protobuf.Duration.newBuilder().setNanos(1_000_000)).build();
            return PublishAck.newBuilder()
                .setResult(PublishResult.PUBLISH_RESULT_REFUSED)
                .setError(SchoolbellExceptionTest.status(Code.RESOURCE_EXHAUSTED, "BACKLOG_FULL").toBuilder()
                    .addDetails(Any.pack(retry)))
                .build();
        }
    }

    /** A stream of a watcher: what it brings, and how it ends; null where it does not. */
    record Watched(List<WatchStatusResponse> responses, Exception end) {}

    /** Plays streams, one after the other, and then one that brings nothing and does not end. */
    static final class States extends StatusServiceGrpc.StatusServiceImplBase {
        final List<Watched> streams;
        final Map<String, ListDeliveriesResponse> pages;
        final List<String> tokens = new CopyOnWriteArrayList<>(); // with which each stream was asked

        States(List<Watched> streams, Map<String, ListDeliveriesResponse> pages) {
            this.streams = streams;
            this.pages = pages;
        }

        @Override
        public void watchStatus(WatchStatusRequest request, StreamObserver<WatchStatusResponse> responses) {
            tokens.add(request.getResumeToken());
            if (tokens.size() <= streams.size()) {
                Watched stream = streams.get(tokens.size() - 1);
                stream.responses().forEach(responses::onNext);
                if (stream.end() != null) {
                    responses.onError(stream.end());
                }
            }
        }

        @Override
        public void listDeliveries(ListDeliveriesRequest request, StreamObserver<ListDeliveriesResponse> responses) {
            responses.onNext(pages.get(request.getPageToken()));
            responses.onCompleted();
        }
    }

    /** Answers with the credentials of a call. */
    static final class Echo extends AccessServiceGrpc.AccessServiceImplBase {
        @Override
        public void getCaller(GetCallerRequest request, StreamObserver<GetCallerResponse> responses) {
            responses.onNext(GetCallerResponse.newBuilder().addSources(AUTHORIZATION.get()).build());
            responses.onCompleted();
        }
    }

    private static final class Headers implements ServerInterceptor {
        @Override
        public <Q, A> ServerCall.Listener<Q> interceptCall(
                ServerCall<Q, A> call, Metadata headers, ServerCallHandler<Q, A> next) {
            String shown = headers.get(Metadata.Key.of("authorization", Metadata.ASCII_STRING_MARSHALLER));
            Context context = Context.current().withValue(AUTHORIZATION, shown == null ? "" : shown);
            return Contexts.interceptCall(context, call, headers, next);
        }
    }
}
