package example.schoolbell;

import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.net.UnknownHostException;
import java.nio.charset.StandardCharsets;
import javax.net.ssl.SSLException;
import javax.net.ssl.SSLParameters;
import javax.net.ssl.SSLSocket;

/**
 * Finds why a connection can never work. gRPC says UNAVAILABLE to that too, so the addresses are tried
 * with a handshake of our own.
 */
final class Mistakes {
    private static final int PATIENCE = 3_000; // milliseconds, of each step
    private static final int FRAME_HEAD = 9; // bytes
    private static final byte[] PREFACE = // of HTTP/2, with empty SETTINGS
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0".getBytes(StandardCharsets.US_ASCII);
    private static final int TLS_ALERT = 0x15;
    private static final int SETTINGS = 4; // type of a frame
    private static final String NO_GRPC = "what listens there is no gRPC server: it does not speak HTTP/2";

    private Mistakes() {}

    /**
     * Returns why a connection can never work; empty if it works, or may work later.
     *
     * @param names whether a host that nobody knows is such a mistake
     */
    static String find(Connection connection, boolean names) {
        Target target = Target.of(connection.target());
        InetAddress[] addresses;
        try {
            addresses = InetAddress.getAllByName(target.host());
        } catch (UnknownHostException error) {
            boolean passing = String.valueOf(error.getMessage()).contains("Temporary failure");
            return names && !passing ? "the host \"" + target.host() + "\" is not known" : "";
        }
        String mistake = "";
        for (InetAddress address : addresses) {
            try (Socket plain = new Socket()) {
                plain.setSoTimeout(PATIENCE);
                plain.connect(new InetSocketAddress(address, target.port()), PATIENCE);
                String found = connection.plaintext() ? tryPlaintext(plain) : tryTls(plain, connection, target);
                if (found.isEmpty()) {
                    return "";
                }
                mistake = mistake.isEmpty() ? found : mistake;
            } catch (IOException error) {
                continue; // nobody is there, or it was cut off: it may work later
            }
        }
        return mistake;
    }

    private static String tryTls(Socket plain, Connection connection, Target target) throws IOException {
        SSLSocket secure = (SSLSocket) Tls.context(connection).getSocketFactory()
            .createSocket(plain, target.host(), target.port(), true);
        SSLParameters wanted = secure.getSSLParameters();
        wanted.setEndpointIdentificationAlgorithm("HTTPS");
        wanted.setApplicationProtocols(new String[] {"h2"});
        secure.setSSLParameters(wanted);
        try {
            secure.startHandshake();
            if (!"h2".equals(secure.getApplicationProtocol())) {
                return NO_GRPC;
            }
            if (connection.certificate() == null) {
                secure.getInputStream().read(); // a server that wants one says so after the handshake
            }
            return "";
        } catch (SSLException error) {
            return ofHandshake(error);
        }
    }

    private static String ofHandshake(SSLException error) {
        for (Throwable one = error; one != null; one = one.getCause()) {
            if (SchoolbellException.isAboutCertificates(one)) {
                return "the server's certificate is not trusted: " + one.getMessage();
            }
        }
        String message = String.valueOf(error.getMessage());
        if (message.contains("Unsupported or unrecognized SSL message")) {
            return "what listens there does not speak TLS";
        }
        return message.contains("certificate_required") ? "the server wants a client certificate" : "";
    }

    private static String tryPlaintext(Socket plain) throws IOException {
        plain.getOutputStream().write(PREFACE);
        byte[] answer = plain.getInputStream().readNBytes(FRAME_HEAD);
        if (answer.length > 1 && answer[0] == TLS_ALERT) {
            return "the server speaks TLS: connect without plaintext";
        }
        return answer.length > 3 && answer[3] != SETTINGS ? NO_GRPC : "";
    }
}
