package example.schoolbell;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class ConnectionTest {
    @ParameterizedTest
    @ValueSource(strings = {"localhost:7443", "LOCALHOST.:1", "api.localhost:1", "127.9.9.9:1", "[::1]:7443",
        "[0:0:0:0:0:0:0:1]:1", "[::ffff:127.0.0.1]:1", "dns:///localhost:1"})
    void loopbackTargets(String target) {
        assertTrue(Target.of(target).isLoopback());
    }

    @ParameterizedTest
    @ValueSource(strings = {"schoolbell.example:443", "10.0.0.1:7443", "localhost.example:443", "notlocalhost:1",
        "[2001:db8::1]:7443", "127.0.0.1.example:1"})
    void otherTargets(String target) {
        assertFalse(Target.of(target).isLoopback());
        assertThrows(BadConnectionException.class, () -> Connection.to(target).withPlaintext());
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "schoolbell.example", "https://schoolbell.example:443", "schoolbell.example:0",
        "schoolbell.example:65536", ":443", "::1:443", "a b:1"})
    void aTargetThatNamesNoServerIsRefused(String target) {
        assertThrows(BadConnectionException.class, () -> Connection.to(target));
    }

    @Test
    void aConnectionThatCanNeverWorkIsRefused(@TempDir Path folder) throws IOException {
        Connection good = Connection.to(Connection.DEFAULT_TARGET);
        Path nonsense = Files.writeString(folder.resolve("nonsense"), "nonsense");
        assertThrows(BadConnectionException.class, () -> good.withKey(KeysTest.KEY + "\r"));
        assertThrows(BadConnectionException.class, () -> good.withKey(KeysTest.KEY + "\n" + KeysTest.KEY));
        assertThrows(BadConnectionException.class, () -> good.withCa(nonsense));
        assertThrows(BadConnectionException.class, () -> good.withCa(folder.resolve("missing")));
        assertThrows(BadConnectionException.class, () -> good.withCertificate(nonsense, nonsense));
        assertThrows(BadConnectionException.class, () -> good.withDeadline(Duration.ZERO));
        assertThrows(BadConnectionException.class, () -> new Connection(
            "localhost:1", KeysTest.KEY, () -> "token", "", null, false, Duration.ofSeconds(1)));
    }

    @Test
    void credentialsAreNotPrinted() {
        assertFalse(Connection.to("localhost:1").withKey(KeysTest.KEY).toString().contains(KeysTest.KEY));
        assertFalse(new ClientCertificate("chain", "secret").toString().contains("secret"));
    }

    @Test
    void anEmptyEnvironmentIsTheDefault() {
        assertEquals(Connection.to(Connection.DEFAULT_TARGET), Connection.fromEnvironment(Map.of()));
        String message = assertThrows(BadConnectionException.class,
            () -> Connection.fromEnvironment(Map.of("SCHOOLBELL_KEY", "two\nlines"))).getMessage();
        assertTrue(message.contains("SCHOOLBELL_KEY"), message);
    }

    @Test
    void theServiceConfigIsRead() {
        String retries = ServiceConfig.SHARED.retries().toString();
        assertEquals(Duration.ofSeconds(15), Connection.DEFAULT_DEADLINE);
        assertFalse(retries.contains("timeout"), "a deadline of gRPC's own could not be made longer");
        for (String name : new String[] {"PublishChange", "GetStatus", "UNAVAILABLE", "UNKNOWN"}) {
            assertTrue(retries.contains(name), name);
        }
        for (String stream : new String[] {"StreamPublishChanges", "WatchStatus", "ImportRoster"}) {
            assertFalse(retries.contains(stream), stream + " is a stream, which gRPC must not repeat");
        }
    }
}
