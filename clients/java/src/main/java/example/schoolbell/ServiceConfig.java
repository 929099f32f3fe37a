package example.schoolbell;

import com.google.gson.Gson;
import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import com.google.gson.reflect.TypeToken;
import io.grpc.Status.Code;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Map;

/**
 * The contract's service config: which calls may be repeated, and how long a call may take.
 *
 * @param deadline of a unary call that names none
 * @param retries what gRPC is given: the config without its deadlines, which a caller could then only
 *     shorten
 */
record ServiceConfig(Duration deadline, Map<String, Object> retries) {
    /** The config that all clients share. */
    static final ServiceConfig SHARED = read();

    private static ServiceConfig read() {
        JsonObject config;
        try (InputStream file = ServiceConfig.class.getResourceAsStream("service_config.json")) {
            config = JsonParser.parseReader(new InputStreamReader(file, StandardCharsets.UTF_8)).getAsJsonObject();
        } catch (IOException error) {
            throw new UncheckedIOException(error);
        }
        Duration longest = Duration.ZERO;
        JsonArray methods = config.getAsJsonArray("methodConfig");
        for (JsonElement method : methods) {
            String limit = method.getAsJsonObject().remove("timeout").getAsString();
            Duration deadline = Duration.parse("PT" + limit);
            longest = longest.compareTo(deadline) < 0 ? deadline : longest;
            alsoOnBrokenConnections(method.getAsJsonObject().getAsJsonObject("retryPolicy"));
        }
        return new ServiceConfig(longest, new Gson().fromJson(config, new TypeToken<Map<String, Object>>() {}));
    }

    /**
     * Repeats what may be repeated on UNAVAILABLE on UNKNOWN too: that is what gRPC for Java says where a
     * connection is found broken while a call is written to it. The service itself never says it.
     */
    private static void alsoOnBrokenConnections(JsonObject policy) {
        if (policy != null) {
            policy.getAsJsonArray("retryableStatusCodes").add(Code.UNKNOWN.name());
        }
    }
}
