"""The metrics of a hub. Labels hold enrolled districts, configured apps, closed vocabularies."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from schoolbell_server.observability.metrics import (
    background_faults_counter,
    circuit_gauge,
    in_flight_gauge,
    throttled_gauge,
)

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)


class HubMetrics:
    """The metrics of one hub, in a registry of its own."""

    def __init__(self) -> None:
        registry = self.registry = CollectorRegistry()
        self.connected = Gauge(
            "schoolbell_hub_connected", "Whether the broker is reached.", registry=registry
        )
        self.districts = Gauge(
            "schoolbell_hub_districts", "Districts that are enrolled.", registry=registry
        )
        self.districts_read = Gauge(
            "schoolbell_hub_districts_read",
            "Whether the broker says who is enrolled; else those are taken from who are known.",
            registry=registry,
        )
        self.untaken = Gauge(
            "schoolbell_hub_districts_untaken",
            "Enrolled districts whose queues cannot be taken from, as of the last look.",
            registry=registry,
        )
        self.messages = Counter(
            "schoolbell_hub_messages",
            "Messages taken, by their end: ANSWERED, WITHDRAWALS or POISON.",
            ("district", "end"),
            registry=registry,
        )
        self.attempts = Counter(
            "schoolbell_hub_attempts",
            "Deliveries answered, by their outcome; HELD, WITHDRAWN and EXPIRED were no attempts, "
            "REPEATED ones were answered from the ledger.",
            ("district", "outcome"),
            registry=registry,
        )
        self.again = Counter(
            "schoolbell_hub_attempts_again",
            "Attempts made again because a hub ended before it wrote down their outcome.",
            ("district",),
            registry=registry,
        )
        self.ledger_dropped = Counter(
            "schoolbell_hub_ledger_rows_dropped",
            "Rows of the ledger dropped before their time: a district had too many.",
            ("district",),
            registry=registry,
        )
        self.wait = Histogram(
            "schoolbell_hub_message_seconds",
            "From a message's arrival at the hub to its answer.",
            ("lane",),
            buckets=_SECONDS,
            registry=registry,
        )
        self.in_work = Gauge("schoolbell_hub_in_work", "Messages in work.", registry=registry)
        self.dead = Gauge(
            "schoolbell_hub_dead_letters",
            "Messages in the dead-letter queue, as of the last look.",
            registry=registry,
        )
        self.in_flight = in_flight_gauge(registry)
        self.background_faults = background_faults_counter(registry)
        self.circuit_open = circuit_gauge(registry)
        self.link_throttled = throttled_gauge(registry)
