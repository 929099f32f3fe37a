package schoolbell

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	spb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

const reasonPrefix = "ERROR_REASON_"

// FieldError is one bad field of a request.
type FieldError struct {
	// Path is where the field is, such as `change.assignment.score_percent`.
	Path string
	// Text says what is wrong with it: a sentence that begins with the path.
	Text string
	// Reason is the rule that it breaks, such as `TOO_LONG`; empty where the server does not say.
	Reason string
}

// Error is a call, or a change of a batch, that was refused or failed. Every error of a [Client]'s calls
// is one: use [errors.As].
type Error struct {
	// Code is gRPC's code. Unavailable and DeadlineExceeded say nothing about the outcome.
	Code codes.Code
	// Reason is the service's reason, such as `ETAG_MISMATCH`; empty where the transport failed.
	Reason string
	// Message is for people.
	Message string
	// Metadata belongs to the reason, such as the id of what was not found.
	Metadata map[string]string
	// Fields are the bad fields of the request, at most 20.
	Fields []FieldError
	// RetryAfter is when to come back; 0 where the service does not say.
	RetryAfter time.Duration

	status *status.Status
	cause  error
}

// Error returns the code, the reason, and the message or what is wrong with each bad field.
func (e *Error) Error() string {
	text := e.Code.String()
	if e.Reason != "" {
		text += " " + e.Reason
	}
	if len(e.Fields) == 0 {
		return text + ": " + e.Message
	}
	told := make([]string, len(e.Fields))
	for i, field := range e.Fields {
		told[i] = field.Text
	}
	text += ": " + strings.Join(told, " ")
	if total, err := strconv.Atoi(e.Metadata["total"]); err == nil && total > len(e.Fields) {
		text += fmt.Sprintf(" And %d more.", total-len(e.Fields))
	}
	return text
}

// GRPCStatus returns the status beneath, for package google.golang.org/grpc/status.
func (e *Error) GRPCStatus() *status.Status { return e.status }

// Unwrap returns the cause, such as [context.Canceled]; nil where the service answered.
func (e *Error) Unwrap() error { return e.cause }

// ReasonOf returns the service's reason of an error, such as `CHANGE_KEY_REUSED`, or "".
func ReasonOf(err error) string {
	var found *Error
	if errors.As(err, &found) {
		return found.Reason
	}
	return ""
}

// FromStatus returns the error that a status is, such as that of a refused change; nil for OK.
func FromStatus(message *spb.Status) *Error {
	if message == nil || message.GetCode() == int32(codes.OK) {
		return nil
	}
	return fromStatus(status.FromProto(message))
}

func fromStatus(given *status.Status) *Error {
	found := &Error{Code: given.Code(), Message: given.Message(), status: given}
	for _, detail := range given.Details() {
		switch detail := detail.(type) {
		case *errdetails.ErrorInfo:
			found.Reason = strings.TrimPrefix(detail.GetReason(), reasonPrefix)
			found.Metadata = detail.GetMetadata()
		case *errdetails.BadRequest:
			for _, one := range detail.GetFieldViolations() {
				found.Fields = append(found.Fields, FieldError{
					Path:   one.GetField(),
					Text:   one.GetDescription(),
					Reason: strings.TrimPrefix(one.GetReason(), "FIELD_"+reasonPrefix),
				})
			}
		case *errdetails.RetryInfo:
			found.RetryAfter = detail.GetRetryDelay().AsDuration()
		}
	}
	// The service's own INTERNAL names a reason; gRPC's, and its UNKNOWN, are connections that broke.
	if found.Reason == "" && (found.Code == codes.Internal || found.Code == codes.Unknown) {
		found.Code = codes.Unavailable
	}
	return found
}

// typed returns the *Error of a failed call; nil and io.EOF are the caller's.
func typed(err error) error {
	var found *Error
	if err == nil || errors.As(err, &found) {
		return err
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		err = status.FromContextError(err).Err() // the client's own; gRPC's errors have their code
	}
	found = fromStatus(status.Convert(err))
	switch found.Code {
	case codes.Canceled:
		found.cause = context.Canceled
	case codes.DeadlineExceeded:
		found.cause = context.DeadlineExceeded
	}
	return found
}

// unreachable returns the error of a connection that can never work.
func unreachable(mistake string) *Error {
	return fromStatus(status.New(codes.Unavailable, mistake))
}

func broken(format string, arguments ...any) *Error {
	return fromStatus(status.New(codes.Unavailable, fmt.Sprintf(format, arguments...)))
}
