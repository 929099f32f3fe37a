"""Metrics over HTTP: served on loopback, gone when closed, closed vocabularies only."""

from __future__ import annotations

import socket
import urllib.request

import pytest

from schoolbell_server.config import Address
from schoolbell_server.observability.metrics import Metrics
from schoolbell_server.observability.metrics_endpoint import CannotServeMetrics, metrics_endpoint


def test_metrics_are_served_and_then_gone() -> None:
    metrics = Metrics()
    metrics.changes.labels("grade", "accepted").inc(3)
    with (
        metrics_endpoint(Address("127.0.0.1", 0), metrics.registry) as address,
        urllib.request.urlopen(f"http://{address}/metrics", timeout=20) as answer,
    ):
        text = answer.read().decode()
    assert 'schoolbell_changes_total{kind="grade",result="accepted"} 3.0' in text
    assert "grpc_server_call_started_total" in text
    with socket.socket() as probe:
        assert probe.connect_ex((address.host, address.port)) != 0


def test_metrics_never_leave_the_machine() -> None:
    address = Address("0.0.0.0", 0)
    with pytest.raises(ValueError, match="loopback"), metrics_endpoint(address, Metrics().registry):
        pass


def test_an_address_that_is_taken_is_named() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        address = Address("127.0.0.1", other.getsockname()[1])
        taken = metrics_endpoint(address, Metrics().registry)
        with pytest.raises(CannotServeMetrics, match=r"server\.metrics_listen"), taken:
            pass


def test_no_label_can_hold_what_a_caller_sent() -> None:
    closed = {
        "grpc_method", "grpc_status", "kind", "result", "gate", "reason", "lane", "state",
        "app_id", "provider", "outcome", "record", "fault",
        "limit", "asked", "cause",
    }  # fmt: skip
    metrics = Metrics()
    for metric in vars(metrics).values():
        assert set(getattr(metric, "_labelnames", ())) <= closed
