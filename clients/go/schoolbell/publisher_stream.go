package schoolbell

import (
	"context"
	"errors"
	"io"
	"time"

	"google.golang.org/grpc/codes"

	v1 "schoolbell.example/go/schoolbell/v1"
)

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
