package schoolbell

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"
)

const handshakePatience = 3 * time.Second

var (
	http2Preface = []byte("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00")
	tlsAlert     = []byte{0x15, 0x03}
)

// findMistake returns why a connection can never work; "" if it works, or may work later. gRPC says
// UNAVAILABLE to both, so the addresses are tried with a handshake of our own. With names a host that
// nobody knows is such a mistake.
func findMistake(ctx context.Context, connection Connection, names bool) string {
	host, port, ok := splitTarget(connection.Target)
	if !ok {
		return "" // resolved by gRPC in its own way
	}
	lookUp, cancel := context.WithTimeout(ctx, handshakePatience)
	defer cancel()
	addresses, err := net.DefaultResolver.LookupHost(lookUp, host)
	if err != nil {
		var unknown *net.DNSError
		if names && errors.As(err, &unknown) && unknown.IsNotFound {
			return fmt.Sprintf("the host %q is not known", host)
		}
		return ""
	}
	mistake := ""
	for _, address := range addresses {
		found, reached := tryAddress(ctx, connection, host, net.JoinHostPort(address, port))
		if reached && found == "" {
			return ""
		}
		if mistake == "" {
			mistake = found
		}
	}
	return mistake
}

// tryAddress returns what is wrong with an address, and whether it was reached at all.
func tryAddress(ctx context.Context, connection Connection, host, address string) (string, bool) {
	ctx, cancel := context.WithTimeout(ctx, handshakePatience)
	defer cancel()
	plain, err := new(net.Dialer).DialContext(ctx, "tcp", address)
	if err != nil {
		return "", false
	}
	defer plain.Close()
	if err := plain.SetDeadline(time.Now().Add(handshakePatience)); err != nil {
		return "", false
	}
	if connection.Plaintext {
		return tryPlaintext(plain), true
	}
	config := connection.tlsConfig()
	config.ServerName = host
	secure := tls.Client(plain, config)
	if err := secure.HandshakeContext(ctx); err != nil {
		return handshakeMistake(err), true
	}
	if secure.ConnectionState().NegotiatedProtocol != "h2" {
		return "what listens there is no gRPC server: it does not speak HTTP/2", true
	}
	if connection.ClientCertificate == nil { // a server that wants one says so after the handshake
		if _, err := secure.Read(make([]byte, 1)); err != nil {
			return handshakeMistake(err), true
		}
	}
	return "", true
}

func handshakeMistake(err error) string {
	var (
		untrusted *tls.CertificateVerificationError
		invalid   x509.CertificateInvalidError
		name      x509.HostnameError
		authority x509.UnknownAuthorityError
		notTLS    tls.RecordHeaderError
	)
	switch {
	case errors.As(err, &untrusted), errors.As(err, &invalid), errors.As(err, &name),
		errors.As(err, &authority):
		return "the server's certificate is not trusted: " + err.Error()
	case errors.As(err, &notTLS):
		return "what listens there does not speak TLS"
	case strings.Contains(err.Error(), "certificate required"):
		return "the server wants a client certificate"
	}
	return "" // it was cut off, or took too long: it may work later
}

func tryPlaintext(plain net.Conn) string {
	if _, err := plain.Write(http2Preface); err != nil {
		return ""
	}
	answer := make([]byte, 9)
	count, _ := plain.Read(answer) // an answer that breaks off is judged by what came
	switch {
	case count == 0:
		return ""
	case bytes.HasPrefix(answer, tlsAlert):
		return "the server speaks TLS: connect without Plaintext"
	case count > 3 && answer[3] != 4: // the type of a frame; 4 is SETTINGS
		return "what listens there is no gRPC server: it does not speak HTTP/2"
	}
	return ""
}
