package example.schoolbell;

import example.schoolbell.v1.AccessServiceGrpc;
import example.schoolbell.v1.ChangeServiceGrpc;
import example.schoolbell.v1.DeviceServiceGrpc;
import example.schoolbell.v1.DistrictServiceGrpc;
import example.schoolbell.v1.RosterServiceGrpc;
import example.schoolbell.v1.SettingsServiceGrpc;
import example.schoolbell.v1.StatusServiceGrpc;
import example.schoolbell.v1.SubscriptionServiceGrpc;
import example.schoolbell.v1.WatchStatusRequest;
import io.grpc.Channel;
import io.grpc.ManagedChannel;
import io.grpc.StatusRuntimeException;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;

/**
 * A connection to Schoolbell with a stub for each service. It connects at the first call, and may be used
 * by many threads.
 */
public final class Client implements AutoCloseable {
    /** The version of this client; it follows that of the contract. */
    public static final String VERSION = "0.1.0";

    private static final int PATIENCE = 5; // seconds, of closing

    private final Connection connection;
    private final ManagedChannel channel;

    /**
     * Makes a client.
     *
     * @param connection where it connects, and as whom
     */
    public Client(Connection connection) {
        this.connection = connection;
        channel = Channels.open(connection);
    }

    /**
     * Makes calls with typed errors:
     * {@code client.call(() -> client.access().getCaller(request))}.
     *
     * @param <T> the answer
     * @param calls one call of a stub or more, on this thread; an interrupt of the thread cancels it
     * @return what the calls return
     * @throws SchoolbellException where a call was refused or failed, with the service's reason
     */
    public <T> T call(Supplier<T> calls) {
        try {
            return calls.get();
        } catch (StatusRuntimeException error) {
            throw SchoolbellException.of(error);
        }
    }

    /**
     * Opens a publisher for a district. Close it before the client.
     *
     * @param districtId the district
     * @return the publisher
     */
    public Publisher publisher(String districtId) {
        return new Publisher(ChangeServiceGrpc.newStub(channel), districtId, breaks());
    }

    /**
     * Opens a watcher. Close it.
     *
     * @param request what to watch; its resume token is where to begin
     * @return the watcher, which reads no further than its updates are taken
     */
    public Watcher watch(WatchStatusRequest request) {
        return new Watcher(status(), request, breaks());
    }

    private Breaks breaks() {
        return new Breaks(connection, channel);
    }

    /**
     * Returns a stub of the service of keys, rights, the audit log and personal data.
     *
     * @return a blocking stub; see {@link #call}
     */
    public AccessServiceGrpc.AccessServiceBlockingStub access() {
        return AccessServiceGrpc.newBlockingStub(channel);
    }

    /**
     * Returns a stub of the service of changes.
     *
     * @return a blocking stub; see {@link #call}
     */
    public ChangeServiceGrpc.ChangeServiceBlockingStub changes() {
        return ChangeServiceGrpc.newBlockingStub(channel);
    }

    /**
     * Returns a stub of the service of devices.
     *
     * @return a blocking stub; see {@link #call}
     */
    public DeviceServiceGrpc.DeviceServiceBlockingStub devices() {
        return DeviceServiceGrpc.newBlockingStub(channel);
    }

    /**
     * Returns a stub of the service of districts.
     *
     * @return a blocking stub; see {@link #call}
     */
    public DistrictServiceGrpc.DistrictServiceBlockingStub districts() {
        return DistrictServiceGrpc.newBlockingStub(channel);
    }

    /**
     * Returns a stub of the service of the roster.
     *
     * @return a blocking stub; see {@link #call}
     */
    public RosterServiceGrpc.RosterServiceBlockingStub roster() {
        return RosterServiceGrpc.newBlockingStub(channel);
    }

    /**
     * Returns a stub of the service of a district's settings.
     *
     * @return a blocking stub; see {@link #call}
     */
    public SettingsServiceGrpc.SettingsServiceBlockingStub settings() {
        return SettingsServiceGrpc.newBlockingStub(channel);
    }

    /**
     * Returns a stub of the service of states, deliveries and tallies.
     *
     * @return a blocking stub; see {@link #call}
     */
    public StatusServiceGrpc.StatusServiceBlockingStub status() {
        return StatusServiceGrpc.newBlockingStub(channel);
    }

    /**
     * Returns a stub of the service of subscriptions.
     *
     * @return a blocking stub; see {@link #call}
     */
    public SubscriptionServiceGrpc.SubscriptionServiceBlockingStub subscriptions() {
        return SubscriptionServiceGrpc.newBlockingStub(channel);
    }

    /**
     * Returns the channel beneath, for other stubs; {@link SchoolbellException#of(Throwable)} gives their
     * errors a type.
     *
     * @return the channel, with the connection's credentials and deadline
     */
    public Channel channel() {
        return channel;
    }

    /** Ends the connection and all its calls. Close publishers before, so that nothing is lost. */
    @Override
    public void close() {
        channel.shutdownNow();
        try {
            channel.awaitTermination(PATIENCE, TimeUnit.SECONDS);
        } catch (InterruptedException error) {
            Thread.currentThread().interrupt();
        }
    }
}
