package schoolbell

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"

	v1 "schoolbell.example/go/schoolbell/v1"
)

const (
	batchSize     = 100         // changes a message
	batchBytes    = 1 << 20     // of a message, before its last change
	window        = 8           // unanswered batches; the server reads no further than 16
	mostSubmitted = 2_000       // changes without an answer before Submit waits
	mostBytes     = 1 << 20     // of one change; the server takes 8 KiB
	comeBack      = time.Second // where a full service names no time
)

// ErrPublisherClosed is what submitting to a closed publisher returns.
var ErrPublisherClosed = errors.New("schoolbell: the publisher is closed")

// Publisher publishes changes for one district on a stream: in batches, in order, each one answered. When
// the stream breaks it opens another and sends again whatever was not answered: keys make that harmless.
// What the service refuses for being full is sent again later. A mistake of the caller, such as a revoked
// key, a wrong target or a certificate that is not trusted, ends it with that reason.
//
// At most 2,000 changes wait in it; Submit then waits. Many goroutines may use it.
type Publisher struct {
	changes    v1.ChangeServiceClient
	districtID string
	breaks     *breaks
	ctx        context.Context
	abort      context.CancelFunc
	done       chan struct{}
	room       chan struct{} // a place for each change without an answer

	mutex   sync.Mutex
	moved   *sync.Cond
	waiting []*Answer
	batches [][]*Answer // unanswered, oldest first
	sent    int         // how many of them the present stream has taken
	pending map[*Answer]struct{}
	closing bool
	err     error
}

// Answer is the answer to one submitted change, once it is there.
type Answer struct {
	change *v1.Change
	size   int
	done   chan struct{}
	ack    *v1.PublishAck
	err    error
}

// Done is closed once the answer is there.
func (a *Answer) Done() <-chan struct{} { return a.done }

// Change returns the change that is answered.
func (a *Answer) Change() *v1.Change { return a.change }

// Wait returns the answer once it is there: the change is durable, a duplicate, or refused (see
// [FromStatus] for the error of a refused one). The error says why there will be none.
func (a *Answer) Wait(ctx context.Context) (*v1.PublishAck, error) {
	select {
	case <-a.done:
		return a.ack, a.err
	case <-ctx.Done():
		return nil, typed(ctx.Err())
	}
}

// NewPublisher opens a publisher for a district. Close it.
func (c *Client) NewPublisher(districtID string) *Publisher {
	p := &Publisher{
		changes:    c.Changes,
		districtID: districtID,
		breaks:     newBreaks(c.connection),
		done:       make(chan struct{}),
		room:       make(chan struct{}, mostSubmitted),
		pending:    map[*Answer]struct{}{},
	}
	p.ctx, p.abort = context.WithCancel(context.Background())
	p.moved = sync.NewCond(&p.mutex)
	go p.run()
	return p
}

// Submit queues a change and returns its answer to come; it waits while too much is queued. The change
// must not be altered any more. The error is that the publisher has ended, or that the change can never
// be sent.
func (p *Publisher) Submit(ctx context.Context, change *v1.Change) (*Answer, error) {
	encoded, err := proto.Marshal(change)
	if err != nil {
		return nil, fmt.Errorf("schoolbell: the change cannot be sent: %w", err)
	}
	if len(encoded) > mostBytes {
		return nil, fmt.Errorf("schoolbell: the change has %d bytes, and may have 8 KiB", len(encoded))
	}
	select {
	case p.room <- struct{}{}:
	case <-ctx.Done():
		return nil, typed(ctx.Err())
	case <-p.done:
		return nil, p.ended()
	}
	answer := &Answer{change: change, size: len(encoded), done: make(chan struct{})}
	p.mutex.Lock()
	defer p.mutex.Unlock()
	if p.closing || p.err != nil {
		<-p.room
		if p.err != nil {
			return nil, p.err
		}
		return nil, ErrPublisherClosed
	}
	p.waiting = append(p.waiting, answer)
	p.pending[answer] = struct{}{}
	p.moved.Broadcast()
	return answer, nil
}

// Publish publishes a change and returns its answer.
func (p *Publisher) Publish(ctx context.Context, change *v1.Change) (*v1.PublishAck, error) {
	answer, err := p.Submit(ctx, change)
	if err != nil {
		return nil, err
	}
	return answer.Wait(ctx)
}

// Flush waits until everything is answered that was submitted before it.
func (p *Publisher) Flush(ctx context.Context) error {
	p.mutex.Lock()
	before := make([]*Answer, 0, len(p.pending))
	for answer := range p.pending {
		before = append(before, answer)
	}
	err := p.err
	p.mutex.Unlock()
	if err != nil {
		return err
	}
	for _, answer := range before {
		if _, err := answer.Wait(ctx); err != nil {
			return err
		}
	}
	return nil
}

// Close takes no more changes and waits until everything is answered. The error is why something will not
// be: what ended the publisher, or the end of the context; what is unanswered then is given up, and may or
// may not have been taken.
func (p *Publisher) Close(ctx context.Context) error {
	p.mutex.Lock()
	p.closing = true
	p.moved.Broadcast()
	p.mutex.Unlock()
	select {
	case <-p.done:
	case <-ctx.Done():
		p.fail(typed(ctx.Err()))
		p.abort()
		<-p.done
	}
	p.mutex.Lock()
	defer p.mutex.Unlock()
	return p.err
}

func (p *Publisher) ended() error {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	if p.err != nil {
		return p.err
	}
	return ErrPublisherClosed
}
