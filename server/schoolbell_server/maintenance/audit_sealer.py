"""Seal what is written to the audit logs, a moment later, and hand it out as it happens."""

from __future__ import annotations

import asyncio
import datetime as dt
import os
from collections.abc import Callable
from pathlib import Path

from schoolbell_server.background.periodic import Periodic
from schoolbell_server.observability.log import get_logger
from schoolbell_storage.audit_chain import export_line, heads, seal, unsealed_districts
from schoolbell_storage.engine import Storage
from schoolbell_storage.errors import StorageError

INTERVAL = 1.0  # seconds
_STEP = 500  # entries in one transaction

_logger = get_logger(__name__)


class AuditSealer:
    """Seals entries; several servers take turns.

    With an export file, every sealed entry is a line of it before it counts as sealed: after a
    crash a line may be there twice, and none is missing.
    """

    def __init__(
        self, storage: Storage, export_file: Path | None, clock: Callable[[], dt.datetime]
    ) -> None:
        self._storage = storage
        self._export_file = export_file
        self._clock = clock
        self._day: dt.date | None = None

    def periodic(self) -> Periodic:
        """Return what seals until the server stops."""
        return Periodic(
            task="audit chain",
            work=self.round,
            interval=INTERVAL,
            failure="audit log not sealed",
            faults=(StorageError, OSError),
            at_once=True,
        )

    async def round(self) -> None:
        """Seal everything, and once a day write down where the chains end."""
        async with self._storage.read() as connection:
            waiting = await unsealed_districts(connection)
        for district_id in waiting:
            await self.seal(district_id)
        today = self._clock().date()
        if today != self._day:
            await self._tell_heads()
            self._day = today

    async def seal(self, district_id: str) -> None:
        """Seal what a district's log has."""
        sealed = _STEP
        while sealed == _STEP:
            async with self._storage.write() as connection:
                entries = await seal(connection, district_id, _STEP)
                if entries and self._export_file is not None:
                    lines = "".join(f"{export_line(one)}\n" for one in entries)
                    await asyncio.to_thread(_append, self._export_file, lines)
            sealed = len(entries)

    async def _tell_heads(self) -> None:
        async with self._storage.read() as connection:
            for district_id, head in (await heads(connection)).items():
                _logger.info(
                    "head of the audit log",
                    extra={
                        "district_id": district_id,
                        "revision": head.sequence,
                        "digest": head.digest,
                    },
                )


def _append(path: Path, lines: str) -> None:
    """Add lines to a file that only the server's account may read, durable on return."""
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    with os.fdopen(descriptor, "ab") as file:
        file.write(lines.encode())
        file.flush()
        os.fsync(file.fileno())
