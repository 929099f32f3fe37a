package example.schoolbell;

import io.grpc.CallCredentials;
import io.grpc.CallOptions;
import io.grpc.Channel;
import io.grpc.ClientCall;
import io.grpc.ClientInterceptor;
import io.grpc.ConnectivityState;
import io.grpc.Grpc;
import io.grpc.ManagedChannel;
import io.grpc.ManagedChannelBuilder;
import io.grpc.Metadata;
import io.grpc.MethodDescriptor;
import io.grpc.Status;
import io.grpc.StatusException;
import io.grpc.StatusRuntimeException;
import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executor;
import java.util.concurrent.TimeUnit;

/** How gRPC is set up for a connection. */
final class Channels {
    private static final int MESSAGE_LIMIT = 16 * 1024 * 1024; // bytes; a page may be larger than gRPC's own limit
    private static final int LONGEST_PAUSE = 5; // seconds between attempts to connect
    private static final Metadata.Key<String> AUTHORIZATION =
        Metadata.Key.of("authorization", Metadata.ASCII_STRING_MARSHALLER);

    private Channels() {}

    static ManagedChannel open(Connection connection) {
        Target target = Target.of(connection.target());
        ManagedChannelBuilder<?> builder = Grpc.newChannelBuilder(target.forGrpc(), Tls.credentials(connection))
            .userAgent("schoolbell-java/" + Client.VERSION)
            .disableServiceConfigLookUp() // of the name service; the contract's own is next
            .defaultServiceConfig(ServiceConfig.SHARED.retries())
            .enableRetry()
            .maxInboundMessageSize(MESSAGE_LIMIT)
            .keepAliveTime(30, TimeUnit.SECONDS)
            .keepAliveTimeout(10, TimeUnit.SECONDS)
            .keepAliveWithoutCalls(true)
            .intercept(new CallDefaults(connection));
        if (target.isLoopback()) {
            builder.proxyDetector(address -> null); // a proxy cannot reach this very machine
        }
        ManagedChannel channel = builder.build();
        watch(channel);
        return channel;
    }

    /** Keeps the pauses between attempts to connect short: gRPC's own grow to two minutes. */
    private static void watch(ManagedChannel channel) {
        ConnectivityState state = channel.getState(false);
        channel.notifyWhenStateChanged(state, () -> watch(channel));
        if (state == ConnectivityState.TRANSIENT_FAILURE) {
            connectSoon(channel);
        }
    }

    private static void connectSoon(ManagedChannel channel) {
        CompletableFuture.delayedExecutor(LONGEST_PAUSE, TimeUnit.SECONDS).execute(() -> {
            if (channel.getState(false) == ConnectivityState.TRANSIENT_FAILURE) {
                channel.resetConnectBackoff();
                connectSoon(channel);
            }
        });
    }

    /** Gives a call the connection's credentials, and its deadline where it is unary and has none. */
    private record CallDefaults(Connection connection) implements ClientInterceptor {
        @Override
        public <Q, A> ClientCall<Q, A> interceptCall(
                MethodDescriptor<Q, A> method, CallOptions options, Channel next) {
            CallOptions chosen = options;
            if (!connection.key().isEmpty() || connection.token() != null) {
                chosen = chosen.withCallCredentials(new Bearer(connection));
            }
            if (method.getType() == MethodDescriptor.MethodType.UNARY && options.getDeadline() == null) {
                Duration deadline = connection.deadline();
                chosen = chosen.withDeadlineAfter(deadline.toNanos(), TimeUnit.NANOSECONDS);
            }
            return next.newCall(method, chosen);
        }
    }

    /** Shows the key or token of a connection at every call. */
    private static final class Bearer extends CallCredentials {
        private final Connection connection;

        Bearer(Connection connection) {
            this.connection = connection;
        }

        @Override
        public void applyRequestMetadata(RequestInfo call, Executor executor, MetadataApplier applier) {
            if (connection.token() == null) {
                applier.apply(headers(connection.key()));
            } else {
                executor.execute(() -> ask(applier));
            }
        }

        private void ask(MetadataApplier applier) {
            try {
                String token = connection.token().token();
                Keys.check(token, "the token source");
                applier.apply(headers(token));
            } catch (StatusRuntimeException | StatusException error) {
                applier.fail(Status.fromThrowable(error));
            } catch (Exception error) {
                String message = "the token source failed: " + error.getMessage();
                applier.fail(Status.UNAUTHENTICATED.withDescription(message).withCause(error));
            }
        }

        private static Metadata headers(String token) {
            Metadata headers = new Metadata();
            headers.put(AUTHORIZATION, "Bearer " + token);
            return headers;
        }
    }
}
