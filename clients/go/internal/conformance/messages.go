package main

import (
	"encoding/json"
	"strings"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
)

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
