"""What a process that has a parent knows of it."""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress
from dataclasses import replace
from typing import Self

from schoolbell_server.address import Address
from schoolbell_server.config import Config


class Child:
    """One of the processes of a server, as it sees itself."""

    def __init__(self, number: int, address: Address, lifeline: int, metrics: int) -> None:
        """Take over the sockets that the parent opened, by their descriptors.

        `lifeline` is connected to the parent, and breaks when that dies; `metrics` listens.
        """
        self.number = number
        self._address = address
        self._lifeline = socket.socket(fileno=lifeline)
        self._lifeline.setblocking(False)
        self.metrics = socket.socket(fileno=metrics)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read what the parent passes on the command line (`option`)."""
        number, address, lifeline, metrics = text.split(",")
        return cls(int(number), Address.parse(address), int(lifeline), int(metrics))

    def configured(self, config: Config) -> Config:
        """Return the configuration with what the parent decides."""
        server = replace(
            config.server,
            listen=self._address,
            share_port=True,
            metrics_listen=None,
            metrics_key_file=None,
        )
        return replace(config, server=server)

    def tell_listening(self) -> None:
        """Tell the parent that calls are taken."""
        with suppress(OSError):  # the parent has died, which `orphaned` notices
            self._lifeline.send(b"\n")

    async def orphaned(self) -> None:
        """Wait until the parent has died."""
        with suppress(OSError):
            while await asyncio.get_running_loop().sock_recv(self._lifeline, 1):
                pass
