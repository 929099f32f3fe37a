package example.schoolbell;

import static java.lang.System.Logger.Level.WARNING;

import io.grpc.ManagedChannel;
import io.grpc.Status.Code;
import java.time.Duration;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;

/**
 * The breaks of one series of tries: it waits, says so, and gives up where another try is of no use.
 * {@link #over} may be called by another thread than {@link #await}.
 */
final class Breaks {
    private static final System.Logger LOGGER = System.getLogger("example.schoolbell");
    private static final Duration FIRST_PAUSE = Duration.ofMillis(100);
    private static final Duration LONGEST_PAUSE = Duration.ofSeconds(5);
    private static final Duration SAY_AGAIN = Duration.ofSeconds(10);
    private static final Duration EXPIRED_FOR = Duration.ofMinutes(1); // after which the source is at fault
    private static final int LOOK_FOR_MISTAKES = 3; // once in so many breaks in a row

    private final Connection connection;
    private final ManagedChannel channel;
    private Duration bound = FIRST_PAUSE;
    private boolean worked;
    private int count;
    private long since; // when the first of these breaks was said, nanoseconds
    private long said; // when the last was
    private boolean away;
    private boolean expired; // the last break was a token that had expired
    private long expiredSince; // when the first such break in a row was, nanoseconds

    Breaks(Connection connection, ManagedChannel channel) {
        this.connection = connection;
        this.channel = channel;
    }

    /** Takes note that the service answered. */
    synchronized void over() {
        if (away) {
            LOGGER.log(WARNING, "the service answers again");
        }
        bound = FIRST_PAUSE;
        worked = true;
        count = 0;
        away = false;
        expired = false;
    }

    /**
     * Waits before the next try.
     *
     * @param ended is counted down when nobody wants another try
     * @throws SchoolbellException where another try is of no use
     */
    void await(SchoolbellException error, CountDownLatch ended) {
        boolean isWanted = ended.getCount() > 0 && !Thread.currentThread().isInterrupted();
        if (isWanted && channel.isShutdown() && error.code() == Code.CANCELLED) {
            // What gRPC says of a call that had no address yet when the client was closed; else it is this.
            throw SchoolbellException.own(Code.UNAVAILABLE, "the client was closed");
        }
        if (!isWanted || channel.isShutdown()) {
            throw error;
        }
        // CANCELLED comes from a server that stops: this end did not, see above.
        boolean passes = isRenewed(error) || error.code() == Code.UNAVAILABLE || error.code() == Code.CANCELLED
            || error.code() == Code.RESOURCE_EXHAUSTED && error.retryAfter().isPresent();
        if (!passes) {
            throw error;
        }
        if (isSuspicious(error)) {
            String mistake = Mistakes.find(connection, !worked);
            if (!mistake.isEmpty()) {
                throw SchoolbellException.own(Code.UNAVAILABLE, mistake);
            }
        }
        say(error);
        try {
            if (ended.await(pause(error).toNanos(), TimeUnit.NANOSECONDS)) {
                throw SchoolbellException.own(Code.CANCELLED, "it was closed");
            }
        } catch (InterruptedException interrupt) {
            throw SchoolbellException.interrupted();
        }
        channel.resetConnectBackoff();
    }

    /** Tells whether the next try shows another token, in place of one that has expired. */
    private synchronized boolean isRenewed(SchoolbellException error) {
        boolean before = expired;
        expired = connection.token() != null && error.reason().equals("KEY_EXPIRED");
        long now = System.nanoTime();
        if (expired && !before) {
            expiredSince = now;
        }
        return expired && now - expiredSince <= EXPIRED_FOR.toNanos();
    }

    private synchronized Duration pause(SchoolbellException error) {
        Duration pause = Duration.ofNanos(ThreadLocalRandom.current().nextLong(bound.toNanos()));
        Duration doubled = bound.multipliedBy(2);
        bound = doubled.compareTo(LONGEST_PAUSE) < 0 ? doubled : LONGEST_PAUSE;
        Duration asked = error.retryAfter().orElse(pause);
        return pause.compareTo(asked) < 0 ? asked : pause;
    }

    /**
     * Tells whether the connection itself may be to blame: nobody answered, not even to say so. It is
     * looked at once in so many breaks, and at first where it has never worked.
     */
    private synchronized boolean isSuspicious(SchoolbellException error) {
        if (!error.reason().isEmpty()) {
            return false;
        }
        int number = count++;
        return number % LOOK_FOR_MISTAKES == (worked ? LOOK_FOR_MISTAKES - 1 : 0);
    }

    private synchronized void say(SchoolbellException error) {
        long now = System.nanoTime();
        if (!away) {
            since = now;
            LOGGER.log(WARNING, "the service is away, trying again: " + error.getMessage());
        } else if (now - said < SAY_AGAIN.toNanos()) {
            return;
        } else {
            long seconds = TimeUnit.NANOSECONDS.toSeconds(now - since);
            LOGGER.log(WARNING, "the service is away for " + seconds + " s: " + error.getMessage());
        }
        away = true;
        said = now;
    }
}
