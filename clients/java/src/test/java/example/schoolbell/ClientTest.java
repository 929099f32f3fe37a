package example.schoolbell;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import example.schoolbell.v1.GetCallerRequest;
import io.grpc.Server;
import io.grpc.Status;
import io.grpc.Status.Code;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(60)
class ClientTest {
    private static String shown(Client client) {
        return client.call(() -> client.access().getCaller(GetCallerRequest.getDefaultInstance())).getSources(0);
    }

    @Test
    void aTokenSourceIsAskedAtEachCall() throws IOException {
        Server server = Servers.serve(new Servers.Echo());
        AtomicInteger asked = new AtomicInteger();
        try (Client client = new Client(
                Servers.connection(server).withToken(() -> "token-" + asked.incrementAndGet()))) {
            assertEquals("Bearer token-1", shown(client));
            assertEquals("Bearer token-2", shown(client));
        } finally {
            server.shutdownNow();
        }
    }

    @Test
    void aTokenSourceThatFailsEndsTheCall() throws IOException {
        Server server = Servers.serve(new Servers.Echo());
        try {
            assertEquals(Code.UNAUTHENTICATED, codeOf(server, () -> {
                throw new IOException("signed out");
            }));
            assertEquals(Code.UNAVAILABLE, codeOf(server, () -> {
                throw Status.UNAVAILABLE.asRuntimeException();
            }));
            assertEquals(Code.UNAUTHENTICATED, codeOf(server, () -> "two\nlines"));
        } finally {
            server.shutdownNow();
        }
    }

    private static Code codeOf(Server server, TokenSource token) {
        try (Client client = new Client(Servers.connection(server).withToken(token))) {
            return assertThrows(SchoolbellException.class, () -> shown(client)).code();
        }
    }

    @Test
    void theVersionIsThatOfThePackage() throws IOException {
        String pom = Files.readString(Path.of("pom.xml"));
        assertTrue(pom.contains("<artifactId>schoolbell-client</artifactId>\n  <version>" + Client.VERSION + "<"));
    }
}
