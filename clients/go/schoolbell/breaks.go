package schoolbell

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"google.golang.org/grpc/codes"
)

const (
	firstPause = 100 * time.Millisecond
	mostPause  = 5 * time.Second
	sayAgain   = 10 * time.Second
	// How long tokens may have expired before their source is at fault.
	expiredFor = time.Minute
	// After so many breaks in a row a connection that once worked is looked at again.
	lookForMistakes = 3
)

// breaks are the breaks of one series of tries: it waits, says so, and gives up where another try is of no
// use. One goroutine uses it.
type breaks struct {
	connection Connection
	bound      time.Duration
	worked     bool
	count      int
	since      time.Time
	said       time.Time
	expired    time.Time // when the first of those in a row was that were of an expired token
}

func newBreaks(connection Connection) *breaks {
	return &breaks{connection: connection, bound: firstPause}
}

// over tells that the service answered.
func (b *breaks) over() {
	if !b.said.IsZero() {
		b.connection.Logger.Warn("the service answers again")
	}
	b.bound, b.worked, b.count, b.said = firstPause, true, 0, time.Time{}
	b.expired = time.Time{}
}

// wait waits before the next try; it returns an error where another try is of no use.
func (b *breaks) wait(ctx context.Context, err error) error {
	var found *Error
	if !errors.As(err, &found) || ctx.Err() != nil {
		return err
	}
	pause := rand.N(b.bound)
	b.bound = min(mostPause, 2*b.bound)
	switch {
	case b.renewed(found):
	case found.Code == codes.Unavailable:
	case found.Code == codes.Canceled: // by a server that stops: this end did not, see above
	case found.Code == codes.ResourceExhausted && found.RetryAfter > 0:
	default:
		return err
	}
	pause = max(pause, found.RetryAfter)
	if b.suspicious(found) {
		if mistake := findMistake(ctx, b.connection, !b.worked); mistake != "" {
			return unreachable(mistake)
		}
	}
	b.say(found)
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return typed(ctx.Err())
	}
}

// renewed tells whether the next try shows another token, in place of one that has expired.
func (b *breaks) renewed(err *Error) bool {
	if b.connection.Token == nil || err.Reason != "KEY_EXPIRED" {
		b.expired = time.Time{}
		return false
	}
	if b.expired.IsZero() {
		b.expired = time.Now()
	}
	return time.Since(b.expired) <= expiredFor
}

// suspicious tells whether the connection itself may be to blame: nobody answered, not even to say so.
// It is looked at once in so many breaks, and at first where it has never worked.
func (b *breaks) suspicious(err *Error) bool {
	if err.Reason != "" {
		return false
	}
	number := b.count
	b.count++
	if b.worked {
		return number%lookForMistakes == lookForMistakes-1
	}
	return number%lookForMistakes == 0
}

func (b *breaks) say(err *Error) {
	now := time.Now()
	switch {
	case b.said.IsZero():
		b.since = now
		b.connection.Logger.Warn("the service is away, trying again", "error", err)
	case now.Sub(b.said) < sayAgain:
		return
	default:
		away := fmt.Sprintf("%.0f s", now.Sub(b.since).Seconds())
		b.connection.Logger.Warn("the service is away", "for", away, "error", err)
	}
	b.said = now
}
