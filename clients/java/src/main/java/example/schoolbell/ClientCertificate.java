package example.schoolbell;

/**
 * The caller's own certificate, for mutual TLS.
 *
 * @param chain the certificate and those between it and its authority, PEM
 * @param privateKey its private key without a password, PEM of PKCS #8 ({@code BEGIN PRIVATE KEY})
 */
public record ClientCertificate(String chain, String privateKey) {
    /** Names neither the certificate nor the key. */
    @Override
    public String toString() {
        return "ClientCertificate";
    }
}
