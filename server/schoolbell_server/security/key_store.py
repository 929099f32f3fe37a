"""API keys as the authenticator finds them: stored, with the rights of the person behind them."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable, Mapping

from schoolbell_server.domain.principal import START
from schoolbell_server.security.api_key import EVERY_DISTRICT, ApiKey, Right, Role, Tool
from schoolbell_server.security.key_gate import KeyGate
from schoolbell_server.security.short_memory import ShortMemory
from schoolbell_storage.engine import Storage
from schoolbell_storage.keys import ApiKeyRow, find_key, insert_key, newest_key_ids
from schoolbell_storage.rights import rights_of

CACHE = 5.0  # seconds that a key is remembered; a revoked one ends within it on every server
_MOST = 10_000
_LEARNED = 100_000  # key ids, about 10 MB; more are known by their proofs or at a bounded rate


class StoredKeys:
    """Finds keys, with a short memory so that a call costs no look-up."""

    def __init__(
        self,
        storage: Storage,
        clock: Callable[[], float] = time.monotonic,
        *,
        gate: KeyGate | None = None,
    ) -> None:
        """`gate` is told of every key that is found."""
        self._storage = storage
        self.gate = gate
        self._keys = ShortMemory(self._read, seconds=CACHE, most=_MOST, clock=clock)
        self._rights = ShortMemory(self._read_rights, seconds=CACHE, most=_MOST, clock=clock)

    async def find(self, key_id: str) -> ApiKey | None:
        """Return a key, also a revoked or expired one; None if there never was one."""
        return await self._keys.get(key_id)

    async def rights(
        self, district_ids: frozenset[str], user_id: str, groups: tuple[str, ...]
    ) -> Mapping[str, Mapping[int, int]]:
        """Return the rights of a person and of groups, by district and tool."""
        return await self._rights.get((district_ids, user_id, groups))

    def forget(self) -> None:
        """Look everything up again: a key or a right has changed."""
        self._keys.forget()
        self._rights.forget()

    def proof(self, key_id: str, secret: str) -> str:
        """Return what a new key ends in, so that every server knows it for its own."""
        return self.gate.proofs.of(key_id, secret) if self.gate is not None else ""

    async def start(self) -> None:
        """Learn which keys there are: those of older versions carry no proof."""
        if self.gate is not None:
            async with self._storage.read() as connection:
                self.gate.learn(await newest_key_ids(connection, _LEARNED))

    async def ensure(self, key: ApiKey, now: dt.datetime) -> str:
        """Store the operator's key as its file has it, if it is not there.

        Return why the file's key is good for nothing, such as `was revoked`; empty if it is good.
        """
        async with self._storage.write() as connection:
            row = await find_key(connection, key.key_id)
            if row is None:
                await insert_key(connection, row_of(key, now, START.id, ""))
                return ""
        return _fault(key_of(row, {}), key, now)

    async def _read(self, key_id: str) -> ApiKey | None:
        async with self._storage.read() as connection:
            row = await find_key(connection, key_id)
            if row is None:
                return None
            rights: Mapping[str, Mapping[int, int]] = {}
            if row.user_id:
                rights = await rights_of(connection, row.district_ids, row.user_id)
        if self.gate is not None:
            self.gate.learn([key_id])
        return key_of(row, rights)

    async def _read_rights(
        self, holder: tuple[frozenset[str], str, tuple[str, ...]]
    ) -> Mapping[str, Mapping[int, int]]:
        async with self._storage.read() as connection:
            return await rights_of(connection, *holder)


def _fault(stored: ApiKey, shown: ApiKey, now: dt.datetime) -> str:
    """Return why a key that is shown is not a good operator's key as it is stored."""
    if stored.revoke_time is not None:
        return "was revoked"
    if stored.expire_time is not None and stored.expire_time <= now:
        return "has expired"
    if stored.secret_hash != shown.secret_hash:
        return "has another secret in the database"
    if stored.role is not Role.OPERATOR or not stored.covers(EVERY_DISTRICT):
        return "is not an operator's for every district in the database"
    return ""


def row_of(
    key: ApiKey,
    now: dt.datetime,
    creator: str,
    secret_tail: str,
    request_id: str = "",
    request_hash: str = "",
) -> ApiKeyRow:
    """Return a new key as it is stored."""
    return ApiKeyRow(
        key_id=key.key_id,
        district_ids=tuple(sorted(key.district_ids)),
        role=key.role,
        user_id=key.user_id,
        secret_tail=secret_tail,
        sources=tuple(sorted(key.sources)),
        display_name=key.display_name,
        secret_hash=key.secret_hash,
        create_time=now,
        creator=creator,
        expire_time=key.expire_time,
        request_id=request_id,
        request_hash=request_hash,
    )


def key_of(row: ApiKeyRow, rights: Mapping[str, Mapping[int, int]]) -> ApiKey:
    """Return a stored key with the rights of the person behind it."""
    return ApiKey(
        key_id=row.key_id,
        secret_hash=row.secret_hash,
        district_ids=frozenset(row.district_ids),
        role=Role(row.role),
        display_name=row.display_name,
        rights={
            district_id: {Tool(tool): Right(granted) for tool, granted in here.items()}
            for district_id, here in rights.items()
        },
        sources=frozenset(row.sources),
        user_id=row.user_id,
        expire_time=row.expire_time,
        revoke_time=row.revoke_time,
    )
