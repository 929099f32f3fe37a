// Command publish is what a student information system does: it publishes scores and says what became of
// each. SCHOOLBELL_TARGET, SCHOOLBELL_KEY or _KEY_FILE, and SCHOOLBELL_CA_FILE name the service.
//
//	go run ./examples/publish DISTRICT STUDENT CALENDAR
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"time"

	"google.golang.org/protobuf/proto"

	"schoolbell.example/go/schoolbell"
	v1 "schoolbell.example/go/schoolbell/v1"
)

func main() {
	if len(os.Args) != 4 {
		log.Fatal("usage: publish DISTRICT STUDENT CALENDAR")
	}
	if err := publish(context.Background(), os.Args[1], os.Args[2], os.Args[3]); err != nil {
		log.Fatal(err)
	}
}

func publish(ctx context.Context, district, student, calendar string) error {
	connection, err := schoolbell.FromEnvironment()
	if err != nil {
		return err
	}
	client, err := schoolbell.NewClient(connection)
	if err != nil {
		return err
	}
	defer client.Close()
	publisher := client.NewPublisher(district)
	now := time.Now()
	changes, err := changesOf(now, student, calendar)
	if err != nil {
		return err
	}
	var answers []*schoolbell.Answer
	for _, change := range changes {
		answer, err := publisher.Submit(ctx, change) // waits while too much is unanswered
		if err != nil {
			return err
		}
		answers = append(answers, answer)
	}
	if err := publisher.Close(ctx); err != nil { // everything is answered then
		return err
	}
	for _, answer := range answers {
		ack, err := answer.Wait(ctx)
		if err != nil {
			return err
		}
		fmt.Println(answer.Change().GetKey().GetChangeId(), ack.GetResult())
		if refusal := schoolbell.FromStatus(ack.GetError()); refusal != nil {
			fmt.Println("  refused:", refusal)
		}
	}
	return nil
}

func changesOf(now time.Time, student, calendar string) ([]*v1.Change, error) {
	event := schoolbell.Event{
		Source: "sis", StudentID: student, CalendarID: calendar, OccurTime: now,
	}
	event.ChangeID = fmt.Sprintf("score-%d", now.UnixNano()) // the same for the same event of the SIS
	score := event.Assignment(&v1.AssignmentChange{
		Action:       v1.AssignmentAction_ASSIGNMENT_ACTION_SCORED,
		AssignmentId: "a1",
		SectionId:    "s1",
		Title:        "Fractions",
		CourseName:   "Mathematics",
		DueDate:      schoolbell.Date(now),
		ScorePercent: proto.Float64(71.5),
	})
	balance, err := schoolbell.Money("-4.35", "USD")
	if err != nil {
		return nil, err
	}
	event.ChangeID = fmt.Sprintf("lunch-%d", now.UnixNano())
	lunch := event.LunchBalance(&v1.LunchBalanceChange{AccountId: "7", Balance: balance})
	return []*v1.Change{score, lunch}, nil
}
