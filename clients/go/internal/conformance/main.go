// Command conformance is the runner of the Go client: it does what tests/conformance/README.md says of
// each operation.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"time"

	"google.golang.org/genproto/googleapis/rpc/code"

	"schoolbell.example/go/schoolbell"
)

const longestLine = 64 * 1024 * 1024 // bytes

// object is a JSON object.
type object = map[string]any

// request is a line from the driver.
type request struct {
	ID int    `json:"id"`
	Op string `json:"op"`
	As string `json:"as"`
	Of string `json:"of"`

	Client    string `json:"client"`
	Publisher string `json:"publisher"`
	Watcher   string `json:"watcher"`

	Target          *string           `json:"target"`
	Key             *string           `json:"key"`
	KeyFile         string            `json:"key_file"`
	CAFile          string            `json:"ca_file"`
	CertificateFile string            `json:"certificate_file"`
	PrivateKeyFile  string            `json:"private_key_file"`
	Plaintext       bool              `json:"plaintext"`
	Environment     map[string]string `json:"environment"`

	Method     string            `json:"method"`
	Request    json.RawMessage   `json:"request"`
	Requests   []json.RawMessage `json:"requests"`
	Deadline   float64           `json:"deadline"`
	Take       int               `json:"take"`
	DistrictID string            `json:"district_id"`
	Changes    []json.RawMessage `json:"changes"`
	Change     json.RawMessage   `json:"change"`
	Count      json.RawMessage   `json:"count"`

	building
}

// clientError is what the client refuses before any call.
type clientError struct{ error }

func main() {
	runner := newRunner()
	lines := bufio.NewReaderSize(os.Stdin, 1<<20)
	answers := json.NewEncoder(os.Stdout)
	for {
		line, err := readLine(lines)
		if err != nil {
			return
		}
		var asked request
		answer := object{}
		if err := json.Unmarshal(line, &asked); err != nil {
			answer["fault"] = err.Error()
		} else {
			answer = runner.answer(asked)
		}
		answer["id"] = asked.ID
		if err := answers.Encode(answer); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return
		}
	}
}

func readLine(lines *bufio.Reader) ([]byte, error) {
	var line []byte
	for {
		part, more, err := lines.ReadLine()
		if err != nil {
			return nil, err
		}
		line = append(line, part...)
		if len(line) > longestLine {
			return nil, errors.New("the line is too long")
		}
		if !more {
			return line, nil
		}
	}
}

// answer does an operation, in the background if it has a name.
func (r *runner) answer(asked request) object {
	if asked.As == "" {
		return r.do(context.Background(), asked)
	}
	ctx, cancel := context.WithCancel(context.Background())
	task := &task{cancel: cancel, answer: make(chan object, 1)}
	r.background[asked.As] = task
	go func() { task.answer <- r.do(ctx, asked) }()
	return object{"ok": object{}}
}

// do does an operation and returns its answer.
func (r *runner) do(ctx context.Context, asked request) (answer object) {
	defer func() {
		if fault := recover(); fault != nil {
			answer = object{"fault": fmt.Sprintf("%v\n%s", fault, debug.Stack())}
		}
	}()
	switch asked.Op {
	case "wait":
		task := r.background[asked.Of]
		delete(r.background, asked.Of)
		return <-task.answer
	case "cancel":
		r.background[asked.Of].cancel()
		return object{"ok": object{}}
	}
	operation, known := r.operations()[asked.Op]
	if !known {
		return object{"fault": "no such operation: " + asked.Op}
	}
	found, err := operation(ctx, asked)
	if err != nil {
		return failed(err)
	}
	return object{"ok": found}
}

// failed returns the answer of an operation that failed.
func failed(err error) object {
	var refused clientError
	if errors.As(err, &refused) {
		return object{"error": object{"code": "CLIENT", "reason": "", "message": err.Error()}}
	}
	var found *schoolbell.Error
	if !errors.As(err, &found) {
		return object{"fault": "not an error of the client: " + err.Error()}
	}
	violations := []object{}
	for _, field := range found.Fields {
		violations = append(violations, object{
			"field": field.Path, "description": field.Text, "reason": field.Reason,
		})
	}
	metadata := found.Metadata
	if metadata == nil {
		metadata = map[string]string{}
	}
	var delay any
	if found.RetryAfter > 0 {
		delay = found.RetryAfter.Seconds()
	}
	name := code.Code_name[int32(found.Code)]
	return object{"error": object{
		"code": name, "reason": found.Reason, "message": found.Error(), "metadata": metadata,
		"violations": violations, "retry_delay": delay,
	}}
}

// within gives a context the deadline of a request, where it names one.
func within(ctx context.Context, asked request) (context.Context, context.CancelFunc) {
	if asked.Deadline == 0 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, time.Duration(asked.Deadline*float64(time.Second)))
}
