package example.schoolbell.conformance;

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.protobuf.Message;
import com.google.protobuf.util.JsonFormat;
import com.google.rpc.ErrorDetailsProto;
import example.schoolbell.v1.AccessServiceGrpc;
import example.schoolbell.v1.ChangeServiceGrpc;
import example.schoolbell.v1.DeviceServiceGrpc;
import example.schoolbell.v1.DistrictServiceGrpc;
import example.schoolbell.v1.RosterServiceGrpc;
import example.schoolbell.v1.SettingsServiceGrpc;
import example.schoolbell.v1.StatusServiceGrpc;
import example.schoolbell.v1.SubscriptionServiceGrpc;
import io.grpc.MethodDescriptor;
import io.grpc.MethodDescriptor.PrototypeMarshaller;
import io.grpc.ServiceDescriptor;
import java.util.Map;
import java.util.function.Function;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/** Messages and methods by their names, and messages as JSON. */
final class Messages {
    private static final JsonFormat.TypeRegistry DETAILS = JsonFormat.TypeRegistry.newBuilder()
        .add(ErrorDetailsProto.getDescriptor().getMessageTypes())
        .build();
    private static final Map<String, MethodDescriptor<?, ?>> METHODS = Stream.of(
            AccessServiceGrpc.getServiceDescriptor(),
            ChangeServiceGrpc.getServiceDescriptor(),
            DeviceServiceGrpc.getServiceDescriptor(),
            DistrictServiceGrpc.getServiceDescriptor(),
            RosterServiceGrpc.getServiceDescriptor(),
            SettingsServiceGrpc.getServiceDescriptor(),
            StatusServiceGrpc.getServiceDescriptor(),
            SubscriptionServiceGrpc.getServiceDescriptor())
        .map(ServiceDescriptor::getMethods)
        .flatMap(methods -> methods.stream())
        .collect(Collectors.toMap(MethodDescriptor::getFullMethodName, Function.identity()));

    private Messages() {}

    @SuppressWarnings("unchecked") // every message is one
    static MethodDescriptor<Message, Message> method(JsonObject asked) {
        return (MethodDescriptor<Message, Message>) METHODS.get("schoolbell.v1." + asked.get("method").getAsString());
    }

    static Message request(MethodDescriptor<Message, Message> method, JsonElement json) {
        PrototypeMarshaller<Message> marshaller = (PrototypeMarshaller<Message>) method.getRequestMarshaller();
        Message.Builder request = marshaller.getMessagePrototype().newBuilderForType();
        parse(json, request);
        return request.build();
    }

    static void parse(JsonElement json, Message.Builder into) {
        try {
            JsonFormat.parser().usingTypeRegistry(DETAILS).merge(json.toString(), into);
        } catch (InvalidProtocolBufferException error) {
            throw new IllegalArgumentException(error);
        }
    }

    static JsonObject printed(Message message) {
        try {
            String json = JsonFormat.printer().usingTypeRegistry(DETAILS).print(message);
            return JsonParser.parseString(json).getAsJsonObject();
        } catch (InvalidProtocolBufferException error) {
            throw new IllegalArgumentException(error);
        }
    }
}
