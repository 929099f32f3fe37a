package schoolbell

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	v1 "schoolbell.example/go/schoolbell/v1"
)

// echoServer answers with the credentials and the time limit of a call.
type echoServer struct {
	v1.UnimplementedAccessServiceServer
}

func (echoServer) GetCaller(ctx context.Context, _ *v1.GetCallerRequest) (*v1.GetCallerResponse, error) {
	found, _ := metadata.FromIncomingContext(ctx)
	return &v1.GetCallerResponse{Sources: found.Get("authorization")}, nil
}

func TestATokenSourceIsAskedAtEachCall(t *testing.T) {
	target := serveEcho(t)
	asked := 0
	client := connected(t, Connection{
		Target: target, Plaintext: true,
		Token: func(context.Context) (string, error) {
			asked++
			return fmt.Sprintf("token-%d", asked), nil
		},
	})
	for number := 1; number <= 2; number++ {
		answer, err := client.Access.GetCaller(within30(t), &v1.GetCallerRequest{})
		if err != nil || answer.GetSources()[0] != fmt.Sprintf("Bearer token-%d", number) {
			t.Errorf("%v, %v", answer, err)
		}
	}
}

func TestATokenSourceThatFailsEndsTheCall(t *testing.T) {
	target := serveEcho(t)
	for fault, code := range map[error]codes.Code{
		errors.New("signed out"):                   codes.Unauthenticated,
		status.Error(codes.Unavailable, "no wire"): codes.Unavailable,
	} {
		client := connected(t, Connection{
			Target: target, Plaintext: true,
			Token: func(context.Context) (string, error) { return "", fault },
		})
		if _, err := client.Access.GetCaller(within30(t), &v1.GetCallerRequest{}); status.Code(err) != code {
			t.Errorf("%v: %v", fault, err)
		}
	}
	client := connected(t, Connection{
		Target: target, Plaintext: true,
		Token: func(context.Context) (string, error) { return "two\nlines", nil },
	})
	if _, err := client.Access.GetCaller(within30(t), &v1.GetCallerRequest{}); status.Code(err) != codes.Unauthenticated {
		t.Error(err)
	}
	if _, err := NewClient(Connection{Key: goodKey, Token: func(context.Context) (string, error) { return "", nil }}); err == nil {
		t.Error("a key and a token source were taken")
	}
}

func TestAStreamWhoseTokenHasExpiredGoesOnWithTheNext(t *testing.T) {
	expired := typed(refused(t, codes.Unauthenticated, "KEY_EXPIRED"))
	token := func(context.Context) (string, error) { return "token", nil }
	connection := Connection{Token: token, Logger: slog.New(slog.DiscardHandler)}
	breaks := newBreaks(connection)
	for range 2 {
		if err := breaks.wait(within30(t), expired); err != nil {
			t.Error(err)
		}
	}
	breaks.expired = breaks.expired.Add(-2 * expiredFor)
	if err := breaks.wait(within30(t), expired); ReasonOf(err) != "KEY_EXPIRED" {
		t.Error("a source of nothing but expired tokens is asked for ever")
	}
	breaks.over()
	if err := breaks.wait(within30(t), expired); err != nil {
		t.Error(err)
	}
	if err := newBreaks(Connection{Key: goodKey}).wait(within30(t), expired); ReasonOf(err) != "KEY_EXPIRED" {
		t.Error("an expired key is shown again")
	}
}
