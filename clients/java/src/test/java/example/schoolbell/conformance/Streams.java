package example.schoolbell.conformance;

import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import example.schoolbell.Client;
import example.schoolbell.Publisher;
import example.schoolbell.SchoolbellException;
import example.schoolbell.Update;
import example.schoolbell.Watcher;
import example.schoolbell.v1.Change;
import example.schoolbell.v1.PublishAck;
import example.schoolbell.v1.PublishResult;
import example.schoolbell.v1.WatchStatusRequest;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;

/** The operations of publishers and watchers. */
final class Streams {
    private final Map<String, Publishing> publishers = new HashMap<>();
    private final Map<String, Watcher> watchers = new HashMap<>();

    /** A publisher and what was submitted since the last flush. */
    private record Publishing(Publisher publisher, List<Submitted> submitted) {}

    private record Submitted(String changeId, CompletableFuture<PublishAck> answer) {}

    void open(Client client, JsonObject asked) {
        if (asked.has("publisher")) {
            Publisher publisher = client.publisher(asked.get("district_id").getAsString());
            publishers.put(asked.get("publisher").getAsString(), new Publishing(publisher, new ArrayList<>()));
        } else {
            WatchStatusRequest.Builder request = WatchStatusRequest.newBuilder();
            Messages.parse(asked.get("request"), request);
            watchers.put(asked.get("watcher").getAsString(), client.watch(request.build()));
        }
    }

    JsonObject perform(JsonObject asked) {
        switch (asked.get("op").getAsString()) {
            case "publisher.submit":
                return submit(publishers.get(asked.get("publisher").getAsString()), asked.getAsJsonArray("changes"));
            case "publisher.flush":
                Publishing flushed = publishers.get(asked.get("publisher").getAsString());
                flushed.publisher().flush();
                return acks(flushed);
            case "publisher.close":
                Publishing closed = publishers.remove(asked.get("publisher").getAsString());
                closed.publisher().close();
                return acks(closed);
            case "publisher.repeat":
                return repeat(publishers.get(asked.get("publisher").getAsString()).publisher(), asked);
            case "watcher.count":
                return count(watchers.get(asked.get("watcher").getAsString()), asked.getAsJsonObject("count"));
            case "watcher.take":
                return take(watchers.get(asked.get("watcher").getAsString()), asked.getAsJsonObject("count"));
            case "watcher.close":
                watchers.remove(asked.get("watcher").getAsString()).close();
                return new JsonObject();
            default:
                throw new IllegalArgumentException("no such operation: " + asked.get("op"));
        }
    }

    void reset() {
        for (Publishing one : publishers.values()) {
            try {
                one.publisher().close(Duration.ZERO); // whatever is unanswered is given up
            } catch (SchoolbellException error) {
                continue;
            }
        }
        watchers.values().forEach(Watcher::close);
        publishers.clear();
        watchers.clear();
    }

    private static JsonObject submit(Publishing one, JsonArray changes) {
        for (JsonElement json : changes) {
            Change.Builder change = Change.newBuilder();
            Messages.parse(json, change);
            CompletableFuture<PublishAck> answer = one.publisher().submit(change.build());
            one.submitted().add(new Submitted(change.getKey().getChangeId(), answer));
        }
        return new JsonObject();
    }

    /** Returns the answers of what was submitted since the last flush. */
    private static JsonObject acks(Publishing one) {
        JsonArray acks = new JsonArray();
        for (Submitted submitted : one.submitted()) {
            PublishAck ack = submitted.answer().join();
            JsonObject told = new JsonObject();
            told.addProperty("change_id", submitted.changeId());
            told.addProperty("result", ack.getResult().name().replace("PUBLISH_RESULT_", ""));
            told.addProperty("reason", SchoolbellException.of(ack.getError()).map(SchoolbellException::reason).orElse(""));
            acks.add(told);
        }
        one.submitted().clear();
        JsonObject found = new JsonObject();
        found.add("acks", acks);
        return found;
    }

    private static JsonObject take(Watcher watcher, JsonObject count) {
        Map<String, JsonArray> taken = new LinkedHashMap<>();
        List.of("states", "deliveries", "changes").forEach(what -> taken.put(what, new JsonArray()));
        String token = "";
        while (count.keySet().stream().anyMatch(what -> taken.get(what).size() < count.get(what).getAsInt())) {
            Update update = watcher.next();
            update.states().forEach(one -> taken.get("states").add(Messages.printed(one)));
            update.deliveries().forEach(one -> taken.get("deliveries").add(Messages.printed(one)));
            update.changes().forEach(one -> taken.get("changes").add(Messages.printed(one)));
            token = update.resumeToken();
        }
        JsonObject found = new JsonObject();
        taken.forEach(found::add);
        found.addProperty("resume_token", token);
        found.addProperty("lists", watcher.lists());
        return found;
    }

    /** Reads on as take does, and only counts what comes. */
    private static JsonObject count(Watcher watcher, JsonObject count) {
        Map<String, Integer> came = new HashMap<>();
        while (count.keySet().stream().anyMatch(what -> came.getOrDefault(what, 0) < count.get(what).getAsInt())) {
            Update update = watcher.next();
            came.merge("states", update.states().size(), Integer::sum);
            came.merge("deliveries", update.deliveries().size(), Integer::sum);
            came.merge("changes", update.changes().size(), Integer::sum);
        }
        JsonObject found = new JsonObject();
        came.forEach(found::addProperty);
        return found;
    }

    /** Publishes many copies of a change. */
    private static JsonObject repeat(Publisher publisher, JsonObject asked) {
        Change.Builder change = Change.newBuilder();
        Messages.parse(asked.get("change"), change);
        String id = change.getKey().getChangeId();
        List<CompletableFuture<PublishAck>> answers = new ArrayList<>();
        for (int number = 0; number < asked.get("count").getAsInt(); number++) {
            change.getKeyBuilder().setChangeId(id + "-" + number);
            answers.add(publisher.submit(change.build()));
        }
        JsonObject found = new JsonObject();
        found.addProperty("accepted", answers.stream()
            .filter(answer -> answer.join().getResult() == PublishResult.PUBLISH_RESULT_ACCEPTED).count());
        return found;
    }
}
