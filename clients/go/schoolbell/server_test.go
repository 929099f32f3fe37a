package schoolbell

import (
	"context"
	"log/slog"
	"net"
	"sync"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	spb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"

	v1 "schoolbell.example/go/schoolbell/v1"
)

const patience = 30 * time.Second

// changeServer accepts what it is sent; it breaks a stream after its first answer as often as it is told,
// and refuses each change as often as it is told for being full.
type changeServer struct {
	v1.UnimplementedChangeServiceServer
	mutex    sync.Mutex
	breaks   int
	code     codes.Code // with which it breaks; 0 is Unavailable
	final    error
	full     map[string]int
	accepted map[string]int // how often each change was taken
	hold     chan struct{}  // where set, nothing is answered before it is closed
}

func (s *changeServer) StreamPublishChanges(stream v1.ChangeService_StreamPublishChangesServer) error {
	for {
		request, err := stream.Recv()
		if err != nil {
			return nil // the client is done, or gone
		}
		if s.hold != nil {
			select {
			case <-s.hold:
			case <-stream.Context().Done():
				return stream.Context().Err()
			}
		}
		response, err := s.answer(request)
		if err != nil {
			return err
		}
		if err := stream.Send(response); err != nil {
			return err
		}
	}
}

func (s *changeServer) answer(request *v1.StreamPublishChangesRequest) (*v1.StreamPublishChangesResponse, error) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	response := &v1.StreamPublishChangesResponse{}
	for _, change := range request.GetChanges() {
		id := change.GetKey().GetChangeId()
		if s.full[id] > 0 {
			s.full[id]--
			response.Acks = append(response.Acks, fullAck())
			continue
		}
		s.accepted[id]++
		response.Acks = append(response.Acks, &v1.PublishAck{Result: v1.PublishResult_PUBLISH_RESULT_ACCEPTED})
	}
	if s.final != nil {
		return nil, s.final
	}
	if s.breaks > 0 { // the changes were taken, and the answer is lost
		s.breaks--
		if s.code == codes.OK {
			s.code = codes.Unavailable
		}
		return nil, status.Error(s.code, "broken")
	}
	return response, nil
}

func fullAck() *v1.PublishAck {
	info, _ := anypb.New(&errdetails.ErrorInfo{Reason: "BACKLOG_FULL"})
	retry, _ := anypb.New(&errdetails.RetryInfo{RetryDelay: durationpb.New(time.Millisecond)})
	return &v1.PublishAck{
		Result: v1.PublishResult_PUBLISH_RESULT_REFUSED,
		Error: &spb.Status{
			Code: int32(codes.ResourceExhausted), Details: []*anypb.Any{info, retry},
		},
	}
}

// statusServer streams what it is told, and breaks each stream after it.
type statusServer struct {
	v1.UnimplementedStatusServiceServer
	mutex   sync.Mutex
	streams [][]*v1.WatchStatusResponse // one a stream
	errors  []error                     // how each of them ends
	tokens  []string                    // with which each was asked
	pages   map[string]*v1.ListDeliveriesResponse
}

func (s *statusServer) WatchStatus(request *v1.WatchStatusRequest, stream v1.StatusService_WatchStatusServer) error {
	s.mutex.Lock()
	number := len(s.tokens)
	s.tokens = append(s.tokens, request.GetResumeToken())
	s.mutex.Unlock()
	if number >= len(s.streams) {
		<-stream.Context().Done()
		return nil
	}
	for _, response := range s.streams[number] {
		if err := stream.Send(response); err != nil {
			return err
		}
	}
	return s.errors[number]
}

func (s *statusServer) ListDeliveries(_ context.Context, request *v1.ListDeliveriesRequest) (*v1.ListDeliveriesResponse, error) {
	return s.pages[request.GetPageToken()], nil
}

func serve(t *testing.T, changes *changeServer, states *statusServer) *Client {
	t.Helper()
	target := listen(t, func(server *grpc.Server) {
		if changes != nil {
			changes.accepted = map[string]int{}
			v1.RegisterChangeServiceServer(server, changes)
		}
		if states != nil {
			v1.RegisterStatusServiceServer(server, states)
		}
	})
	return connected(t, Connection{
		Target: target, Plaintext: true, Logger: slog.New(slog.DiscardHandler),
	})
}

func serveEcho(t *testing.T) string {
	return listen(t, func(server *grpc.Server) { v1.RegisterAccessServiceServer(server, echoServer{}) })
}

// listen serves what is registered until the test ends, and returns where.
func listen(t *testing.T, register func(*grpc.Server)) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer()
	register(server)
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(server.Stop)
	return listener.Addr().String()
}

func connected(t *testing.T, connection Connection) *Client {
	t.Helper()
	client, err := NewClient(connection)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	return client
}

func within30(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}
