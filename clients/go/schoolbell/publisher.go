package schoolbell

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"google.golang.org/grpc/codes"
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

// run opens one stream after the other until everything is answered or nothing can be.
func (p *Publisher) run() {
	defer close(p.done)
	defer p.abort()
	for p.hasWork() {
		err := p.stream()
		if err == nil {
			continue
		}
		if final := p.breaks.wait(p.ctx, err); final != nil {
			p.fail(final)
			return
		}
	}
}

// hasWork waits until there is something to send; false where there will be nothing any more.
func (p *Publisher) hasWork() bool {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	for len(p.waiting) == 0 && len(p.batches) == 0 && !p.finished() {
		p.moved.Wait()
	}
	return !p.finished()
}

// finished tells whether everything is answered and nothing more will come, or all is given up.
func (p *Publisher) finished() bool {
	return p.err != nil || p.closing && len(p.pending) == 0
}

// stream sends and receives on one stream until it ends; nil where it ended because all is done.
func (p *Publisher) stream() error {
	ctx, cancel := context.WithCancel(p.ctx)
	defer cancel()
	stream, err := p.changes.StreamPublishChanges(ctx)
	if err != nil {
		return err
	}
	p.mutex.Lock()
	p.sent = 0
	p.mutex.Unlock()
	ended := make(chan error, 1)
	over := false // guarded by the mutex
	go func() {
		err := p.receive(stream)
		cancel() // a Send that waits for room on the broken stream ends
		p.mutex.Lock()
		over = true
		p.moved.Broadcast()
		p.mutex.Unlock()
		ended <- err
	}()
	for {
		request := p.next(&over)
		if request == nil {
			break
		}
		if stream.Send(request) != nil {
			break // the receiver knows why
		}
	}
	_ = stream.CloseSend() // the receiver learns of any error
	if err := <-ended; err != nil {
		return err
	}
	p.mutex.Lock()
	defer p.mutex.Unlock()
	if !p.finished() {
		return broken("the service ended the stream")
	}
	return nil
}

// next returns what to send next on the present stream: first what a broken one left unanswered. It is nil
// where the stream is over or all is done.
func (p *Publisher) next(over *bool) *v1.StreamPublishChangesRequest {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	for {
		switch {
		case *over || p.finished():
			return nil
		case p.sent < len(p.batches):
			return p.request()
		case len(p.waiting) > 0 && len(p.batches) < window:
			p.batches = append(p.batches, p.batch())
			return p.request()
		}
		p.moved.Wait()
	}
}

// batch takes changes from those that wait.
func (p *Publisher) batch() []*Answer {
	count, bytes := 0, 0
	for count < len(p.waiting) && count < batchSize && bytes < batchBytes {
		bytes += p.waiting[count].size
		count++
	}
	taken := p.waiting[:count:count]
	p.waiting = p.waiting[count:]
	return taken
}

func (p *Publisher) request() *v1.StreamPublishChangesRequest {
	batch := p.batches[p.sent]
	p.sent++
	request := &v1.StreamPublishChangesRequest{
		DistrictId: p.districtID, Changes: make([]*v1.Change, len(batch)),
	}
	for i, answer := range batch {
		request.Changes[i] = answer.change
	}
	return request
}

// receive takes the answers of a stream until it ends.
func (p *Publisher) receive(stream v1.ChangeService_StreamPublishChangesClient) error {
	for {
		response, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := p.take(response); err != nil {
			return err
		}
	}
}

// take hands the answers of a batch out.
func (p *Publisher) take(response *v1.StreamPublishChangesResponse) error {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	if p.sent == 0 || len(p.batches[0]) != len(response.GetAcks()) {
		return broken("the service answered something else than was asked")
	}
	p.breaks.over()
	batch := p.batches[0]
	p.batches, p.sent = p.batches[1:], p.sent-1
	for i, answer := range batch {
		if delay, full := refusedForNow(response.GetAcks()[i]); full {
			time.AfterFunc(delay, func() { p.again(answer) })
			continue
		}
		p.resolve(answer, response.GetAcks()[i], nil)
	}
	p.moved.Broadcast()
	return nil
}

// refusedForNow tells whether the service was too full for a change, and when to send it again.
func refusedForNow(ack *v1.PublishAck) (time.Duration, bool) {
	refusal := FromStatus(ack.GetError())
	if refusal == nil || refusal.Code != codes.ResourceExhausted {
		return 0, false
	}
	if refusal.RetryAfter > 0 {
		return refusal.RetryAfter, true
	}
	return comeBack, true
}

// again queues a change for which the service was too full.
func (p *Publisher) again(answer *Answer) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	if p.err == nil {
		p.waiting = append(p.waiting, answer)
		p.moved.Broadcast()
	}
}

// resolve gives an answer; the mutex is held.
func (p *Publisher) resolve(answer *Answer, ack *v1.PublishAck, err error) {
	delete(p.pending, answer)
	answer.ack, answer.err = ack, err
	close(answer.done)
	<-p.room
}

// fail ends the publisher: nothing that is unanswered will be.
func (p *Publisher) fail(err error) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	if p.err != nil {
		return
	}
	p.err = err
	for answer := range p.pending {
		p.resolve(answer, nil, err)
	}
	p.waiting, p.batches, p.sent = nil, nil, 0
	p.moved.Broadcast()
}
