package schoolbell

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"google.golang.org/genproto/googleapis/type/date"
	"google.golang.org/genproto/googleapis/type/money"
	"google.golang.org/protobuf/types/known/timestamppb"

	v1 "schoolbell.example/go/schoolbell/v1"
)

// Event is what every change has, whatever its kind; its methods build the change of each kind:
//
//	change := schoolbell.Event{
//		Source: "sis", ChangeID: "4711", StudentID: "1001", CalendarID: "high:2027", OccurTime: time.Now(),
//	}.Assignment(&v1.AssignmentChange{
//		Action:       v1.AssignmentAction_ASSIGNMENT_ACTION_SCORED,
//		AssignmentId: "a1", SectionId: "s1", ScorePercent: proto.Float64(71.5),
//		DueDate:      schoolbell.Date(due),
//	})
type Event struct {
	// Source is the publishing system, and ChangeID its id of the change: the same key with the same
	// content is a duplicate, so that a change may be published again after a break.
	Source, ChangeID string
	// StudentID is whom it is about.
	StudentID string
	// CalendarID is the calendar it belongs to; only a lunch balance may do without one.
	CalendarID string
	// OccurTime is when it happened.
	OccurTime time.Time
	// Historical changes update what is known, and nobody is told.
	Historical bool
}

// Assignment builds a change of the kind assignment.
func (e Event) Assignment(payload *v1.AssignmentChange) *v1.Change {
	change := e.change()
	change.Payload = &v1.Change_Assignment{Assignment: payload}
	return change
}

// Grade builds a change of the kind grade.
func (e Event) Grade(payload *v1.GradeChange) *v1.Change {
	change := e.change()
	change.Payload = &v1.Change_Grade{Grade: payload}
	return change
}

// Attendance builds a change of the kind attendance.
func (e Event) Attendance(payload *v1.AttendanceChange) *v1.Change {
	change := e.change()
	change.Payload = &v1.Change_Attendance{Attendance: payload}
	return change
}

// LunchBalance builds a change of the kind lunch balance; see [Money].
func (e Event) LunchBalance(payload *v1.LunchBalanceChange) *v1.Change {
	change := e.change()
	change.Payload = &v1.Change_LunchBalance{LunchBalance: payload}
	return change
}

// ResponsiveSchedule builds a change of the kind responsive schedule.
func (e Event) ResponsiveSchedule(payload *v1.ResponsiveScheduleChange) *v1.Change {
	change := e.change()
	change.Payload = &v1.Change_ResponsiveSchedule{ResponsiveSchedule: payload}
	return change
}

func (e Event) change() *v1.Change {
	return &v1.Change{
		Key:        &v1.ChangeKey{Source: e.Source, ChangeId: e.ChangeID},
		StudentId:  e.StudentID,
		CalendarId: e.CalendarID,
		OccurTime:  timestamppb.New(e.OccurTime),
		Historical: e.Historical,
	}
}

// Date returns the day of a time, in the time's own location.
func Date(day time.Time) *date.Date {
	year, month, number := day.Date()
	return &date.Date{Year: int32(year), Month: int32(month), Day: int32(number)}
}

var decimal = regexp.MustCompile(`^([+-]?)([0-9]{1,18})(?:\.([0-9]{1,9}))?$`)

// Money returns the amount that a decimal text names, such as "-4.35", exactly. An empty currency code is
// the district's currency.
func Money(amount, currencyCode string) (*money.Money, error) {
	parts := decimal.FindStringSubmatch(amount)
	if parts == nil {
		return nil, fmt.Errorf("schoolbell: %q is no amount: write it such as -4.35", amount)
	}
	units, err := strconv.ParseInt(parts[2], 10, 64)
	if err != nil {
		return nil, fmt.Errorf("schoolbell: %q is no amount: %w", amount, err)
	}
	nanos, err := strconv.ParseInt((parts[3] + strings.Repeat("0", 9))[:9], 10, 32)
	if err != nil {
		return nil, fmt.Errorf("schoolbell: %q is no amount: %w", amount, err)
	}
	if parts[1] == "-" {
		units, nanos = -units, -nanos
	}
	return &money.Money{CurrencyCode: currencyCode, Units: units, Nanos: int32(nanos)}, nil
}
