package schoolbell

import (
	"context"
	"errors"
	"io"

	"google.golang.org/grpc"

	v1 "schoolbell.example/go/schoolbell/v1"
)

// Client is a connection to Schoolbell with a stub for each service. It may be used by many goroutines.
type Client struct {
	Access        v1.AccessServiceClient
	Changes       v1.ChangeServiceClient
	Devices       v1.DeviceServiceClient
	Districts     v1.DistrictServiceClient
	Roster        v1.RosterServiceClient
	Settings      v1.SettingsServiceClient
	Status        v1.StatusServiceClient
	Subscriptions v1.SubscriptionServiceClient

	connection Connection
	channel    *grpc.ClientConn
}

// NewClient makes a client. It connects at the first call; the error is of a connection that could never
// work, such as a key that no call can carry.
func NewClient(connection Connection) (*Client, error) {
	connection, err := connection.checked()
	if err != nil {
		return nil, err
	}
	channel, err := grpc.NewClient(connection.Target, connection.dialOptions()...)
	if err != nil {
		return nil, err
	}
	return &Client{
		Access:        v1.NewAccessServiceClient(channel),
		Changes:       v1.NewChangeServiceClient(channel),
		Devices:       v1.NewDeviceServiceClient(channel),
		Districts:     v1.NewDistrictServiceClient(channel),
		Roster:        v1.NewRosterServiceClient(channel),
		Settings:      v1.NewSettingsServiceClient(channel),
		Status:        v1.NewStatusServiceClient(channel),
		Subscriptions: v1.NewSubscriptionServiceClient(channel),
		connection:    connection,
		channel:       channel,
	}, nil
}

// Close ends the connection and all its calls. Close publishers before, so that nothing is lost.
func (c *Client) Close() error { return c.channel.Close() }

// Channel returns the channel beneath, for calls by the name of a method.
func (c *Client) Channel() grpc.ClientConnInterface { return c.channel }

// unary gives a call the connection's deadline where it has none, and its error a type.
func (c Connection) unary(
	ctx context.Context, method string, request, response any, channel *grpc.ClientConn,
	invoke grpc.UnaryInvoker, options ...grpc.CallOption,
) error {
	if _, has := ctx.Deadline(); !has {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, c.Deadline)
		defer cancel()
	}
	return typed(invoke(ctx, method, request, response, channel, options...))
}

// stream gives the errors of a stream their type.
func stream(
	ctx context.Context, description *grpc.StreamDesc, channel *grpc.ClientConn, method string,
	open grpc.Streamer, options ...grpc.CallOption,
) (grpc.ClientStream, error) {
	opened, err := open(ctx, description, channel, method, options...)
	if err != nil {
		return nil, typed(err)
	}
	return typedStream{opened}, nil
}

type typedStream struct{ grpc.ClientStream }

func (s typedStream) RecvMsg(message any) error {
	err := s.ClientStream.RecvMsg(message)
	if errors.Is(err, io.EOF) {
		return err
	}
	return typed(err)
}

func (s typedStream) SendMsg(message any) error {
	err := s.ClientStream.SendMsg(message)
	if errors.Is(err, io.EOF) {
		return err // RecvMsg tells why
	}
	return typed(err)
}
