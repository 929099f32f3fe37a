package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"google.golang.org/genproto/googleapis/type/date"
	"google.golang.org/genproto/googleapis/type/money"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"schoolbell.example/go/schoolbell"
	v1 "schoolbell.example/go/schoolbell/v1"
)

// building is what `build` is given.
type building struct {
	Kind       string         `json:"kind"`
	Source     string         `json:"source"`
	ChangeID   string         `json:"change_id"`
	StudentID  string         `json:"student_id"`
	CalendarID string         `json:"calendar_id"`
	OccurTime  time.Time      `json:"occur_time"`
	Fields     map[string]any `json:"fields"`
}

// build makes a change with the client's builder of its kind.
func build(_ context.Context, asked request) (object, error) {
	event := schoolbell.Event{
		Source: asked.Source, ChangeID: asked.ChangeID, StudentID: asked.StudentID,
		CalendarID: asked.CalendarID, OccurTime: asked.OccurTime,
	}
	var change *v1.Change
	var err error
	switch asked.Kind {
	case "assignment":
		payload := &v1.AssignmentChange{}
		err = fill(payload, asked.Fields)
		change = event.Assignment(payload)
	case "grade":
		payload := &v1.GradeChange{}
		err = fill(payload, asked.Fields)
		change = event.Grade(payload)
	case "attendance":
		payload := &v1.AttendanceChange{}
		err = fill(payload, asked.Fields)
		change = event.Attendance(payload)
	case "lunch_balance":
		payload := &v1.LunchBalanceChange{}
		err = fill(payload, asked.Fields)
		change = event.LunchBalance(payload)
	case "responsive_schedule":
		payload := &v1.ResponsiveScheduleChange{}
		err = fill(payload, asked.Fields)
		change = event.ResponsiveSchedule(payload)
	default:
		return nil, fmt.Errorf("no such kind: %s", asked.Kind)
	}
	if err != nil {
		return nil, clientError{err}
	}
	return object{"change": printed(change)}, nil
}

// fill sets the fields of a payload, dates and money by the client's helpers.
func fill(payload proto.Message, fields map[string]any) error {
	currency, _ := fields["currency_code"].(string)
	delete(fields, "currency_code")
	rest := map[string]any{}
	message := payload.ProtoReflect()
	for name, value := range fields {
		field := message.Descriptor().Fields().ByName(protoreflect.Name(name))
		switch {
		case isOf(field, (&date.Date{}).ProtoReflect()):
			day, err := time.Parse(time.DateOnly, fmt.Sprint(value))
			if err != nil {
				return err
			}
			message.Set(field, protoreflect.ValueOfMessage(schoolbell.Date(day).ProtoReflect()))
		case isOf(field, (&money.Money{}).ProtoReflect()):
			amount, err := schoolbell.Money(fmt.Sprint(value), currency)
			if err != nil {
				return err
			}
			message.Set(field, protoreflect.ValueOfMessage(amount.ProtoReflect()))
		case field.Enum() != nil:
			rest[name] = enumPrefix(field.Enum()) + fmt.Sprint(value)
		default:
			rest[name] = value
		}
	}
	text, err := json.Marshal(rest)
	if err != nil {
		return err
	}
	other := message.New().Interface()
	parse(text, other)
	proto.Merge(payload, other)
	return nil
}

func isOf(field protoreflect.FieldDescriptor, message protoreflect.Message) bool {
	return field.Message() != nil && field.Message().FullName() == message.Descriptor().FullName()
}

// enumPrefix returns what the names of an enum begin with, such as `ASSIGNMENT_ACTION_`.
func enumPrefix(enum protoreflect.EnumDescriptor) string {
	return strings.TrimSuffix(string(enum.Values().ByNumber(0).Name()), "UNSPECIFIED")
}
