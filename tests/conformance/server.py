"""The server of a run: a process of its own, with its own certificates, started at will."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sqlite3
import sys
import time
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from schoolbell import Connection, read_key
from schoolbell_server.demo.stage import accounts, configuration
from schoolbell_server.sandbox.certificates import Authority

PATIENCE = 60.0  # seconds
SHORT_LIVED = "short-lived"
"""What the keys are called that `expire_keys` makes expire."""
_CLIENTS = "the conformance suite"
_LINES = 200  # of the log, kept for a failure


@dataclass
class Server:
    """The server process; `folder` holds its data, certificates and configuration."""

    folder: Path
    port: int
    sandbox: dict[str, Any]
    authority: Authority = field(default_factory=Authority.create)
    other_authority: Authority = field(default_factory=Authority.create)
    log: list[str] = field(default_factory=list)
    _process: asyncio.subprocess.Process | None = None
    _reading: asyncio.Task[None] | None = None
    _listens: asyncio.Event = field(default_factory=asyncio.Event)
    _reloaded: asyncio.Event = field(default_factory=asyncio.Event)
    _wants_certificates: bool = False
    _authority: Authority = field(init=False)

    def __post_init__(self) -> None:
        """Write the certificates and the configuration."""
        self._put(self.authority)
        (self.folder / "ca.pem").write_bytes(self.authority.pem.certificate)
        (self.folder / "other-ca.pem").write_bytes(self.other_authority.pem.certificate)
        client = self.authority.client(_CLIENTS)
        (self.folder / "client.pem").write_bytes(client.certificate)
        (self.folder / "client.key").write_bytes(client.key)
        text = configuration(self.folder, accounts(self.folder, self.sandbox), self.port)
        (self.folder / "schoolbell.toml").write_text(text, encoding="utf-8")

    @property
    def target(self) -> str:
        """Return where it listens."""
        return f"localhost:{self.port}"

    def connection(self, key: str = "") -> Connection:
        """Return the connection of a caller; without a key, of the operator."""
        found = key or read_key(self.folder / "data" / "credentials" / "operator.key")
        certificate = (self.folder / "client.key", self.folder / "client.pem")
        return Connection(
            target=self.target,
            key=found,
            ca=self.authority.pem.certificate,
            client_certificate=(certificate[0].read_bytes(), certificate[1].read_bytes()),
        )

    async def start(self) -> None:
        """Start it and wait until it listens; nothing if it runs."""
        if self._process is not None:
            return
        self._listens.clear()
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "schoolbell_server", "serve"),
            *("--config", str(self.folder / "schoolbell.toml")),
            env={**os.environ, **self._environment()},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
        )
        assert self._process.stderr is not None
        self._reading = asyncio.create_task(self._read(self._process.stderr))
        listens = asyncio.create_task(self._listens.wait())
        await asyncio.wait(
            (listens, self._reading), timeout=PATIENCE, return_when=asyncio.FIRST_COMPLETED
        )
        listens.cancel()
        if not self._listens.is_set():
            raise RuntimeError("the server does not listen:\n" + "\n".join(self.log))

    async def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        """End it; nothing if it does not run."""
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(number)
        try:
            await asyncio.wait_for(process.wait(), PATIENCE)
        except TimeoutError:
            process.kill()
            await process.wait()
        assert self._reading is not None
        await self._reading

    async def kill(self) -> None:
        """Kill it with SIGKILL."""
        await self.stop(signal.SIGKILL)

    async def restart(self) -> None:
        """Drain it and start it again."""
        await self.stop()
        await self.start()

    async def rotate(self) -> None:
        """Put another certificate of the same authority in place, and wait until it is served."""
        self._reloaded.clear()
        self._put(self.authority)
        await asyncio.wait_for(self._reloaded.wait(), PATIENCE)

    async def use_authority(self, authority: Authority) -> None:
        """Serve a certificate of an authority from a restart on."""
        self._put(authority)
        await self.restart()

    async def want_certificates(self, wanted: bool) -> None:
        """Ask callers for certificates, or not, from a restart on."""
        self._wants_certificates = wanted
        await self.restart()

    async def restore(self) -> None:
        """Run as at first: with its own authority, and asking nobody for certificates."""
        if self._authority is not self.authority or self._wants_certificates:
            await self.stop()
            self._wants_certificates = False
            self._put(self.authority)
        await self.start()

    async def forget_positions(self) -> None:
        """Make every resume token expired that was given out so far."""
        await self._change("DELETE FROM status_log")
        await self._change("UPDATE revision SET value = value + 10, pruned = value + 10")
        await self.start()

    async def expire_keys(self) -> None:
        """Make the keys expired that are called short-lived."""
        now = int(time.time() * 1e6)
        await self._change(
            "UPDATE api_key SET create_time = :before, expire_time = :now "
            "WHERE display_name = :name",
            {"before": now - 1_000_000, "now": now, "name": SHORT_LIVED},
        )
        await self.start()

    async def _change(self, statement: str, values: Mapping[str, Any] | None = None) -> None:
        """Stop it, and change the store as time would."""
        await self.stop()
        with closing(sqlite3.connect(self.folder / "data" / "schoolbell.db")) as connection:
            connection.execute(statement, values or {})
            connection.commit()

    def _put(self, authority: Authority) -> None:
        """Write another certificate and its key; a mixed pair is not taken in between."""
        pem, self._authority = authority.server(), authority
        (self.folder / "server.pem").write_bytes(pem.certificate)
        (self.folder / "server.key").write_bytes(pem.key)

    def _environment(self) -> dict[str, str]:
        chosen = {
            "SCHOOLBELL_SERVER_TLS_CERTIFICATE_FILE": str(self.folder / "server.pem"),
            "SCHOOLBELL_SERVER_TLS_KEY_FILE": str(self.folder / "server.key"),
            "SCHOOLBELL_SERVER_DRAIN_GRACE": "1s",
            "SCHOOLBELL_LIMITS_MESSAGE_BYTES": json.dumps(4 * 1024 * 1024),
        }
        if self._wants_certificates:
            chosen["SCHOOLBELL_SERVER_TLS_CLIENT_CA_FILE"] = str(self.folder / "ca.pem")
        return chosen

    async def _read(self, stream: asyncio.StreamReader) -> None:
        async for raw in stream:
            self.log = [*self.log[1 - _LINES :], raw.decode().rstrip()]
            if b"listens on" in raw:
                self._listens.set()
            if b"certificates reloaded" in raw:
                self._reloaded.set()
