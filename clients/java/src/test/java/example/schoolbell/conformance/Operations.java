package example.schoolbell.conformance;

import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.protobuf.Message;
import example.schoolbell.BadConnectionException;
import example.schoolbell.Client;
import example.schoolbell.Connection;
import example.schoolbell.SchoolbellException;
import io.grpc.CallOptions;
import io.grpc.Context;
import io.grpc.MethodDescriptor;
import io.grpc.stub.ClientCalls;
import io.grpc.stub.StreamObserver;
import java.nio.file.Path;
import java.time.Duration;
import java.util.HashMap;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;

/** The operations, and the clients of a scenario by name. */
final class Operations {
    private static final List<String> OFFERS = List.of(
        "publisher", "watcher", "relisting", "builders", "mistakes", "environment", "mutual-tls");
    private static final List<String> PROXIES = List.of("http_proxy", "https_proxy");

    private final Map<String, Client> clients = new HashMap<>();
    private final Streams streams = new Streams();

    JsonObject perform(JsonObject asked) throws Exception {
        JsonObject nothing = new JsonObject();
        switch (asked.get("op").getAsString()) {
            case "describe":
                return describe();
            case "connect":
                clients.put(asked.get("client").getAsString(), connect(asked));
                return nothing;
            case "close":
                clients.get(asked.get("client").getAsString()).close();
                return nothing;
            case "call":
                return call(client(asked), asked);
            case "read":
                return read(client(asked), asked);
            case "exchange":
                return exchange(client(asked), asked);
            case "publisher.open", "watcher.open":
                streams.open(client(asked), asked);
                return nothing;
            case "build":
                return Building.build(asked);
            default:
                return streams.perform(asked);
        }
    }

    void reset() {
        streams.reset();
        clients.values().forEach(Client::close);
        clients.clear();
        useProxy(new JsonObject());
    }

    private Client client(JsonObject asked) {
        return clients.get(asked.get("client").getAsString());
    }

    private static JsonObject describe() {
        JsonArray offers = new JsonArray();
        OFFERS.forEach(offers::add);
        JsonObject described = new JsonObject();
        described.addProperty("language", "java");
        described.addProperty("version", Client.VERSION);
        described.add("offers", offers);
        return described;
    }

    private static Client connect(JsonObject asked) {
        Map<String, String> environment = new HashMap<>();
        JsonObject given = asked.has("environment") ? asked.getAsJsonObject("environment") : new JsonObject();
        given.entrySet().forEach(one -> environment.put(one.getKey(), one.getValue().getAsString()));
        if (asked.has("key_file")) {
            environment.put("SCHOOLBELL_KEY_FILE", asked.get("key_file").getAsString());
        }
        useProxy(given);
        try {
            Connection connection = Connection.fromEnvironment(environment);
            if (asked.has("target")) {
                connection = connection.withTarget(asked.get("target").getAsString());
            }
            if (asked.has("key")) {
                connection = connection.withKey(asked.get("key").getAsString());
            }
            if (asked.has("ca_file")) {
                connection = connection.withCa(path(asked, "ca_file"));
            }
            if (asked.has("certificate_file")) {
                connection =
                    connection.withCertificate(path(asked, "certificate_file"), path(asked, "private_key_file"));
            }
            if (asked.has("plaintext") && asked.get("plaintext").getAsBoolean()) {
                connection = connection.withPlaintext();
            }
            if (asked.has("deadline")) {
                connection = connection.withDeadline(Duration.ofMillis((long) (seconds(asked) * 1e3)));
            }
            return new Client(connection);
        } catch (BadConnectionException error) {
            throw new Runner.Refused(error);
        }
    }

    /** Sets what Java has in place of the variables of a proxy, for this very machine too. */
    private static void useProxy(JsonObject environment) {
        for (String name : PROXIES) {
            String prefix = name.replace("_p", ".p");
            if (environment.has(name)) {
                String[] address = environment.get(name).getAsString().replace("http://", "").split(":");
                System.setProperty(prefix + "Host", address[0]);
                System.setProperty(prefix + "Port", address[1]);
                System.setProperty("http.nonProxyHosts", "");
            } else {
                System.clearProperty(prefix + "Host");
            }
        }
    }

    private static Path path(JsonObject asked, String name) {
        return Path.of(asked.get(name).getAsString());
    }

    private static double seconds(JsonObject asked) {
        return asked.get("deadline").getAsDouble();
    }

    private static CallOptions options(JsonObject asked) {
        return asked.has("deadline")
            ? CallOptions.DEFAULT.withDeadlineAfter((long) (seconds(asked) * 1e9), TimeUnit.NANOSECONDS)
            : CallOptions.DEFAULT;
    }

    private static JsonObject call(Client client, JsonObject asked) {
        MethodDescriptor<Message, Message> method = Messages.method(asked);
        Message request = Messages.request(method, asked.get("request"));
        Message response = client.call(
            () -> ClientCalls.blockingUnaryCall(client.channel(), method, options(asked), request));
        JsonObject found = new JsonObject();
        found.add("response", Messages.printed(response));
        return found;
    }

    private static JsonObject read(Client client, JsonObject asked) throws Exception {
        MethodDescriptor<Message, Message> method = Messages.method(asked);
        Message request = Messages.request(method, asked.get("request"));
        JsonArray responses = new JsonArray();
        Context.CancellableContext context = Context.ROOT.withCancellation();
        boolean more = context.call(() -> client.call(() -> {
            Iterator<Message> stream =
                ClientCalls.blockingServerStreamingCall(client.channel(), method, options(asked), request);
            while (responses.size() < asked.get("take").getAsInt() && stream.hasNext()) {
                responses.add(Messages.printed(stream.next()));
            }
            return responses.size() == asked.get("take").getAsInt();
        }));
        context.cancel(null);
        JsonObject found = new JsonObject();
        found.add("responses", responses);
        found.addProperty("ended", !more);
        return found;
    }

    private static JsonObject exchange(Client client, JsonObject asked) throws InterruptedException {
        MethodDescriptor<Message, Message> method = Messages.method(asked);
        JsonArray responses = new JsonArray();
        CompletableFuture<Void> ended = new CompletableFuture<>();
        StreamObserver<Message> requests = ClientCalls.asyncBidiStreamingCall(
            client.channel().newCall(method, options(asked)),
            new StreamObserver<Message>() {
                @Override
                public void onNext(Message response) {
                    responses.add(Messages.printed(response));
                }

                @Override
                public void onError(Throwable error) {
                    ended.completeExceptionally(error);
                }

                @Override
                public void onCompleted() {
                    ended.complete(null);
                }
            });
        for (JsonElement one : asked.getAsJsonArray("requests")) {
            requests.onNext(Messages.request(method, one));
        }
        requests.onCompleted();
        try {
            ended.get();
        } catch (ExecutionException error) {
            throw SchoolbellException.of(error.getCause());
        }
        JsonObject found = new JsonObject();
        found.add("responses", responses);
        return found;
    }
}
