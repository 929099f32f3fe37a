package example.schoolbell;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import example.schoolbell.v1.Delivery;
import example.schoolbell.v1.ListDeliveriesResponse;
import example.schoolbell.v1.WatchStatusRequest;
import example.schoolbell.v1.WatchStatusResponse;
import io.grpc.Server;
import io.grpc.Status;
import io.grpc.Status.Code;
import io.grpc.protobuf.StatusProto;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

@Timeout(60)
class WatcherTest {
    private static Delivery snapshot(String id, long revision) {
        return Delivery.newBuilder().setDistrictId("d").setDeliveryId(id).setRevision(revision).build();
    }

    private static WatchStatusResponse response(String token, Delivery... deliveries) {
        return WatchStatusResponse.newBuilder()
            .setResumeToken(token).addAllDeliveries(List.of(deliveries)).build();
    }

    private static Exception refused(Code code, String reason) {
        return StatusProto.toStatusRuntimeException(SchoolbellExceptionTest.status(code, reason));
    }

    private static WatchStatusRequest from(String token) {
        return WatchStatusRequest.newBuilder().setDistrictId("d").setResumeToken(token).build();
    }

    @Test
    void aWatcherResumesAndDropsWhatItHandedOver() throws IOException {
        Servers.States states = new Servers.States(
            List.of(
                new Servers.Watched(
                    List.of(response("1", snapshot("a", 1)), response("2", snapshot("a", 2), snapshot("b", 1))),
                    Status.UNAVAILABLE.asException()),
                new Servers.Watched(
                    List.of(response("3", snapshot("a", 2), snapshot("b", 2), snapshot("a", 1))), null)),
            Map.of());
        List<String> seen = new ArrayList<>();
        try (Servers.Served on = Servers.served(states); Watcher watcher = on.client().watch(from("0"))) {
            for (int number = 0; number < 3; number++) {
                watcher.next().deliveries().forEach(one -> seen.add(one.getDeliveryId() + one.getRevision()));
            }
        }
        assertEquals(List.of("a1", "a2", "b1", "b2"), seen);
        assertEquals(List.of("0", "2"), states.tokens);
    }

    @ParameterizedTest
    @ValueSource(strings = {"RESUME_TOKEN_EXPIRED", "RESUME_TOKEN_FOREIGN"})
    void aWatcherWhoseTokenExpiredLists(String reason) throws IOException {
        Servers.States states = new Servers.States(
            List.of(
                new Servers.Watched(List.of(), refused(Code.OUT_OF_RANGE, reason)),
                new Servers.Watched(List.of(response("9", snapshot("a", 4))), null)),
            Map.of(
                "", ListDeliveriesResponse.newBuilder()
                    .addDeliveries(snapshot("a", 3)).setNextPageToken("p").setResumeToken("8").build(),
                "p", ListDeliveriesResponse.newBuilder()
                    .addDeliveries(snapshot("b", 1)).setResumeToken("8").build()));
        List<String> tokens = new ArrayList<>();
        try (Servers.Served on = Servers.served(states); Watcher watcher = on.client().watch(from("1"))) {
            for (int number = 0; number < 3; number++) {
                tokens.add(watcher.next().resumeToken());
            }
            assertEquals(1, watcher.lists());
        }
        assertEquals(List.of("", "8", "9"), tokens);
        assertEquals(List.of("1", "8"), states.tokens);
    }

    @Test
    void aMistakeEndsTheWatcher() throws IOException {
        Servers.States states = new Servers.States(
            List.of(new Servers.Watched(List.of(), refused(Code.UNAUTHENTICATED, "KEY_REVOKED"))), Map.of());
        try (Servers.Served on = Servers.served(states); Watcher watcher = on.client().watch(from(""))) {
            for (int number = 0; number < 2; number++) {
                assertEquals("KEY_REVOKED", assertThrows(SchoolbellException.class, watcher::next).reason());
            }
        }
    }

    private static Servers.States expired() {
        return new Servers.States(
            List.of(
                new Servers.Watched(List.of(response("1")), refused(Code.UNAUTHENTICATED, "KEY_EXPIRED")),
                new Servers.Watched(List.of(), refused(Code.UNAUTHENTICATED, "KEY_EXPIRED")),
                new Servers.Watched(List.of(response("2")), null)),
            Map.of());
    }

    @Test
    void aWatcherWhoseTokenHasExpiredGoesOnWithTheNext() throws IOException {
        Servers.States states = expired();
        Server server = Servers.serve(states);
        Connection connection = Servers.connection(server).withToken(() -> "token");
        try (Client client = new Client(connection); Watcher watcher = client.watch(from(""))) {
            assertEquals("1", watcher.next().resumeToken());
            assertEquals("2", watcher.next().resumeToken());
            assertEquals(List.of("", "1", "1"), states.tokens);
        } finally {
            server.shutdownNow();
        }
    }

    @Test
    void aKeyThatHasExpiredEndsTheWatcher() throws IOException {
        try (Servers.Served on = Servers.served(expired()); Watcher watcher = on.client().watch(from(""))) {
            assertEquals("1", watcher.next().resumeToken());
            assertEquals("KEY_EXPIRED", assertThrows(SchoolbellException.class, watcher::next).reason());
        }
    }

    @Test
    void anInterruptIsNoEndAndClosingIs() throws Exception {
        Servers.States states =
            new Servers.States(List.of(new Servers.Watched(List.of(response("1")), null)), Map.of());
        try (Servers.Served on = Servers.served(states); Watcher watcher = on.client().watch(from(""))) {
            assertEquals("1", watcher.next().resumeToken());
            CompletableFuture<Code> interrupted = nextElsewhere(watcher, true);
            assertEquals(Code.CANCELLED, interrupted.get());
            CompletableFuture<Code> closed = nextElsewhere(watcher, false);
            watcher.close();
            assertEquals(Code.CANCELLED, closed.get());
            assertEquals(Code.CANCELLED, assertThrows(SchoolbellException.class, watcher::next).code());
        }
    }

    private static CompletableFuture<Code> nextElsewhere(Watcher watcher, boolean interrupt) {
        CompletableFuture<Code> ended = new CompletableFuture<>();
        Thread waiting = new Thread(
            () -> ended.complete(assertThrows(SchoolbellException.class, watcher::next).code()));
        waiting.start();
        if (interrupt) {
            waiting.interrupt();
        }
        return ended;
    }

    @Test
    void revisionsAreRememberedWithinBounds() {
        Revisions seen = new Revisions();
        for (int number = 0; number < Revisions.MOST + 10; number++) {
            seen.newer(List.of(snapshot(String.valueOf(number), 1)));
        }
        assertEquals(Revisions.MOST, seen.size());
    }
}
