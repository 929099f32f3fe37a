package example.schoolbell;

import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.Charset;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;

/** API keys and the files that hold them. */
public final class Keys {
    private static final String PREFIX = "sb_";
    private static final int LONGEST_FILE = 64 * 1024; // bytes

    private Keys() {}

    /**
     * Reads the API key that a file holds, in UTF-8 or UTF-16. Space and line ends around the key do not
     * matter.
     *
     * @param path the file
     * @return the key, {@code sb_…}
     * @throws BadConnectionException where no key is; it says why, but not what is there instead
     */
    public static String read(Path path) {
        byte[] raw;
        try (InputStream file = Files.newInputStream(path)) {
            raw = file.readNBytes(LONGEST_FILE + 1);
        } catch (IOException error) {
            throw new BadConnectionException("the key file " + path + " cannot be read", error);
        }
        String where = "the key file " + path;
        if (raw.length > LONGEST_FILE) {
            throw none(where, "it is longer than " + LONGEST_FILE + " bytes");
        }
        String key = decode(raw, where).strip();
        if (key.isEmpty()) {
            throw none(where, "it is empty");
        }
        if (!key.startsWith(PREFIX)) {
            throw none(where, "one begins with " + PREFIX);
        }
        check(key, where);
        return key;
    }

    /** Refuses a key that no call can carry; {@code where} names what holds it. */
    static void check(String key, String where) {
        if (key.chars().allMatch(c -> c > ' ' && c <= '~')) {
            return;
        }
        String trimmed = key.replaceAll("[\r\n]+$", "");
        long lines = trimmed.lines().filter(line -> !line.isEmpty()).count();
        if (lines > 1) {
            throw none(where, "it has " + lines + " lines");
        }
        if (trimmed.length() != key.length()) {
            throw none(where, "it ends with a line end, perhaps of Windows");
        }
        if (key.chars().anyMatch(Character::isWhitespace)) {
            throw none(where, "it has spaces");
        }
        throw none(where, "it has characters that are not printable ASCII");
    }

    private static BadConnectionException none(String where, String fault) {
        return new BadConnectionException(where + " holds no API key: " + fault);
    }

    /** Returns the text of a file in UTF-8 or UTF-16, with a byte-order mark or without. */
    private static String decode(byte[] raw, String where) {
        int first = raw.length > 1 ? raw[0] & 0xFF : -1;
        int second = raw.length > 1 ? raw[1] & 0xFF : -1;
        Charset charset = StandardCharsets.UTF_8;
        if (first == 0xFF && second == 0xFE || first > 0 && second == 0) {
            charset = StandardCharsets.UTF_16LE;
        } else if (first == 0xFE && second == 0xFF || first == 0 && second > 0) {
            charset = StandardCharsets.UTF_16BE;
        }
        try {
            String text = charset.newDecoder().decode(ByteBuffer.wrap(raw)).toString();
            return text.startsWith("\uFEFF") ? text.substring(1) : text;
        } catch (CharacterCodingException error) {
            throw none(where, "it is no text");
        }
    }
}
