package example.schoolbell;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class KeysTest {
    static final String KEY = "sb_0123456789abcdef_AAAA";

    @TempDir
    Path folder;

    @Test
    void aKeyFileIsReadInAnyEncoding() throws IOException {
        byte[] little = (KEY + "\r\n").getBytes(StandardCharsets.UTF_16LE);
        byte[] big = KEY.getBytes(StandardCharsets.UTF_16BE);
        for (byte[] raw : List.of(
                KEY.getBytes(ISO_8859_1),
                (" " + KEY + "\r\n\r\n").getBytes(ISO_8859_1),
                ("\u00EF\u00BB\u00BF" + KEY + "\n").getBytes(ISO_8859_1),
                ("\u00FF\u00FE" + new String(little, ISO_8859_1)).getBytes(ISO_8859_1),
                ("\u00FE\u00FF" + new String(big, ISO_8859_1)).getBytes(ISO_8859_1),
                little,
                big)) {
            assertEquals(KEY, Keys.read(written(raw)));
        }
    }

    @Test
    void aFileWithoutAKeyIsNamed() throws IOException {
        Map<String, String> faults = Map.of(
            "", "it is empty",
            "\u00FF\u00FE", "it is empty",
            KEY + "\n" + KEY, "it has 2 lines",
            KEY + " " + KEY, "it has spaces",
            KEY + "\u00E9", "it is no text",
            KEY + "\u00C3\u00A9", "not printable ASCII",
            "-----BEGIN CERTIFICATE-----\n", "one begins with sb_",
            "sb_" + "x".repeat(1 << 16), "longer than 65536 bytes");
        for (Map.Entry<String, String> one : faults.entrySet()) {
            Path file = written(one.getKey().getBytes(ISO_8859_1));
            String message = assertThrows(BadConnectionException.class, () -> Keys.read(file)).getMessage();
            assertTrue(message.contains(one.getValue()) && message.contains(file.toString()), message);
            assertFalse(message.contains(KEY), message);
        }
    }

    private Path written(byte[] raw) throws IOException {
        return Files.write(folder.resolve("publisher.key"), raw);
    }
}
