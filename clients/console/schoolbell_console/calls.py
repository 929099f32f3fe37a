"""Calls of the API with the credential of whoever is signed in, all over one connection."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc.aio

from schoolbell import AsyncClient, Connection
from schoolbell_console.config import BadConfig, ServerConfig

_DEADLINE = 10.0  # seconds: a person waits


@dataclass(frozen=True, slots=True, kw_only=True)
class _Shared(Connection):
    """A connection whose channel is shared by the clients of all who are signed in."""

    channel: Any

    def aio_channel(self) -> grpc.aio.Channel:
        """Return the shared channel."""
        found: grpc.aio.Channel = self.channel
        return found


class Calls:
    """Makes clients of the API; must be made and closed inside a running event loop."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._channel = connection.aio_channel()

    def client(self, credential: str) -> AsyncClient:
        """Return a client that shows a credential; raises InvalidKeyError for what is none."""
        return AsyncClient(
            _Shared(
                target=self._connection.target,
                key=credential,
                deadline=_DEADLINE,
                channel=self._channel,
            )
        )

    async def close(self) -> None:
        """Close the connection."""
        await self._channel.close()


def connection(config: ServerConfig) -> Connection:
    """Return how the service is reached; raises BadConfig and BadConnection."""
    return Connection(
        target=config.target,
        ca=_read(config.ca_file) if config.ca_file else None,
        plaintext=config.plaintext,
    )


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise BadConfig(f"server.ca_file {path} cannot be read: {error.strerror}") from None
