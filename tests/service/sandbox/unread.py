"""A provider that reads nothing for a while: what is sent to it stays under way until then."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from schoolbell_sandbox.listener import Listener


@contextmanager
def unread(listener: Listener) -> Iterator[None]:
    """Let nothing of the present connections be read while the block runs, and then all of it.

    Unlike an answer that is late by some seconds, it is late enough on a machine of any speed.
    """
    connections = list(listener.connections)
    assert connections, "nobody is connected"
    for connection in connections:
        connection.pause_writing()
    try:
        yield
    finally:
        for connection in connections:
            connection.resume_writing()
