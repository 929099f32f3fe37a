package example.schoolbell;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import example.schoolbell.v1.Change;
import example.schoolbell.v1.GradeChange;
import example.schoolbell.v1.PublishAck;
import example.schoolbell.v1.PublishResult;
import io.grpc.Status;
import io.grpc.Status.Code;
import java.io.IOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.CountDownLatch;
import org.junit.jupiter.api.RepeatedTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.function.Executable;

@Timeout(60)
class PublisherTest {
    private static Change change(int number) {
        return Event.of("sis", String.valueOf(number), "s").grade(GradeChange.getDefaultInstance());
    }

    private static Code codeOf(Executable refused) {
        return assertThrows(SchoolbellException.class, refused).code();
    }

    @Test
    void whatWasNotAnsweredIsSentAgain() throws IOException {
        Servers.Changes changes = new Servers.Changes();
        changes.breaks.set(5);
        try (Servers.Served on = Servers.served(changes)) {
            List<CompletableFuture<PublishAck>> answers = new ArrayList<>();
            try (Publisher publisher = on.client().publisher("d")) {
                for (int number = 0; number < 1_000; number++) {
                    answers.add(publisher.submit(change(number)));
                }
            }
            for (CompletableFuture<PublishAck> answer : answers) {
                assertTrue(answer.isDone());
                assertEquals(PublishResult.PUBLISH_RESULT_ACCEPTED, answer.join().getResult());
            }
            assertEquals(1_000, changes.accepted.size());
        }
    }

    @Test
    void aServerThatStopsAndCancelsIsNoMistake() throws IOException {
        Servers.Changes changes = new Servers.Changes();
        changes.breaks.set(2);
        changes.broken = Status.CANCELLED;
        try (Servers.Served on = Servers.served(changes); Publisher publisher = on.client().publisher("d")) {
            assertEquals(PublishResult.PUBLISH_RESULT_ACCEPTED, publisher.publish(change(1)).getResult());
        }
    }

    @Test
    void whatIsRefusedForBeingFullIsSentLater() throws IOException {
        Servers.Changes changes = new Servers.Changes();
        changes.full.put("1", 3);
        changes.full.put("2", 1);
        try (Servers.Served on = Servers.served(changes); Publisher publisher = on.client().publisher("d")) {
            for (int number = 0; number < 4; number++) {
                publisher.submit(change(number));
            }
            publisher.flush();
            assertEquals(4, changes.accepted.size());
            assertTrue(changes.accepted.values().stream().allMatch(count -> count == 1));
        }
    }

    @Test
    void aMistakeEndsThePublisherWithItsReason() throws IOException {
        Servers.Changes changes = new Servers.Changes();
        changes.last = Status.PERMISSION_DENIED;
        try (Servers.Served on = Servers.served(changes)) {
            Publisher publisher = on.client().publisher("d");
            CompletableFuture<PublishAck> answer = publisher.submit(change(1));
            CompletionException told = assertThrows(CompletionException.class, answer::join);
            assertEquals(Code.PERMISSION_DENIED, SchoolbellException.of(told).code());
            assertEquals(Code.PERMISSION_DENIED, codeOf(publisher::flush));
            assertEquals(Code.PERMISSION_DENIED, codeOf(() -> publisher.submit(change(2))));
            assertEquals(Code.PERMISSION_DENIED, codeOf(publisher::close));
        }
    }

    @Test
    void submittingWaitsWhileTooMuchIsUnanswered() throws Exception {
        Servers.Changes changes = new Servers.Changes(new CountDownLatch(1));
        try (Servers.Served on = Servers.served(changes); Publisher publisher = on.client().publisher("d")) {
            for (int number = 0; number < Publisher.MOST_SUBMITTED; number++) {
                publisher.submit(change(number));
            }
            CompletableFuture<Code> waited = new CompletableFuture<>();
            Thread impatient = new Thread(
                () -> waited.complete(codeOf(() -> publisher.submit(change(Publisher.MOST_SUBMITTED)))));
            impatient.start();
            impatient.interrupt();
            assertEquals(Code.CANCELLED, waited.get());
            changes.released.countDown();
            publisher.flush();
            assertEquals(Publisher.MOST_SUBMITTED, changes.accepted.size());
        }
    }

    @Test
    void aClosedPublisherTakesNothing() throws IOException {
        try (Servers.Served on = Servers.served(new Servers.Changes())) {
            Publisher publisher = on.client().publisher("d");
            publisher.close();
            assertThrows(IllegalStateException.class, () -> publisher.submit(change(1)));
            publisher.close();
        }
    }

    @Test
    void closingThatMayNotWaitGivesUp() throws IOException {
        Servers.Changes changes = new Servers.Changes(new CountDownLatch(1));
        try (Servers.Served on = Servers.served(changes)) {
            Publisher publisher = on.client().publisher("d");
            CompletableFuture<PublishAck> answer = publisher.submit(change(1));
            assertEquals(Code.DEADLINE_EXCEEDED, codeOf(() -> publisher.close(Duration.ZERO)));
            CompletionException told = assertThrows(CompletionException.class, answer::join);
            assertEquals(Code.DEADLINE_EXCEEDED, SchoolbellException.of(told).code());
            changes.released.countDown();
        }
    }

    /** At once, when it has no address yet, as well as later. */
    @RepeatedTest(20)
    void aClientThatIsClosedEndsThePublisher() throws IOException {
        Servers.Changes changes = new Servers.Changes(new CountDownLatch(1));
        try (Servers.Served on = Servers.served(changes)) {
            Publisher publisher = on.client().publisher("d");
            publisher.submit(change(1));
            on.client().close();
            assertEquals(Code.UNAVAILABLE, codeOf(publisher::close));
            changes.released.countDown();
        }
    }

    @Test
    void aChangeThatIsLargerThanAnyMessageIsRefusedAtOnce() throws IOException {
        try (Servers.Served on = Servers.served(new Servers.Changes());
                Publisher publisher = on.client().publisher("d")) {
            Change large = change(1).toBuilder().setStudentId("s".repeat(Publisher.MOST_BYTES)).build();
            assertThrows(IllegalArgumentException.class, () -> publisher.submit(large));
        }
    }
}
