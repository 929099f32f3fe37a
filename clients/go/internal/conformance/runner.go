package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"io"
	"os"
	"time"

	"google.golang.org/grpc"

	"schoolbell.example/go/schoolbell"
)

// runner holds the clients of a scenario by name, and what they are doing.
type runner struct {
	clients    map[string]*schoolbell.Client
	publishers map[string]*publishing
	watchers   map[string]*schoolbell.Watcher
	background map[string]*task
}

// task is an operation in the background.
type task struct {
	cancel context.CancelFunc
	answer chan object
}

type operation func(context.Context, request) (object, error)

func newRunner() *runner {
	return &runner{
		clients:    map[string]*schoolbell.Client{},
		publishers: map[string]*publishing{},
		watchers:   map[string]*schoolbell.Watcher{},
		background: map[string]*task{},
	}
}

func (r *runner) operations() map[string]operation {
	return map[string]operation{
		"describe":         r.describe,
		"reset":            r.reset,
		"connect":          r.connect,
		"close":            r.closeClient,
		"call":             r.call,
		"read":             r.read,
		"exchange":         r.exchange,
		"publisher.open":   r.openPublisher,
		"publisher.submit": r.submit,
		"publisher.flush":  r.flush,
		"publisher.close":  r.closePublisher,
		"publisher.repeat": r.repeat,
		"watcher.open":     r.openWatcher,
		"watcher.take":     r.take,
		"watcher.count":    r.count,
		"watcher.close":    r.closeWatcher,
		"build":            build,
	}
}

func (r *runner) describe(context.Context, request) (object, error) {
	return object{"language": "go", "version": schoolbell.Version, "offers": []string{
		"publisher", "watcher", "relisting", "builders", "mistakes", "environment", "mutual-tls",
	}}, nil
}

func (r *runner) reset(context.Context, request) (object, error) {
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	for _, task := range r.background {
		task.cancel()
		<-task.answer
	}
	for _, one := range r.publishers {
		_ = one.publisher.Close(ended) // whatever is unanswered is given up
	}
	for _, watcher := range r.watchers {
		watcher.Close()
	}
	for _, client := range r.clients {
		_ = client.Close() // closed already, perhaps
	}
	*r = *newRunner()
	return object{}, nil
}

func (r *runner) connect(_ context.Context, asked request) (object, error) {
	connection, err := connection(asked)
	if err != nil {
		return nil, clientError{err}
	}
	client, err := schoolbell.NewClient(connection)
	if err != nil {
		return nil, clientError{err}
	}
	r.clients[asked.Client] = client
	return object{}, nil
}

func connection(asked request) (schoolbell.Connection, error) {
	environment := map[string]string{}
	for name, value := range asked.Environment {
		environment[name] = value
	}
	if asked.KeyFile != "" {
		environment["SCHOOLBELL_KEY_FILE"] = asked.KeyFile
	}
	for name, value := range environment {
		_ = os.Setenv(name, value)
		defer os.Unsetenv(name)
	}
	found, err := schoolbell.FromEnvironment()
	if err != nil {
		return found, err
	}
	found.Plaintext = asked.Plaintext
	found.Deadline = time.Duration(asked.Deadline * float64(time.Second))
	if asked.Target != nil {
		found.Target = *asked.Target
	}
	if asked.Key != nil {
		found.Key = *asked.Key
	}
	if asked.CAFile != "" {
		if found.CA, err = os.ReadFile(asked.CAFile); err != nil {
			return found, err
		}
	}
	if asked.CertificateFile != "" {
		pair, err := tls.LoadX509KeyPair(asked.CertificateFile, asked.PrivateKeyFile)
		if err != nil {
			return found, err
		}
		found.ClientCertificate = &pair
	}
	return found, nil
}

func (r *runner) closeClient(_ context.Context, asked request) (object, error) {
	return object{}, r.clients[asked.Client].Close()
}

func (r *runner) call(ctx context.Context, asked request) (object, error) {
	method, in, out := types(asked.Method)
	ctx, cancel := within(ctx, asked)
	defer cancel()
	request, response := parsed(asked.Request, in), out.New().Interface()
	if err := r.clients[asked.Client].Channel().Invoke(ctx, method, request, response); err != nil {
		return nil, err
	}
	return object{"response": printed(response)}, nil
}

func (r *runner) read(ctx context.Context, asked request) (object, error) {
	method, in, out := types(asked.Method)
	ctx, cancel := within(ctx, asked)
	defer cancel()
	stream, err := r.clients[asked.Client].Channel().NewStream(
		ctx, &grpc.StreamDesc{ServerStreams: true}, method)
	if err != nil {
		return nil, err
	}
	if err := stream.SendMsg(parsed(asked.Request, in)); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	if err := stream.CloseSend(); err != nil {
		return nil, err
	}
	responses := []json.RawMessage{}
	for len(responses) < asked.Take {
		response := out.New().Interface()
		err := stream.RecvMsg(response)
		if errors.Is(err, io.EOF) {
			return object{"responses": responses, "ended": true}, nil
		}
		if err != nil {
			return nil, err
		}
		responses = append(responses, printed(response))
	}
	return object{"responses": responses, "ended": false}, nil
}

func (r *runner) exchange(ctx context.Context, asked request) (object, error) {
	method, in, out := types(asked.Method)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := r.clients[asked.Client].Channel().NewStream(
		ctx, &grpc.StreamDesc{ClientStreams: true, ServerStreams: true}, method)
	if err != nil {
		return nil, err
	}
	for _, one := range asked.Requests {
		if err := stream.SendMsg(parsed(one, in)); err != nil {
			break // RecvMsg tells why
		}
	}
	if err := stream.CloseSend(); err != nil {
		return nil, err
	}
	responses := []json.RawMessage{}
	for {
		response := out.New().Interface()
		err := stream.RecvMsg(response)
		if errors.Is(err, io.EOF) {
			return object{"responses": responses}, nil
		}
		if err != nil {
			return nil, err
		}
		responses = append(responses, printed(response))
	}
}
