package example.schoolbell;

import example.schoolbell.v1.Delivery;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Remembers the newest revision of each delivery that was handed over, of so many deliveries. */
final class Revisions {
    static final int MOST = 100_000; // deliveries

    private final Map<List<String>, Long> known = new LinkedHashMap<>() {
        @Override
        protected boolean removeEldestEntry(Map.Entry<List<String>, Long> eldest) {
            return size() > MOST;
        }
    };

    /** Returns the deliveries that are newer than what was handed over, and remembers them. */
    List<Delivery> newer(List<Delivery> deliveries) {
        return deliveries.stream().filter(this::isNewer).toList();
    }

    private boolean isNewer(Delivery delivery) {
        List<String> id = List.of(delivery.getDistrictId(), delivery.getDeliveryId());
        Long before = known.get(id);
        if (before != null && delivery.getRevision() <= before) {
            return false;
        }
        known.put(id, delivery.getRevision());
        return true;
    }

    int size() {
        return known.size();
    }
}
