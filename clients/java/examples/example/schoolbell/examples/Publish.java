package example.schoolbell.examples;

import example.schoolbell.Client;
import example.schoolbell.Connection;
import example.schoolbell.Event;
import example.schoolbell.Publisher;
import example.schoolbell.SchoolbellException;
import example.schoolbell.Values;
import example.schoolbell.v1.AssignmentAction;
import example.schoolbell.v1.AssignmentChange;
import example.schoolbell.v1.Change;
import example.schoolbell.v1.LunchBalanceChange;
import example.schoolbell.v1.PublishAck;
import java.time.Instant;
import java.time.LocalDate;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;

/**
 * What a student information system does: it publishes scores and says what became of each.
 * SCHOOLBELL_TARGET, SCHOOLBELL_KEY or _KEY_FILE, and SCHOOLBELL_CA_FILE name the service.
 */
public final class Publish {
    private Publish() {}

    /**
     * Publishes.
     *
     * @param arguments DISTRICT STUDENT CALENDAR
     */
    public static void main(String[] arguments) {
        if (arguments.length != 3) {
            throw new IllegalArgumentException("usage: Publish DISTRICT STUDENT CALENDAR");
        }
        publish(arguments[0], changes(arguments[1], arguments[2]));
    }

    private static void publish(String district, List<Change> changes) {
        Map<String, CompletableFuture<PublishAck>> answers = new LinkedHashMap<>();
        try (Client client = new Client(Connection.fromEnvironment());
                Publisher publisher = client.publisher(district)) {
            for (Change change : changes) { // waits while too much is unanswered
                answers.put(change.getKey().getChangeId(), publisher.submit(change));
            }
        } // everything is answered once the publisher is closed
        answers.forEach((id, answer) -> {
            PublishAck ack = answer.join();
            System.out.println(id + " " + ack.getResult());
            SchoolbellException.of(ack.getError()).ifPresent(refusal -> System.out.println("  refused: " + refusal));
        });
    }

    private static List<Change> changes(String student, String calendar) {
        String number = String.valueOf(Instant.now().toEpochMilli()); // the same for the same event of the SIS
        Change score = Event.of("sis", "score-" + number, student)
            .withCalendar(calendar)
            .assignment(AssignmentChange.newBuilder()
                .setAction(AssignmentAction.ASSIGNMENT_ACTION_SCORED)
                .setAssignmentId("a1")
                .setSectionId("s1")
                .setTitle("Fractions")
                .setCourseName("Mathematics")
                .setDueDate(Values.date(LocalDate.now()))
                .setScorePercent(71.5)
                .build());
        Change lunch = Event.of("sis", "lunch-" + number, student)
            .withCalendar(calendar)
            .lunchBalance(LunchBalanceChange.newBuilder()
                .setAccountId("7")
                .setBalance(Values.money("-4.35", "USD"))
                .build());
        return List.of(score, lunch);
    }
}
