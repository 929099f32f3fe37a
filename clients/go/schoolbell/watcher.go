package schoolbell

import (
	"context"
	"errors"
	"io"
	"slices"
	"sync/atomic"

	"google.golang.org/protobuf/proto"

	v1 "schoolbell.example/go/schoolbell/v1"
)

const (
	listPage      = 500
	mostRevisions = 100_000 // deliveries whose revision a watcher remembers

	tokenExpired = "RESUME_TOKEN_EXPIRED"
	tokenForeign = "RESUME_TOKEN_FOREIGN"
)

// Update is what a watcher hands over: a response without the deliveries that were handed over before.
type Update struct {
	// States are the states of the service where they changed.
	States []*v1.ServiceState
	// Deliveries are snapshots; each is newer than any before it.
	Deliveries []*v1.Delivery
	// Changes are accepted changes.
	Changes []*v1.ChangeSummary
	// ResumeToken is the position after the update: store it once the update is dealt with, and give it
	// to the next watcher. It is empty within a list.
	ResumeToken string
	// Listed tells that the deliveries are of a list, for the watcher's token had expired: what is no
	// longer there may have passed unseen, and so may changes, which a monitor cannot list.
	Listed bool
}

// Watcher follows what happens in a district. It resumes where a break left it, drops revisions that are
// older than what it handed over, and lists and goes on when its token has expired or is of another store.
type Watcher struct {
	client  *Client
	request *v1.WatchStatusRequest
	breaks  *breaks
	seen    revisions
	updates chan *Update
	failed  chan struct{}
	err     error // set before failed is closed
	cancel  context.CancelFunc
	lists   atomic.Int64
}

// Watch opens a watcher; the request's resume token is where to begin. The watcher reads no further than
// its updates are taken. Close it.
func (c *Client) Watch(request *v1.WatchStatusRequest) *Watcher {
	ctx, cancel := context.WithCancel(context.Background())
	w := &Watcher{
		client:  c,
		request: proto.CloneOf(request),
		breaks:  newBreaks(c.connection),
		seen:    revisions{known: map[string]int64{}},
		updates: make(chan *Update),
		failed:  make(chan struct{}),
		cancel:  cancel,
	}
	go w.run(ctx)
	return w
}

// Next returns the next update, once there is one. The error is that of the context, or what ended the
// watcher: no other call will work either.
func (w *Watcher) Next(ctx context.Context) (*Update, error) {
	select {
	case update := <-w.updates:
		return update, nil
	case <-w.failed:
		return nil, w.err
	case <-ctx.Done():
		return nil, typed(ctx.Err())
	}
}

// Lists returns how often the watcher had to list.
func (w *Watcher) Lists() int64 { return w.lists.Load() }

// Close ends the watcher.
func (w *Watcher) Close() {
	w.cancel()
	<-w.failed
}

func (w *Watcher) run(ctx context.Context) {
	defer close(w.failed)
	next := w.stream
	for {
		err := next(ctx)
		switch reason := ReasonOf(err); {
		case err == nil:
			next = w.stream
		case reason == tokenExpired || reason == tokenForeign:
			if reason == tokenForeign { // a restored store counts anew
				w.seen = revisions{known: map[string]int64{}}
			}
			next = w.list
		default:
			if w.err = w.breaks.wait(ctx, err); w.err != nil {
				return
			}
		}
	}
}

// stream hands over what one stream brings, until it breaks.
func (w *Watcher) stream(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := w.client.Status.WatchStatus(ctx, w.request)
	if err != nil {
		return err
	}
	for {
		response, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return broken("the service ended the stream")
		}
		if err != nil {
			return err
		}
		w.breaks.over()
		err = w.hand(ctx, &Update{
			States:      response.GetStates(),
			Deliveries:  w.seen.newer(response.GetDeliveries()),
			Changes:     response.GetChanges(),
			ResumeToken: response.GetResumeToken(),
		})
		if err != nil {
			return err
		}
		w.request.ResumeToken = response.GetResumeToken()
	}
}

// list hands over the deliveries that there are, and puts the watcher behind them.
func (w *Watcher) list(ctx context.Context) error {
	w.lists.Add(1)
	request := &v1.ListDeliveriesRequest{
		DistrictId: w.request.GetDistrictId(),
		Filter:     w.request.GetDeliveryFilter(),
		PageSize:   listPage,
	}
	for {
		page, err := w.client.Status.ListDeliveries(ctx, request)
		if err != nil {
			return err
		}
		w.breaks.over()
		request.PageToken = page.GetNextPageToken()
		update := &Update{Listed: true}
		if w.wantsDeliveries() {
			update.Deliveries = w.seen.newer(page.GetDeliveries())
		} else {
			request.PageToken = "" // only the position is of interest
		}
		if request.PageToken == "" {
			update.ResumeToken = page.GetResumeToken()
		}
		if err := w.hand(ctx, update); err != nil {
			return err
		}
		if request.PageToken == "" {
			w.request.ResumeToken = page.GetResumeToken()
			return nil
		}
	}
}

func (w *Watcher) wantsDeliveries() bool {
	topics := w.request.GetTopics()
	return len(topics) == 0 || slices.Contains(topics, v1.WatchTopic_WATCH_TOPIC_DELIVERIES)
}

func (w *Watcher) hand(ctx context.Context, update *Update) error {
	select {
	case w.updates <- update:
		return nil
	case <-ctx.Done():
		return typed(ctx.Err())
	}
}

// revisions remembers the newest revision of each delivery that was handed over, of so many deliveries.
type revisions struct {
	known map[string]int64
	order []string // the deliveries, oldest first
}

// newer returns the deliveries that are newer than what was handed over, and remembers them.
func (r *revisions) newer(deliveries []*v1.Delivery) []*v1.Delivery {
	var found []*v1.Delivery
	for _, delivery := range deliveries {
		id := delivery.GetDistrictId() + "/" + delivery.GetDeliveryId()
		known, has := r.known[id]
		if has && delivery.GetRevision() <= known {
			continue
		}
		if !has {
			r.order = append(r.order, id)
		}
		r.known[id] = delivery.GetRevision()
		found = append(found, delivery)
	}
	for len(r.order) > mostRevisions {
		delete(r.known, r.order[0])
		r.order = r.order[1:]
	}
	return found
}
