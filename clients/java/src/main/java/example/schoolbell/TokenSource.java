package example.schoolbell;

/** Gives the token of a call, such as that of an identity provider. */
@FunctionalInterface
public interface TokenSource {
    /**
     * Returns the token. It is asked at every call, on a thread of gRPC, so it keeps a token while that is
     * good.
     *
     * @return the token, printable ASCII
     * @throws Exception where there is none: the call is UNAUTHENTICATED, and a publisher or watcher ends.
     *     What may pass is an {@link io.grpc.StatusRuntimeException} of UNAVAILABLE, and then tried again.
     */
    String token() throws Exception;
}
