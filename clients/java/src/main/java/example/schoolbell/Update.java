package example.schoolbell;

import example.schoolbell.v1.ChangeSummary;
import example.schoolbell.v1.Delivery;
import example.schoolbell.v1.ServiceState;
import java.util.List;

/**
 * What a watcher hands over: a response without the deliveries that were handed over before.
 *
 * @param states the states of the service where they changed
 * @param deliveries snapshots; each is newer than any before it
 * @param changes accepted changes
 * @param resumeToken the position after the update: store it once the update is dealt with, and give it to
 *     the next watcher. It is empty within a list.
 * @param listed whether the deliveries are of a list, for the watcher's token had expired: what is no
 *     longer there may have passed unseen, and so may changes, which a monitor cannot list
 */
public record Update(
    List<ServiceState> states,
    List<Delivery> deliveries,
    List<ChangeSummary> changes,
    String resumeToken,
    boolean listed) {}
