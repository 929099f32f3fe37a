package schoolbell

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"
)

const (
	// DefaultTarget is where a client connects that is told nothing else.
	DefaultTarget = "localhost:7443"

	userAgent    = "schoolbell-go/" + Version
	messageLimit = 16 * 1024 * 1024 // bytes; a page may be larger than gRPC's own limit
)

// TokenSource returns the token of a call, such as that of an identity provider. It is asked at every
// call, so it keeps a token while that is good. Its error is UNAUTHENTICATED to the call and ends a
// publisher or watcher; one that may pass is a gRPC status UNAVAILABLE, and then tried again.
type TokenSource func(ctx context.Context) (string, error)

// Connection is the address of a service and the caller's credentials.
type Connection struct {
	// Target is host:port; empty is [DefaultTarget].
	Target string
	// Key is an API key, `sb_…`.
	Key string
	// Token is asked for the token of each call, in place of Key.
	Token TokenSource
	// CA is the PEM of the authority that signed the server's certificate; empty is the system's.
	CA []byte
	// ClientCertificate is the caller's, for mutual TLS.
	ClientCertificate *tls.Certificate
	// Plaintext is no encryption: only against a loopback server that says so itself.
	Plaintext bool
	// Deadline is how long a unary call may take that names no deadline; 0 is [DefaultDeadline].
	Deadline time.Duration
	// Logger is told of breaks that last; nil is [slog.Default].
	Logger *slog.Logger
}

// FromEnvironment reads SCHOOLBELL_TARGET, SCHOOLBELL_KEY or SCHOOLBELL_KEY_FILE, and
// SCHOOLBELL_CA_FILE.
func FromEnvironment() (Connection, error) {
	connection := Connection{Target: os.Getenv("SCHOOLBELL_TARGET")}
	if key := os.Getenv("SCHOOLBELL_KEY"); key != "" {
		if err := checkKey(key, "SCHOOLBELL_KEY"); err != nil {
			return Connection{}, err
		}
		connection.Key = key
	} else if path := os.Getenv("SCHOOLBELL_KEY_FILE"); path != "" {
		key, err := ReadKey(path)
		if err != nil {
			return Connection{}, err
		}
		connection.Key = key
	}
	if path := os.Getenv("SCHOOLBELL_CA_FILE"); path != "" {
		pem, err := os.ReadFile(path)
		if err != nil {
			return Connection{}, fmt.Errorf("schoolbell: SCHOOLBELL_CA_FILE cannot be read: %w", err)
		}
		connection.CA = pem
	}
	return connection, nil
}

// checked returns the connection with its defaults; it refuses what gRPC would call UNAVAILABLE for ever.
func (c Connection) checked() (Connection, error) {
	if c.Target == "" {
		c.Target = DefaultTarget
	}
	if c.Deadline == 0 {
		c.Deadline = DefaultDeadline
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	if err := checkTarget(c.Target); err != nil {
		return c, err
	}
	if err := checkKey(c.Key, "the connection's key"); err != nil {
		return c, err
	}
	if c.Key != "" && c.Token != nil {
		return c, errors.New("schoolbell: a connection has a key or a token source, not both")
	}
	if c.Plaintext && !isLoopback(c.Target) {
		return c, fmt.Errorf("schoolbell: plaintext is for loopback only, not for %q", c.Target)
	}
	if len(c.CA) > 0 && !x509.NewCertPool().AppendCertsFromPEM(c.CA) {
		return c, errors.New("schoolbell: the authority (CA file) holds no certificate in PEM")
	}
	return c, nil
}

// tlsConfig returns how to speak TLS to the server.
func (c Connection) tlsConfig() *tls.Config {
	config := &tls.Config{MinVersion: tls.VersionTLS12, NextProtos: []string{"h2"}}
	if len(c.CA) > 0 {
		config.RootCAs = x509.NewCertPool()
		config.RootCAs.AppendCertsFromPEM(c.CA)
	}
	if c.ClientCertificate != nil {
		config.Certificates = []tls.Certificate{*c.ClientCertificate}
	}
	return config
}

// dialOptions returns how gRPC is set up.
func (c Connection) dialOptions() []grpc.DialOption {
	transport := insecure.NewCredentials()
	if !c.Plaintext {
		transport = credentials.NewTLS(c.tlsConfig())
	}
	options := []grpc.DialOption{
		grpc.WithTransportCredentials(transport),
		grpc.WithUserAgent(userAgent),
		grpc.WithDisableServiceConfig(), // of the name service; the contract's own is next
		grpc.WithDefaultServiceConfig(retries),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(messageLimit)),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{
			Time: 30 * time.Second, Timeout: 10 * time.Second, PermitWithoutStream: true,
		}),
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff: backoff.Config{
				BaseDelay: 200 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: 5 * time.Second,
			},
			MinConnectTimeout: 10 * time.Second,
		}),
		grpc.WithChainUnaryInterceptor(c.unary),
		grpc.WithChainStreamInterceptor(stream),
	}
	if c.Key != "" || c.Token != nil {
		options = append(options, grpc.WithPerRPCCredentials(bearer{c}))
	}
	if isLoopback(c.Target) {
		options = append(options, grpc.WithNoProxy()) // it cannot reach this very machine
	}
	return options
}

// bearer shows the key or token of a connection at every call.
type bearer struct{ connection Connection }

func (b bearer) GetRequestMetadata(ctx context.Context, _ ...string) (map[string]string, error) {
	token := b.connection.Key
	if b.connection.Token != nil {
		var err error
		if token, err = b.connection.Token(ctx); err != nil {
			return nil, err
		}
		if err = checkKey(token, "the token source"); err != nil {
			return nil, err
		}
	}
	return map[string]string{"authorization": "Bearer " + token}, nil
}

func (b bearer) RequireTransportSecurity() bool { return !b.connection.Plaintext }
