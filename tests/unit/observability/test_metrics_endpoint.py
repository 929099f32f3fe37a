"""Metrics over HTTP: served on loopback, gone when closed, closed vocabularies only."""

from __future__ import annotations

import datetime as dt
import http.client
import socket
import ssl
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from schoolbell_server.address import Address
from schoolbell_server.observability import metrics_endpoint as module
from schoolbell_server.observability.metrics import Metrics
from schoolbell_server.observability.metrics_endpoint import (
    CannotServeMetrics,
    MetricsTls,
    metrics_endpoint,
)
from schoolbell_server.security.authority import LocalAuthority


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


@pytest.fixture
def secured(tmp_path: Path) -> MetricsTls:
    authority = LocalAuthority(folder=tmp_path, names=())
    authority.ensure(dt.datetime.now(dt.UTC))
    return MetricsTls(
        certificate_file=authority.certificate_file,
        key_file=authority.key_file,
        client_ca_file=None,
        credential="0123456789abcdef",
    )


def scrape(address: Address, authority: Path, credential: str) -> int:
    request = urllib.request.Request(
        f"https://localhost:{address.port}/metrics", headers={"Authorization": credential}
    )
    context = ssl.create_default_context(cafile=str(authority))
    try:
        with urllib.request.urlopen(request, timeout=20, context=context) as answer:
            assert b"schoolbell" in answer.read()
            return int(answer.status)
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code


def test_beyond_loopback_metrics_are_for_holders_of_the_key(
    secured: MetricsTls, tmp_path: Path
) -> None:
    with metrics_endpoint(Address("0.0.0.0", 0), Metrics().registry, secured) as address:
        good = f"Bearer {secured.credential}"
        assert scrape(address, tmp_path / "ca.pem", good) == 200
        for bad in ("", "Bearer", f"{good}x", secured.credential, "Bearer \u00e9"):
            assert scrape(address, tmp_path / "ca.pem", bad) == 401
        with (
            pytest.raises((urllib.error.URLError, ConnectionError, http.client.HTTPException)),
            urllib.request.urlopen(f"http://{address}/metrics", timeout=20),
        ):
            pass


def test_silent_connections_keep_nobody_from_the_metrics_for_ever(
    secured: MetricsTls, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_PATIENCE", 0.5)
    with metrics_endpoint(Address("127.0.0.1", 0), Metrics().registry, secured) as address:
        where = (address.host, address.port)
        silent = [socket.create_connection(where, timeout=20) for _ in range(15)]
        try:
            good = f"Bearer {secured.credential}"
            assert scrape(address, tmp_path / "ca.pem", good) == 200
            filled = [socket.create_connection(where, timeout=20) for _ in range(20)]
            ended = [one for one in filled if one.recv(1) == b""]
            assert len(ended) == len(filled)
            assert scrape(address, tmp_path / "ca.pem", good) == 200
        finally:
            for one in (*silent, *filled):
                one.close()


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
