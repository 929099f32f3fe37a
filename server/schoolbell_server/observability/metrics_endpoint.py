"""Metrics over HTTP, for Prometheus, on this machine only."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, start_http_server

from schoolbell_server.address import Address


class CannotServeMetrics(Exception):
    """Somebody else listens there, or it is not an address of this machine."""


@contextmanager
def metrics_endpoint(address: Address, registry: CollectorRegistry) -> Iterator[Address]:
    """Serve `/metrics` while the context is open; answer where (port 0 was the kernel's choice)."""
    if not address.is_loopback:
        raise ValueError("metrics are served on loopback only")
    try:
        server, thread = start_http_server(address.port, address.host, registry)
    except OSError as error:
        raise CannotServeMetrics(f"server.metrics_listen: {address}: {error.strerror}") from None
    try:
        yield Address(address.host, server.server_port)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
