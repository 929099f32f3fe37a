"""Note which devices were heard of and which keys were used, beside the calls and not in them.

A call only adds a name to a set. What is noted is exact to the day, so that whoever was noted today
is not written again; a crash forgets some seconds of it, and the next call tells it again.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Awaitable, Callable, Collection

from sqlalchemy.ext.asyncio import AsyncConnection

from schoolbell_server.contract.fields import day_of
from schoolbell_storage.engine import Storage
from schoolbell_storage.last_seen import due_devices, due_keys, note_devices, note_keys

INTERVAL = 10.0  # seconds
_STEP = 500  # names in one transaction

Due = Callable[[AsyncConnection, Collection[str], dt.datetime], Awaitable[list[str]]]
Note = Callable[[AsyncConnection, Collection[str], dt.datetime, dt.datetime], Awaitable[None]]


class LastSeen:
    """Gathers names and writes them down now and then."""

    def __init__(self, storage: Storage, clock: Callable[[], dt.datetime]) -> None:
        self._storage = storage
        self._clock = clock
        self._devices: set[str] = set()
        self._keys: set[str] = set()

    def device(self, device_id: str) -> None:
        """Say that the app on a device was heard of."""
        self._devices.add(device_id)

    def key(self, key_id: str) -> None:
        """Say that an API key was used."""
        self._keys.add(key_id)

    async def write(self) -> None:
        """Write what was gathered; what a failing storage does not take is kept for the next."""
        await self._write(self._devices, due_devices, note_devices)
        await self._write(self._keys, due_keys, note_keys)

    async def _write(self, names: set[str], due: Due, note: Note) -> None:
        now = self._clock()
        day, waiting = day_of(now), sorted(names)
        for start in range(0, len(waiting), _STEP):
            step = waiting[start : start + _STEP]
            async with self._storage.read() as connection:
                unnoted = await due(connection, step, day)
            if unnoted:
                async with self._storage.write() as connection:
                    await note(connection, unnoted, day, now)
            names.difference_update(step)
