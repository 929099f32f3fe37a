package example.schoolbell;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Map;

/**
 * The address of a service and the caller's credentials. What gRPC would call UNAVAILABLE for ever is
 * refused when it is made, with a {@link BadConnectionException}.
 *
 * @param target {@code host:port}
 * @param key an API key, {@code sb_…}; empty for none
 * @param token asked for the token of each call, in place of the key; null for none
 * @param ca the authority that signed the server's certificate, PEM; empty for those of the Java runtime
 * @param certificate the caller's own, for mutual TLS; null for none
 * @param plaintext no encryption: only against a loopback server that says so itself
 * @param deadline how long a unary call may take that names no deadline
 */
public record Connection(
        String target,
        String key,
        TokenSource token,
        String ca,
        ClientCertificate certificate,
        boolean plaintext,
        Duration deadline) {

    /** Where a client connects that is told nothing else. */
    public static final String DEFAULT_TARGET = "localhost:7443";

    /** How long a unary call may take that names no deadline, as the contract says: 15 s. */
    public static final Duration DEFAULT_DEADLINE = ServiceConfig.SHARED.deadline();

    /** Checks it. */
    public Connection {
        boolean loopback = Target.of(target).isLoopback();
        Keys.check(key, "the connection's key");
        if (!key.isEmpty() && token != null) {
            throw new BadConnectionException("a connection has a key or a token source, not both");
        }
        if (plaintext && !loopback) {
            throw new BadConnectionException("plaintext is for loopback only, not for \"" + target + "\"");
        }
        if (deadline.isNegative() || deadline.isZero()) {
            throw new BadConnectionException("the deadline must be positive, not " + deadline);
        }
        Tls.check(ca, certificate);
    }

    /**
     * Makes a connection without credentials.
     *
     * @param target {@code host:port}
     * @return the connection, over TLS with the authorities of the Java runtime
     */
    public static Connection to(String target) {
        return new Connection(target, "", null, "", null, false, DEFAULT_DEADLINE);
    }

    /**
     * Reads SCHOOLBELL_TARGET, SCHOOLBELL_KEY or SCHOOLBELL_KEY_FILE, and SCHOOLBELL_CA_FILE.
     *
     * @return the connection
     * @throws BadConnectionException where a variable or a file does not hold what it should
     */
    public static Connection fromEnvironment() {
        return fromEnvironment(System.getenv());
    }

    /**
     * Reads the same variables from elsewhere, such as a configuration.
     *
     * @param environment the variables by name
     * @return the connection
     * @throws BadConnectionException where a variable or a file does not hold what it should
     */
    public static Connection fromEnvironment(Map<String, String> environment) {
        String target = environment.getOrDefault("SCHOOLBELL_TARGET", "");
        Connection connection = to(target.isEmpty() ? DEFAULT_TARGET : target);
        String key = environment.getOrDefault("SCHOOLBELL_KEY", "");
        String keyFile = environment.getOrDefault("SCHOOLBELL_KEY_FILE", "");
        String caFile = environment.getOrDefault("SCHOOLBELL_CA_FILE", "");
        if (!key.isEmpty()) {
            Keys.check(key, "SCHOOLBELL_KEY");
            connection = connection.withKey(key);
        } else if (!keyFile.isEmpty()) {
            connection = connection.withKey(Keys.read(Path.of(keyFile)));
        }
        return caFile.isEmpty() ? connection : connection.withCa(Path.of(caFile));
    }

    /**
     * Returns it with another target.
     *
     * @param target {@code host:port}
     * @return the connection
     */
    public Connection withTarget(String target) {
        return new Connection(target, key, token, ca, certificate, plaintext, deadline);
    }

    /**
     * Returns it with an API key in place of other credentials.
     *
     * @param key {@code sb_…}; see {@link Keys#read} for one in a file
     * @return the connection
     */
    public Connection withKey(String key) {
        return new Connection(target, key, null, ca, certificate, plaintext, deadline);
    }

    /**
     * Returns it with a token source in place of other credentials.
     *
     * @param token asked at each call
     * @return the connection
     */
    public Connection withToken(TokenSource token) {
        return new Connection(target, "", token, ca, certificate, plaintext, deadline);
    }

    /**
     * Returns it with the authority that signed the server's certificate.
     *
     * @param file PEM
     * @return the connection
     * @throws BadConnectionException where the file cannot be read or holds no certificate
     */
    public Connection withCa(Path file) {
        return new Connection(target, key, token, text(file), certificate, plaintext, deadline);
    }

    /**
     * Returns it with the caller's own certificate, for mutual TLS.
     *
     * @param chain the file of the certificate and those between it and its authority, PEM
     * @param privateKey the file of its private key without a password, PEM of PKCS #8
     * @return the connection
     * @throws BadConnectionException where a file cannot be read or does not hold what it should
     */
    public Connection withCertificate(Path chain, Path privateKey) {
        ClientCertificate own = new ClientCertificate(text(chain), text(privateKey));
        return new Connection(target, key, token, ca, own, plaintext, deadline);
    }

    /**
     * Returns it without encryption, for a loopback server that says so itself.
     *
     * @return the connection
     */
    public Connection withPlaintext() {
        return new Connection(target, key, token, ca, certificate, true, deadline);
    }

    /**
     * Returns it with another default deadline.
     *
     * @param deadline how long a unary call may take that names no deadline
     * @return the connection
     */
    public Connection withDeadline(Duration deadline) {
        return new Connection(target, key, token, ca, certificate, plaintext, deadline);
    }

    /** Names the target alone: credentials are secret. */
    @Override
    public String toString() {
        return "Connection[" + target + "]";
    }

    private static String text(Path file) {
        try {
            return Files.readString(file);
        } catch (IOException error) {
            throw new BadConnectionException("the file " + file + " cannot be read as text", error);
        }
    }
}
