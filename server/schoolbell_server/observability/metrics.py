"""Every metric of the service, by name.

Calls are named after gRFC A66, in Prometheus' spelling; the rest is the service's own. Labels hold
only closed vocabularies and configured ids, never what a caller sent.
"""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from schoolbell_storage.errors import Conflict, OutcomeUnknown, StorageError, StorageUnavailable

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)
_BYTES = (0, 64, 256, 1024, 4096, 16384, 65536, 262144, 1048576, 4194304, 16777216)
_SIZES = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000)

_FAULTS: dict[type[StorageError], str] = {
    Conflict: "CONFLICT",
    StorageUnavailable: "UNAVAILABLE",
    OutcomeUnknown: "OUTCOME_UNKNOWN",
}


class Metrics:
    """The metrics of one server, in a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._calls()
        self._changes()
        self._deliveries()
        self._janitor()
        self._server()
        self._link()

    def count_storage_fault(self, error: StorageError) -> None:
        """Count what storage failed, by what became of it."""
        fault = next((name for kind, name in _FAULTS.items() if isinstance(error, kind)), "OTHER")
        self.storage_faults.labels(fault).inc()

    def _calls(self) -> None:
        registry, labels = self.registry, ("grpc_method", "grpc_status")
        self.calls_started = Counter(
            "grpc_server_call_started",
            "Calls begun.",
            ("grpc_method",),
            registry=registry,
        )
        self.call_duration = Histogram(
            "grpc_server_call_duration_seconds",
            "From a call's beginning to its status.",
            labels,
            buckets=_SECONDS,
            registry=registry,
        )
        self.call_sent = Histogram(
            "grpc_server_call_sent_total_compressed_message_size_bytes",
            "Bytes of all responses of a call.",
            labels,
            buckets=_BYTES,
            registry=registry,
        )
        self.call_received = Histogram(
            "grpc_server_call_rcvd_total_compressed_message_size_bytes",
            "Bytes of all requests of a call.",
            labels,
            buckets=_BYTES,
            registry=registry,
        )

        self.calls_refused = Counter(
            "schoolbell_calls_refused",
            "Calls refused because too many were open, by the limit that was reached.",
            ("limit",),
            registry=registry,
        )
        self.keys_unknown = Counter(
            "schoolbell_keys_unknown",
            "Credentials that nothing vouches for, by whether storage was asked.",
            ("asked",),
            registry=registry,
        )
        self.tokens_refused = Counter(
            "schoolbell_tokens_refused",
            "Tokens of identity providers that were refused, by what was wrong with them.",
            ("cause",),
            registry=registry,
        )

    def _changes(self) -> None:
        registry = self.registry
        self.changes = Counter(
            "schoolbell_changes",
            "Changes by what became of their publishing.",
            ("kind", "result"),
            registry=registry,
        )
        self.refusals = Counter(
            "schoolbell_refusals",
            "Recorded refusals by gate and reason.",
            ("kind", "gate", "reason"),
            registry=registry,
        )
        self.commit_duration = Histogram(
            "schoolbell_commit_duration_seconds",
            "From the beginning of an accepting transaction to its commit.",
            buckets=_SECONDS,
            registry=registry,
        )
        self.commit_changes = Histogram(
            "schoolbell_commit_changes",
            "Changes accepted in one transaction.",
            buckets=_SIZES,
            registry=registry,
        )
        self.devices_aged = Counter(
            "schoolbell_devices_aged",
            "Devices retired because they were not seen for too long.",
            registry=registry,
        )
        self.watchers = Gauge(
            "schoolbell_watchers", "Status streams that are open.", registry=registry
        )

    def _link(self) -> None:
        registry = self.registry
        self.link_passed_on = Counter(
            "schoolbell_link_passed_on_deliveries",
            "Deliveries given to the hub's broker: CONFIRMED, or they go on to wait.",
            ("result",),
            registry=registry,
        )
        self.link_outcomes = Counter(
            "schoolbell_link_outcomes",
            "Outcomes that the hub answered: WRITTEN, WITHDRAWN, REPEATED or MALFORMED.",
            ("result",),
            registry=registry,
        )
        self.link_lost = Counter(
            "schoolbell_link_lost_attempts",
            "Attempts lost on the way to the hub, and given back.",
            registry=registry,
        )
        self.link_withdrawals = Counter(
            "schoolbell_link_withdrawals",
            "Deliveries that were taken back from the hub, be it in time or not.",
            registry=registry,
        )

    def _deliveries(self) -> None:
        registry = self.registry
        self.backlog = Gauge(
            "schoolbell_backlog_deliveries",
            "Deliveries that wait, by lane and state.",
            ("lane", "state"),
            registry=registry,
        )
        self.oldest_due = Gauge(
            "schoolbell_oldest_due_seconds",
            "How long the oldest due delivery of a lane has waited.",
            ("lane",),
            registry=registry,
        )
        self.in_flight = in_flight_gauge(registry)
        self.attempts = Counter(
            "schoolbell_attempts",
            "Attempts by their outcome.",
            ("app_id", "provider", "outcome"),
            registry=registry,
        )
        self.attempt_duration = Histogram(
            "schoolbell_attempt_duration_seconds",
            "From handing a push to a provider to its answer.",
            ("app_id", "provider"),
            buckets=_SECONDS,
            registry=registry,
        )
        self.change_to_provider = Histogram(
            "schoolbell_change_to_provider_seconds",
            "From accepting a change to a provider accepting a push of it.",
            ("kind",),
            buckets=_SECONDS,
            registry=registry,
        )
        self.set_aside = Counter(
            "schoolbell_deliveries_set_aside",
            "Deliveries ended as UNCERTAIN: their turn broke, or its outcome could not be written.",
            registry=registry,
        )
        self.circuit_open = circuit_gauge(registry)
        self.link_throttled = throttled_gauge(registry)
        self.link_connected = Gauge(
            "schoolbell_link_connected",
            "1 while an app's provider can be reached.",
            ("app_id", "provider"),
            registry=registry,
        )

    def _janitor(self) -> None:
        registry = self.registry
        self.dropped = Counter(
            "schoolbell_janitor_dropped",
            "Records dropped because they are older than they are kept.",
            ("record",),
            registry=registry,
        )
        self.janitor_step = Histogram(
            "schoolbell_janitor_step_seconds",
            "One transaction of the janitor.",
            buckets=_SECONDS,
            registry=registry,
        )
        self.janitor_round = Gauge(
            "schoolbell_janitor_round_timestamp_seconds",
            "When the janitor last finished a round; at first, when it began to work.",
            registry=registry,
        )

    def _server(self) -> None:
        registry = self.registry
        self.background_faults = background_faults_counter(registry)
        self.loop_lag = Histogram(
            "schoolbell_loop_lag_seconds",
            "How late a timer ran: the event loop was busy, or the process stood still.",
            buckets=_SECONDS,
            registry=registry,
        )
        self.storage_answers = Gauge(
            "schoolbell_storage_answers",
            "1 while storage is read and written, and publishers are answered, as health says.",
            registry=registry,
        )
        self.storage_faults = Counter(
            "schoolbell_storage_faults",
            "Transactions and reads that storage failed, by what became of them.",
            ("fault",),
            registry=registry,
        )
        self.oldest_unanswered = Gauge(
            "schoolbell_oldest_unanswered_seconds",
            "How long the oldest submission of a publisher has waited for its answer.",
            registry=registry,
        )
        self.backlog_age = Gauge(
            "schoolbell_backlog_age_seconds",
            "How long ago the backlog was counted.",
            registry=registry,
        )
        self.lease_held = Gauge(
            "schoolbell_lease_held",
            "1 while this server may send, by its own clock.",
            registry=registry,
        )
        self.lease_failures = Counter(
            "schoolbell_lease_renewal_failures",
            "Renewals of this server's lease that storage did not take.",
            registry=registry,
        )
        self.lease_terms = Counter(
            "schoolbell_lease_terms",
            "Leases that were taken: the first, and one each time that a lease had run out.",
            registry=registry,
        )
        self.orphaned_leases = Counter(
            "schoolbell_orphaned_leases",
            "Deliveries that this server leased without knowing of it, given back.",
            registry=registry,
        )
        self.recovered_leases = Counter(
            "schoolbell_recovered_leases",
            "Deliveries that a dead server had leased, taken back.",
            registry=registry,
        )


def in_flight_gauge(registry: CollectorRegistry) -> Gauge:
    """Return the metric of pushes on their way, which servers and hubs have alike."""
    return Gauge(
        "schoolbell_in_flight_pushes",
        "Pushes on their way to a provider.",
        ("app_id", "provider"),
        registry=registry,
    )


def background_faults_counter(registry: CollectorRegistry) -> Counter:
    """Return the metric of background work that broke, which servers and hubs have alike."""
    return Counter(
        "schoolbell_background_faults",
        "Background work that broke and began anew, by its name.",
        ("kind",),
        registry=registry,
    )


def circuit_gauge(registry: CollectorRegistry) -> Gauge:
    """Return the metric of open circuits, which servers and hubs have alike."""
    return Gauge(
        "schoolbell_circuit_open",
        "1 while nothing but a trial now and then is sent through an app's provider.",
        ("app_id", "provider"),
        registry=registry,
    )


def throttled_gauge(registry: CollectorRegistry) -> Gauge:
    """Return the metric of throttled links, which servers and hubs have alike."""
    return Gauge(
        "schoolbell_link_throttled",
        "1 while an app's provider has asked of late for fewer pushes of the app or project.",
        ("app_id", "provider"),
        registry=registry,
    )
