package example.schoolbell.conformance;

import com.google.gson.Gson;
import com.google.gson.GsonBuilder;
import com.google.gson.JsonArray;
import com.google.gson.JsonNull;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import example.schoolbell.FieldError;
import example.schoolbell.SchoolbellException;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.CompletableFuture;

/**
 * The runner of the Java client: it does what tests/conformance/README.md says of each operation.
 */
public final class Runner {
    private static final Gson GSON = new GsonBuilder().serializeNulls().disableHtmlEscaping().create();

    private final Map<String, Task> background = new HashMap<>();
    private final Operations operations = new Operations();

    /** An operation in the background. */
    private record Task(Thread thread, CompletableFuture<JsonObject> answer) {}

    /** What the client refuses before any call. */
    static final class Refused extends RuntimeException {
        private static final long serialVersionUID = 1L;

        Refused(Exception cause) {
            super(cause.getMessage(), cause);
        }
    }

    /**
     * Answers requests until stdin ends.
     *
     * @param arguments none
     * @throws IOException where stdin cannot be read
     */
    public static void main(String[] arguments) throws IOException {
        Runner runner = new Runner();
        BufferedReader lines = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        PrintStream answers = new PrintStream(System.out, false, StandardCharsets.UTF_8);
        for (String line = lines.readLine(); line != null; line = lines.readLine()) {
            JsonObject asked = JsonParser.parseString(line).getAsJsonObject();
            JsonObject answer = runner.answer(asked);
            answer.add("id", asked.get("id"));
            answers.println(GSON.toJson(answer));
            answers.flush();
        }
        System.exit(0); // whatever still runs
    }

    /** Does an operation, in the background if it has a name. */
    private JsonObject answer(JsonObject asked) {
        if (!asked.has("as")) {
            return perform(asked);
        }
        CompletableFuture<JsonObject> answer = new CompletableFuture<>();
        Thread thread = new Thread(() -> answer.complete(perform(asked)));
        thread.setDaemon(true);
        background.put(asked.get("as").getAsString(), new Task(thread, answer));
        thread.start();
        return ok(new JsonObject());
    }

    private JsonObject perform(JsonObject asked) {
        try {
            switch (asked.get("op").getAsString()) {
                case "wait":
                    return background.remove(asked.get("of").getAsString()).answer().join();
                case "cancel":
                    background.get(asked.get("of").getAsString()).thread().interrupt();
                    return ok(new JsonObject());
                case "reset":
                    reset();
                    return ok(new JsonObject());
                default:
                    return ok(operations.perform(asked));
            }
        } catch (SchoolbellException error) {
            return failed(error);
        } catch (Refused error) {
            JsonObject told = new JsonObject();
            told.addProperty("code", "CLIENT");
            told.addProperty("reason", "");
            told.addProperty("message", error.getMessage());
            return with("error", told);
        } catch (Exception | Error fault) {
            StringWriter trace = new StringWriter();
            fault.printStackTrace(new PrintWriter(trace));
            JsonObject answer = new JsonObject();
            answer.addProperty("fault", trace.toString());
            return answer;
        }
    }

    private void reset() {
        for (Task task : background.values()) {
            task.thread().interrupt();
            task.answer().join();
        }
        background.clear();
        operations.reset();
    }

    private static JsonObject failed(SchoolbellException error) {
        JsonArray violations = new JsonArray();
        for (FieldError field : error.fields()) {
            JsonObject one = new JsonObject();
            one.addProperty("field", field.path());
            one.addProperty("description", field.text());
            one.addProperty("reason", field.reason());
            violations.add(one);
        }
        JsonObject metadata = new JsonObject();
        error.metadata().forEach(metadata::addProperty);
        JsonObject told = new JsonObject();
        told.addProperty("code", error.code().name());
        told.addProperty("reason", error.reason());
        told.addProperty("message", error.getMessage());
        told.add("metadata", metadata);
        told.add("violations", violations);
        told.add("retry_delay", JsonNull.INSTANCE);
        error.retryAfter().map(Duration::toNanos).ifPresent(delay -> told.addProperty("retry_delay", delay / 1e9));
        return with("error", told);
    }

    private static JsonObject ok(JsonObject found) {
        return with("ok", found);
    }

    private static JsonObject with(String name, JsonObject value) {
        JsonObject answer = new JsonObject();
        answer.add(name, value);
        return answer;
    }
}
