package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"google.golang.org/protobuf/proto"

	"schoolbell.example/go/schoolbell"
	v1 "schoolbell.example/go/schoolbell/v1"
)

// publishing is a publisher and what was submitted since the last flush.
type publishing struct {
	publisher *schoolbell.Publisher
	submitted []*schoolbell.Answer
}

func (r *runner) openPublisher(_ context.Context, asked request) (object, error) {
	publisher := r.clients[asked.Client].NewPublisher(asked.DistrictID)
	r.publishers[asked.Publisher] = &publishing{publisher: publisher}
	return object{}, nil
}

func (r *runner) submit(ctx context.Context, asked request) (object, error) {
	one := r.publishers[asked.Publisher]
	for _, text := range asked.Changes {
		change := &v1.Change{}
		parse(text, change)
		answer, err := one.publisher.Submit(ctx, change)
		if err != nil {
			return nil, err
		}
		one.submitted = append(one.submitted, answer)
	}
	return object{}, nil
}

func (r *runner) flush(ctx context.Context, asked request) (object, error) {
	one := r.publishers[asked.Publisher]
	if err := one.publisher.Flush(ctx); err != nil {
		return nil, err
	}
	return one.acks(ctx)
}

func (r *runner) closePublisher(ctx context.Context, asked request) (object, error) {
	one := r.publishers[asked.Publisher]
	delete(r.publishers, asked.Publisher)
	if err := one.publisher.Close(ctx); err != nil {
		return nil, err
	}
	return one.acks(ctx)
}

// acks returns the answers of what was submitted since the last flush.
func (p *publishing) acks(ctx context.Context) (object, error) {
	acks := []object{}
	for _, answer := range p.submitted {
		ack, err := answer.Wait(ctx)
		if err != nil {
			return nil, err
		}
		reason := ""
		if refusal := schoolbell.FromStatus(ack.GetError()); refusal != nil {
			reason = refusal.Reason
		}
		acks = append(acks, object{
			"change_id": answer.Change().GetKey().GetChangeId(),
			"result":    strings.TrimPrefix(ack.GetResult().String(), "PUBLISH_RESULT_"),
			"reason":    reason,
		})
	}
	p.submitted = nil
	return object{"acks": acks}, nil
}

func (r *runner) openWatcher(_ context.Context, asked request) (object, error) {
	request := &v1.WatchStatusRequest{}
	parse(asked.Request, request)
	r.watchers[asked.Watcher] = r.clients[asked.Client].Watch(request)
	return object{}, nil
}

func (r *runner) take(ctx context.Context, asked request) (object, error) {
	watcher := r.watchers[asked.Watcher]
	states, deliveries, changes := []json.RawMessage{}, []json.RawMessage{}, []json.RawMessage{}
	token := ""
	wanted, err := counts(asked)
	if err != nil {
		return nil, err
	}
	for len(states) < wanted["states"] || len(deliveries) < wanted["deliveries"] ||
		len(changes) < wanted["changes"] {
		update, err := watcher.Next(ctx)
		if err != nil {
			return nil, err
		}
		for _, one := range update.States {
			states = append(states, printed(one))
		}
		for _, one := range update.Deliveries {
			deliveries = append(deliveries, printed(one))
		}
		for _, one := range update.Changes {
			changes = append(changes, printed(one))
		}
		token = update.ResumeToken
	}
	return object{
		"states": states, "deliveries": deliveries, "changes": changes, "resume_token": token,
		"lists": watcher.Lists(),
	}, nil
}

func counts(asked request) (map[string]int, error) {
	wanted := map[string]int{}
	err := json.Unmarshal(asked.Count, &wanted)
	return wanted, err
}

// count reads on as take does, and only counts what comes.
func (r *runner) count(ctx context.Context, asked request) (object, error) {
	wanted, err := counts(asked)
	if err != nil {
		return nil, err
	}
	states, deliveries, changes := 0, 0, 0
	for states < wanted["states"] || deliveries < wanted["deliveries"] || changes < wanted["changes"] {
		update, err := r.watchers[asked.Watcher].Next(ctx)
		if err != nil {
			return nil, err
		}
		states += len(update.States)
		deliveries += len(update.Deliveries)
		changes += len(update.Changes)
	}
	return object{"states": states, "deliveries": deliveries, "changes": changes}, nil
}

// repeat publishes many copies of a change.
func (r *runner) repeat(ctx context.Context, asked request) (object, error) {
	var count int
	if err := json.Unmarshal(asked.Count, &count); err != nil {
		return nil, err
	}
	change := &v1.Change{}
	parse(asked.Change, change)
	publisher := r.publishers[asked.Publisher].publisher
	answers := make([]*schoolbell.Answer, count)
	for number := range answers {
		again := proto.CloneOf(change)
		again.Key.ChangeId = fmt.Sprintf("%s-%d", change.GetKey().GetChangeId(), number)
		answer, err := publisher.Submit(ctx, again)
		if err != nil {
			return nil, err
		}
		answers[number] = answer
	}
	accepted := 0
	for _, answer := range answers {
		ack, err := answer.Wait(ctx)
		if err != nil {
			return nil, err
		}
		if ack.GetResult() == v1.PublishResult_PUBLISH_RESULT_ACCEPTED {
			accepted++
		}
	}
	return object{"accepted": accepted}, nil
}

func (r *runner) closeWatcher(_ context.Context, asked request) (object, error) {
	r.watchers[asked.Watcher].Close()
	delete(r.watchers, asked.Watcher)
	return object{}, nil
}
