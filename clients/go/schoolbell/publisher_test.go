package schoolbell

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	v1 "schoolbell.example/go/schoolbell/v1"
)

func change(number int) *v1.Change {
	return Event{Source: "sis", ChangeID: fmt.Sprint(number), StudentID: "s"}.Grade(&v1.GradeChange{})
}

func TestWhatWasNotAnsweredIsSentAgain(t *testing.T) {
	server := &changeServer{breaks: 5}
	ctx, publisher := within30(t), serve(t, server, nil).NewPublisher("d")
	var answers []*Answer
	for number := range 1_000 {
		answer, err := publisher.Submit(ctx, change(number))
		if err != nil {
			t.Fatal(err)
		}
		answers = append(answers, answer)
	}
	if err := publisher.Close(ctx); err != nil {
		t.Fatal(err)
	}
	for _, answer := range answers {
		ack, err := answer.Wait(ctx)
		if err != nil || ack.GetResult() != v1.PublishResult_PUBLISH_RESULT_ACCEPTED {
			t.Fatalf("%v, %v", ack, err)
		}
	}
	if len(server.accepted) != 1_000 {
		t.Errorf("%d changes arrived", len(server.accepted))
	}
}

func TestAServerThatStopsAndCancelsIsNoMistake(t *testing.T) {
	server := &changeServer{breaks: 2, code: codes.Canceled}
	ctx, publisher := within30(t), serve(t, server, nil).NewPublisher("d")
	if ack, err := publisher.Publish(ctx, change(1)); err != nil {
		t.Errorf("%v, %v", ack, err)
	}
	if err := publisher.Close(ctx); err != nil {
		t.Error(err)
	}
}

func TestWhatIsRefusedForBeingFullIsSentLater(t *testing.T) {
	server := &changeServer{full: map[string]int{"1": 3, "2": 1}}
	ctx, publisher := within30(t), serve(t, server, nil).NewPublisher("d")
	for number := range 4 {
		if _, err := publisher.Submit(ctx, change(number)); err != nil {
			t.Fatal(err)
		}
	}
	if err := publisher.Flush(ctx); err != nil {
		t.Fatal(err)
	}
	server.mutex.Lock()
	for id, count := range server.accepted {
		if count != 1 {
			t.Errorf("%s was taken %d times", id, count)
		}
	}
	server.mutex.Unlock()
	if err := publisher.Close(ctx); err != nil || len(server.accepted) != 4 {
		t.Errorf("%v, %d", err, len(server.accepted))
	}
}

func TestAMistakeEndsThePublisherWithItsReason(t *testing.T) {
	server := &changeServer{final: status.Error(codes.PermissionDenied, "no")}
	ctx, publisher := within30(t), serve(t, server, nil).NewPublisher("d")
	answer, err := publisher.Submit(ctx, change(1))
	if err != nil {
		t.Fatal(err)
	}
	for name, err := range map[string]error{
		"answer": second(answer.Wait(ctx)),
		"flush":  publisher.Flush(ctx),
		"submit": second(publisher.Submit(ctx, change(2))),
		"close":  publisher.Close(ctx),
	} {
		if status.Code(err) != codes.PermissionDenied {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestSubmittingWaitsWhileTooMuchIsUnanswered(t *testing.T) {
	server := &changeServer{hold: make(chan struct{})}
	ctx, publisher := within30(t), serve(t, server, nil).NewPublisher("d")
	for number := range mostSubmitted {
		if _, err := publisher.Submit(ctx, change(number)); err != nil {
			t.Fatal(err)
		}
	}
	impatient, cancel := context.WithCancel(ctx)
	waited := make(chan error)
	go func() {
		_, err := publisher.Submit(impatient, change(mostSubmitted))
		waited <- err
	}()
	cancel()
	if err := <-waited; !errors.Is(err, context.Canceled) {
		t.Errorf("the submission did not wait: %v", err)
	}
	close(server.hold)
	if err := publisher.Close(ctx); err != nil || len(server.accepted) != mostSubmitted {
		t.Errorf("%v, %d", err, len(server.accepted))
	}
}

func TestAClosedPublisherTakesNothing(t *testing.T) {
	ctx, publisher := within30(t), serve(t, &changeServer{}, nil).NewPublisher("d")
	if err := publisher.Close(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := publisher.Submit(ctx, change(1)); !errors.Is(err, ErrPublisherClosed) {
		t.Error(err)
	}
}

func TestClosingThatMayNotWaitGivesUp(t *testing.T) {
	server := &changeServer{hold: make(chan struct{})}
	publisher := serve(t, server, nil).NewPublisher("d")
	answer, err := publisher.Submit(within30(t), change(1))
	if err != nil {
		t.Fatal(err)
	}
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	if err := publisher.Close(ended); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if _, err := answer.Wait(within30(t)); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestAChangeThatCannotBeSentIsRefusedAtOnce(t *testing.T) {
	ctx, publisher := within30(t), serve(t, &changeServer{}, nil).NewPublisher("d")
	bad := change(1)
	bad.StudentId = "\xff"
	if _, err := publisher.Submit(ctx, bad); err == nil {
		t.Error("text that is no UTF-8 was taken")
	}
	large := change(2)
	large.StudentId = string(make([]byte, mostBytes))
	if _, err := publisher.Submit(ctx, large); err == nil {
		t.Error("a change of 1 MiB was taken")
	}
	if err := publisher.Close(ctx); err != nil {
		t.Error(err)
	}
}

func second[T any](_ T, err error) error { return err }
