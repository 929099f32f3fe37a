package example.schoolbell;

import io.grpc.ChannelCredentials;
import io.grpc.InsecureChannelCredentials;
import io.grpc.TlsChannelCredentials;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.security.KeyFactory;
import java.security.KeyStore;
import java.security.PrivateKey;
import java.security.cert.Certificate;
import java.security.cert.CertificateException;
import java.security.cert.CertificateFactory;
import java.security.spec.InvalidKeySpecException;
import java.security.spec.PKCS8EncodedKeySpec;
import java.util.Base64;
import java.util.Collection;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import javax.net.ssl.KeyManager;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManager;
import javax.net.ssl.TrustManagerFactory;

/** How a connection speaks TLS: for gRPC, and for a handshake of our own. */
final class Tls {
    private static final Pattern PRIVATE_KEY =
        Pattern.compile("-----BEGIN PRIVATE KEY-----([^-]+)-----END PRIVATE KEY-----");
    private static final Pattern CERTIFICATE =
        Pattern.compile("-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----");
    private static final List<String> ALGORITHMS = List.of("EC", "RSA", "EdDSA");
    private static final char[] NO_PASSWORD = {};

    private Tls() {}

    /** Refuses an authority or a certificate that is none. */
    static void check(String ca, ClientCertificate certificate) {
        trustManagers(ca);
        keyManagers(certificate);
    }

    static ChannelCredentials credentials(Connection connection) {
        if (connection.plaintext()) {
            return InsecureChannelCredentials.create();
        }
        TlsChannelCredentials.Builder credentials = TlsChannelCredentials.newBuilder();
        if (!connection.ca().isEmpty()) {
            credentials.trustManager(trustManagers(connection.ca()));
        }
        if (connection.certificate() != null) {
            credentials.keyManager(keyManagers(connection.certificate()));
        }
        return credentials.build();
    }

    static SSLContext context(Connection connection) {
        try {
            SSLContext context = SSLContext.getInstance("TLS");
            context.init(keyManagers(connection.certificate()), trustManagers(connection.ca()), null);
            return context;
        } catch (GeneralSecurityException error) {
            throw new IllegalStateException("this Java runtime does not speak TLS", error);
        }
    }

    private static TrustManager[] trustManagers(String ca) {
        if (ca.isEmpty()) {
            return null; // those of the runtime
        }
        try {
            KeyStore store = emptyStore();
            for (Certificate one : certificates(ca, "the authority (CA file)")) {
                store.setCertificateEntry("authority-" + store.size(), one);
            }
            TrustManagerFactory made = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
            made.init(store);
            return made.getTrustManagers();
        } catch (GeneralSecurityException | IOException error) {
            throw new BadConnectionException("the authority (CA file) cannot be used", error);
        }
    }

    private static KeyManager[] keyManagers(ClientCertificate certificate) {
        if (certificate == null) {
            return null;
        }
        try {
            Certificate[] chain =
                certificates(certificate.chain(), "the client certificate").toArray(Certificate[]::new);
            KeyStore store = emptyStore();
            store.setKeyEntry("own", privateKey(certificate.privateKey()), NO_PASSWORD, chain);
            KeyManagerFactory made = KeyManagerFactory.getInstance(KeyManagerFactory.getDefaultAlgorithm());
            made.init(store, NO_PASSWORD);
            return made.getKeyManagers();
        } catch (GeneralSecurityException | IOException error) {
            throw new BadConnectionException("the client certificate cannot be used", error);
        }
    }

    private static KeyStore emptyStore() throws GeneralSecurityException, IOException {
        KeyStore store = KeyStore.getInstance("PKCS12");
        store.load(null, null);
        return store;
    }

    private static Collection<? extends Certificate> certificates(String pem, String what) {
        StringBuilder found = new StringBuilder(); // other text may stand between them
        Matcher next = CERTIFICATE.matcher(pem);
        while (next.find()) {
            found.append(next.group()).append('\n');
        }
        if (found.isEmpty()) {
            throw new BadConnectionException(what + " holds no certificate in PEM");
        }
        byte[] raw = found.toString().getBytes(StandardCharsets.US_ASCII);
        try {
            return CertificateFactory.getInstance("X.509").generateCertificates(new ByteArrayInputStream(raw));
        } catch (CertificateException error) {
            throw new BadConnectionException(what + " holds a certificate that cannot be read", error);
        }
    }

    private static PrivateKey privateKey(String pem) throws GeneralSecurityException {
        Matcher found = PRIVATE_KEY.matcher(pem);
        if (!found.find()) {
            throw new BadConnectionException("the client certificate's private key must be PEM of PKCS #8 "
                + "without a password: openssl pkcs8 -topk8 -nocrypt makes it");
        }
        try {
            byte[] raw = Base64.getMimeDecoder().decode(found.group(1));
            for (String algorithm : ALGORITHMS) {
                try {
                    return KeyFactory.getInstance(algorithm).generatePrivate(new PKCS8EncodedKeySpec(raw));
                } catch (InvalidKeySpecException error) {
                    continue; // of another algorithm
                }
            }
        } catch (IllegalArgumentException error) {
            throw new BadConnectionException("the client certificate's private key is no PEM", error);
        }
        throw new BadConnectionException("the client certificate's private key is of none of " + ALGORITHMS);
    }
}
