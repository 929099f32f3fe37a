"""A gRPC server with the conduct around every RPC."""

from __future__ import annotations

from collections.abc import Sequence

import grpc

from schoolbell_server.rpc.conduct import Conduct

KEEPALIVE = (
    ("grpc.http2.min_recv_ping_interval_without_data_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.keepalive_time_ms", 60_000),
    ("grpc.keepalive_timeout_ms", 20_000),
)
"""Clients may ping every 10 s, also when idle; a peer that is silent for 80 s is gone."""


def conducted_server(conduct: Conduct, most_bytes: int) -> grpc.aio.Server:
    """Return a server without ports or services.

    gRPC's own limit is twice ours, so that a message a little too large is refused with a reason.
    """
    options: Sequence[tuple[str, int]] = (
        *KEEPALIVE,
        ("grpc.max_receive_message_length", 2 * most_bytes),
        ("grpc.max_send_message_length", -1),
        ("grpc.so_reuseport", 0),
    )
    return grpc.aio.server(interceptors=[conduct], options=options)
