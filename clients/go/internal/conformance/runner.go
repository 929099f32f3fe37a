package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"io"
	"os"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	"schoolbell.example/go/schoolbell"
	v1 "schoolbell.example/go/schoolbell/v1"
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

// publishing is a publisher and what was submitted since the last flush.
type publishing struct {
	publisher *schoolbell.Publisher
	submitted []*schoolbell.Answer
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
		"watcher.open":     r.openWatcher,
		"watcher.take":     r.take,
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

func (r *runner) openPublisher(_ context.Context, asked request) (object, error) {
	publisher := r.clients[asked.Client].NewPublisher(asked.DistrictID)
	r.publishers[asked.Publisher] = &publishing{publisher: publisher}
	return object{}, nil
}

func (r *runner) submit(ctx context.Context, asked request) (object, error) {
	one := r.publishers[asked.Publisher]
	for _, text := range asked.Changes {
		change := &v1.Change{}
		parse(text, change)
		answer, err := one.publisher.Submit(ctx, change)
		if err != nil {
			return nil, err
		}
		one.submitted = append(one.submitted, answer)
	}
	return object{}, nil
}

func (r *runner) flush(ctx context.Context, asked request) (object, error) {
	one := r.publishers[asked.Publisher]
	if err := one.publisher.Flush(ctx); err != nil {
		return nil, err
	}
	return one.acks(ctx)
}

func (r *runner) closePublisher(ctx context.Context, asked request) (object, error) {
	one := r.publishers[asked.Publisher]
	delete(r.publishers, asked.Publisher)
	if err := one.publisher.Close(ctx); err != nil {
		return nil, err
	}
	return one.acks(ctx)
}

// acks returns the answers of what was submitted since the last flush.
func (p *publishing) acks(ctx context.Context) (object, error) {
	acks := []object{}
	for _, answer := range p.submitted {
		ack, err := answer.Wait(ctx)
		if err != nil {
			return nil, err
		}
		reason := ""
		if refusal := schoolbell.FromStatus(ack.GetError()); refusal != nil {
			reason = refusal.Reason
		}
		acks = append(acks, object{
			"change_id": answer.Change().GetKey().GetChangeId(),
			"result":    strings.TrimPrefix(ack.GetResult().String(), "PUBLISH_RESULT_"),
			"reason":    reason,
		})
	}
	p.submitted = nil
	return object{"acks": acks}, nil
}

func (r *runner) openWatcher(_ context.Context, asked request) (object, error) {
	request := &v1.WatchStatusRequest{}
	parse(asked.Request, request)
	r.watchers[asked.Watcher] = r.clients[asked.Client].Watch(request)
	return object{}, nil
}

func (r *runner) take(ctx context.Context, asked request) (object, error) {
	watcher := r.watchers[asked.Watcher]
	states, deliveries, changes := []json.RawMessage{}, []json.RawMessage{}, []json.RawMessage{}
	token := ""
	for len(states) < asked.Count["states"] || len(deliveries) < asked.Count["deliveries"] ||
		len(changes) < asked.Count["changes"] {
		update, err := watcher.Next(ctx)
		if err != nil {
			return nil, err
		}
		for _, one := range update.States {
			states = append(states, printed(one))
		}
		for _, one := range update.Deliveries {
			deliveries = append(deliveries, printed(one))
		}
		for _, one := range update.Changes {
			changes = append(changes, printed(one))
		}
		token = update.ResumeToken
	}
	return object{
		"states": states, "deliveries": deliveries, "changes": changes, "resume_token": token,
		"lists": watcher.Lists(),
	}, nil
}

func (r *runner) closeWatcher(_ context.Context, asked request) (object, error) {
	r.watchers[asked.Watcher].Close()
	delete(r.watchers, asked.Watcher)
	return object{}, nil
}

// types returns the full name of a method, and the types of its messages.
func types(name string) (method string, in, out protoreflect.MessageType) {
	service, short, _ := strings.Cut(name, "/")
	full := protoreflect.FullName("schoolbell.v1." + service)
	found, err := protoregistry.GlobalFiles.FindDescriptorByName(full)
	if err != nil {
		panic(err)
	}
	described := found.(protoreflect.ServiceDescriptor).Methods().ByName(protoreflect.Name(short))
	return "/" + string(full) + "/" + short, messageType(described.Input()), messageType(described.Output())
}

func messageType(described protoreflect.MessageDescriptor) protoreflect.MessageType {
	found, err := protoregistry.GlobalTypes.FindMessageByName(described.FullName())
	if err != nil {
		panic(err)
	}
	return found
}

func parsed(text json.RawMessage, kind protoreflect.MessageType) proto.Message {
	message := kind.New().Interface()
	parse(text, message)
	return message
}

func parse(text json.RawMessage, message proto.Message) {
	if err := protojson.Unmarshal(text, message); err != nil {
		panic(err)
	}
}

func printed(message proto.Message) json.RawMessage {
	text, err := protojson.Marshal(message)
	if err != nil {
		panic(err)
	}
	return text
}
