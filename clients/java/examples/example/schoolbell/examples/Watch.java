package example.schoolbell.examples;

import example.schoolbell.Client;
import example.schoolbell.Connection;
import example.schoolbell.Update;
import example.schoolbell.Watcher;
import example.schoolbell.v1.WatchStatusRequest;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/**
 * What a monitor does: it follows what becomes of every delivery, and stores its position so that it goes
 * on there when it is started again.
 */
public final class Watch {
    private Watch() {}

    /**
     * Watches until it is ended.
     *
     * @param arguments DISTRICT FILE
     * @throws IOException where the file cannot be read or written
     */
    public static void main(String[] arguments) throws IOException {
        if (arguments.length != 2) {
            throw new IllegalArgumentException("usage: Watch DISTRICT FILE");
        }
        Path file = Path.of(arguments[1]);
        String stored = Files.exists(file) ? Files.readString(file).strip() : "";
        WatchStatusRequest request =
            WatchStatusRequest.newBuilder().setDistrictId(arguments[0]).setResumeToken(stored).build();
        try (Client client = new Client(Connection.fromEnvironment());
                Watcher watcher = client.watch(request)) {
            while (true) {
                Update update = watcher.next();
                update.states().forEach(
                    one -> System.out.println("state " + one.getServiceStatus() + " " + one.getConnectivity()));
                update.deliveries().forEach(one -> System.out.println(
                    "delivery " + one.getDeliveryId() + " " + one.getState() + " " + one.getRevision()));
                if (!update.resumeToken().isEmpty()) { // within a list it is
                    Files.writeString(file, update.resumeToken() + "\n");
                }
            }
        }
    }
}
