package schoolbell

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"
)

func TestAnErrorCarriesWhatTheServiceSays(t *testing.T) {
	for _, prefix := range []string{"", reasonPrefix} {
		given, err := status.New(codes.InvalidArgument, "bad").WithDetails(
			&errdetails.ErrorInfo{Reason: prefix + "INVALID_FIELD", Metadata: map[string]string{"total": "3"}},
			&errdetails.BadRequest{FieldViolations: []*errdetails.BadRequest_FieldViolation{
				{Field: "change.key", Description: "change.key is required.", Reason: "REQUIRED"},
			}},
			&errdetails.RetryInfo{RetryDelay: durationpb.New(1500 * time.Millisecond)},
		)
		if err != nil {
			t.Fatal(err)
		}
		found := FromStatus(given.Proto())
		want := FieldError{Path: "change.key", Text: "change.key is required.", Reason: "REQUIRED"}
		if found.Code != codes.InvalidArgument || found.Reason != "INVALID_FIELD" ||
			found.Metadata["total"] != "3" || found.Fields[0] != want ||
			found.RetryAfter != 1500*time.Millisecond {
			t.Errorf("%+v", found)
		}
		if text := found.Error(); !strings.HasSuffix(text, ": change.key is required. And 2 more.") {
			t.Error(text)
		}
		if ReasonOf(found) != "INVALID_FIELD" || status.Code(found) != codes.InvalidArgument {
			t.Error("not found by errors.As or the status package")
		}
	}
	if FromStatus(nil) != nil {
		t.Error("no status is an error")
	}
}

func TestATransportsFaultSaysNothingOfTheOutcome(t *testing.T) {
	for _, code := range []codes.Code{codes.Internal, codes.Unknown, codes.Unavailable} {
		var found *Error
		if !errors.As(typed(status.Error(code, "broken")), &found) || found.Code != codes.Unavailable {
			t.Errorf("%v: %v", code, found)
		}
	}
}

func TestTheEndOfAContextIsFound(t *testing.T) {
	for _, cause := range []error{context.Canceled, context.DeadlineExceeded} {
		if err := typed(cause); !errors.Is(err, cause) {
			t.Errorf("%v: %v", cause, err)
		}
	}
	if err := typed(status.Error(codes.Canceled, "")); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
