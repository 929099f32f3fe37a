package example.schoolbell;

/**
 * A connection that can never work, such as a key that no call can carry or a target that is no
 * {@code host:port}. It is thrown before any call; its message never tells the key.
 */
public final class BadConnectionException extends IllegalArgumentException {
    private static final long serialVersionUID = 1L;

    BadConnectionException(String message) {
        super(message);
    }

    BadConnectionException(String message, Throwable cause) {
        super(message, cause);
    }
}
