"""What happens in a district, summed up for one page: however much it is, the sum stays small."""

from __future__ import annotations

import time
from collections import Counter, deque
from typing import Any

from schoolbell.v1 import common_pb2, delivery_pb2, status_pb2
from schoolbell.v1.delivery_pb2 import Delivery
from schoolbell_console.texts import Words, member_slug

_ROWS = 20  # of each sort and tick
_SAMPLES = 5000
_WINDOW = 30.0  # seconds over which the latency is told
_COMMON = frozenset(
    {
        delivery_pb2.DELIVERY_STATE_PENDING,
        delivery_pb2.DELIVERY_STATE_ACCEPTED,
        delivery_pb2.DELIVERY_STATE_DISPLAYED,
        delivery_pb2.DELIVERY_STATE_OPENED,
    }
)


class Board:
    """Takes what WatchStatus streams and answers what is new since the last tick."""

    def __init__(self, words: Words) -> None:
        self._words = words
        self._kinds: Counter[str] = Counter()
        self._providers: Counter[str] = Counter()
        self._outcomes: Counter[str] = Counter()
        self._latencies: deque[tuple[float, float]] = deque(maxlen=_SAMPLES)
        self._common: deque[Delivery] = deque(maxlen=_ROWS)
        self._rare: deque[Delivery] = deque(maxlen=_ROWS)
        self._state: status_pb2.ServiceState | None = None
        self.is_away = False
        """Whether the service does not answer at present."""

    def take_state(self, state: status_pb2.ServiceState) -> None:
        """Take the state of the service."""
        self._state = state

    def take(self, delivery: Delivery) -> None:
        """Take a snapshot of a delivery."""
        (self._common if delivery.state in _COMMON else self._rare).append(delivery)
        self._outcomes[member_slug(delivery_pb2.DeliveryState, delivery.state)] += 1
        if delivery.state != delivery_pb2.DELIVERY_STATE_ACCEPTED:
            return
        self._kinds[member_slug(common_pb2.Kind, delivery.kind)] += 1
        self._providers[member_slug(common_pb2.Provider, delivery.provider)] += 1
        took = delivery.accept_time.ToNanoseconds() - delivery.create_time.ToNanoseconds()
        self._latencies.append((time.monotonic(), max(0.0, took / 1e6)))

    def show(self, delivery: Delivery) -> None:
        """Take a delivery of the past: it is shown and not counted."""
        (self._common if delivery.state in _COMMON else self._rare).append(delivery)

    def tick(self) -> dict[str, Any]:
        """Return what is new since the last tick, and the state."""
        rows = [*self._common, *self._rare]
        rows.sort(key=lambda one: one.update_time.ToNanoseconds())
        found = {
            "away": self.is_away,
            "kinds": dict(self._kinds),
            "providers": dict(self._providers),
            "outcomes": dict(self._outcomes),
            "latency": self._percentiles(),
            "rows": [self._row(one) for one in rows],
            "state": self._state_of(),
        }
        for counter in (self._kinds, self._providers, self._outcomes):
            counter.clear()
        self._common.clear()
        self._rare.clear()
        return found

    def _percentiles(self) -> list[float] | None:
        """Return the median and the 95th percentile of the last seconds, in ms."""
        start = time.monotonic() - _WINDOW
        while self._latencies and self._latencies[0][0] < start:
            self._latencies.popleft()
        if not self._latencies:
            return None
        values = sorted(value for _, value in self._latencies)
        return [round(values[int(share * (len(values) - 1))], 1) for share in (0.5, 0.95)]

    def _row(self, delivery: Delivery) -> dict[str, str]:
        words = self._words
        return {
            "id": delivery.delivery_id,
            "time": words.clock(delivery.update_time),
            "kind": member_slug(common_pb2.Kind, delivery.kind),
            "kind_text": words.member(common_pb2.Kind, delivery.kind),
            "state": member_slug(delivery_pb2.DeliveryState, delivery.state),
            "state_text": words.member(delivery_pb2.DeliveryState, delivery.state),
            "student": delivery.student_id,
            "user": delivery.user_id,
            "provider": words.member(common_pb2.Provider, delivery.provider),
        }

    def _state_of(self) -> dict[str, Any] | None:
        state = self._state
        if state is None:
            return None
        words = self._words
        return {
            "status": words.member(status_pb2.ServiceStatus, state.service_status),
            "active": state.service_status == status_pb2.SERVICE_STATUS_ACTIVE,
            "backlog": {one.lane: [one.pending_count, one.held_count] for one in state.backlog},
            "links": [
                {
                    "name": words.member(common_pb2.Provider, link.provider),
                    "app": link.app_id,
                    "connectivity": member_slug(status_pb2.Connectivity, link.connectivity),
                    "text": words.member(status_pb2.Connectivity, link.connectivity),
                    "trouble": words.member(status_pb2.LinkTrouble, link.trouble)
                    if link.trouble
                    else "",
                }
                for link in state.links
            ],
        }
