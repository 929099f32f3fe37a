package schoolbell

import (
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protojson"

	v1 "schoolbell.example/go/schoolbell/v1"
)

func TestMoneyIsExact(t *testing.T) {
	for amount, want := range map[string][2]int64{
		"0": {0, 0}, "-4.35": {-4, -350_000_000}, "-0.05": {0, -50_000_000}, "+12": {12, 0},
		"0.000000001": {0, 1}, "999999999999.99": {999_999_999_999, 990_000_000},
	} {
		found, err := Money(amount, "USD")
		if err != nil || found.GetUnits() != want[0] || int64(found.GetNanos()) != want[1] ||
			found.GetCurrencyCode() != "USD" {
			t.Errorf("%s: %v, %v", amount, found, err)
		}
	}
	for _, amount := range []string{"", "4,35", "1e3", " 1", "1.", ".5", "1.0000000001", "$1", "--1", "1\n"} {
		if found, err := Money(amount, ""); err == nil {
			t.Errorf("%q: %v", amount, found)
		}
	}
}

func TestADateIsThatOfItsOwnPlace(t *testing.T) {
	chicago := time.FixedZone("Chicago", -6*3600)
	late := time.Date(2026, 11, 24, 23, 30, 0, 0, chicago)
	if found := Date(late); found.GetDay() != 24 || Date(late.UTC()).GetDay() != 25 {
		t.Errorf("%v", found)
	}
}

func TestEachKindIsBuilt(t *testing.T) {
	event := Event{Source: "sis", ChangeID: "1", StudentID: "s", CalendarID: "c", OccurTime: time.Unix(0, 0)}
	for kind, change := range map[string]*v1.Change{
		"assignment":         event.Assignment(&v1.AssignmentChange{}),
		"grade":              event.Grade(&v1.GradeChange{}),
		"attendance":         event.Attendance(&v1.AttendanceChange{}),
		"lunchBalance":       event.LunchBalance(&v1.LunchBalanceChange{}),
		"responsiveSchedule": event.ResponsiveSchedule(&v1.ResponsiveScheduleChange{}),
	} {
		want := &v1.Change{}
		text := `{"key":{"source":"sis","changeId":"1"},"studentId":"s","calendarId":"c",` +
			`"occurTime":"1970-01-01T00:00:00Z","` + kind + `":{}}`
		if err := protojson.Unmarshal([]byte(text), want); err != nil {
			t.Fatal(err)
		}
		if change.String() != want.String() {
			t.Errorf("%s: %v", kind, change)
		}
	}
}
