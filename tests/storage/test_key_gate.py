"""Keys that somebody made up never reach storage; every key that was handed out still works."""

from __future__ import annotations

import datetime as dt
import secrets
import uuid
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any, cast

import pytest
from prometheus_client import CollectorRegistry, Counter
from sqlalchemy.ext.asyncio import AsyncConnection

from schoolbell.v1.error_reason_pb2 import ErrorReason
from schoolbell_server.rpc.authentication import Authenticator
from schoolbell_server.rpc.errors import SchoolbellError
from schoolbell_server.security.api_key import Role, new_api_key
from schoolbell_server.security.key_gate import KeyGate, Proofs
from schoolbell_server.security.key_store import StoredKeys, row_of
from schoolbell_storage.engine import Storage
from schoolbell_storage.keys import insert_key
from tests.storage.engines import databases, open_database

NOW = dt.datetime(2026, 9, 1, tzinfo=dt.UTC)
BUDGET = 3
OURS, THEIRS = Proofs(b"ours"), Proofs(b"theirs")


class Clock:
    """A time that moves only when told."""

    time = 0.0

    def __call__(self) -> float:
        return self.time


class Counted:
    """A storage that counts how often it is read."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self.reads = 0

    def read(self) -> AbstractAsyncContextManager[AsyncConnection]:
        self.reads += 1
        return self._storage.read()


class Server:
    """A server that has just started, as far as keys go."""

    def __init__(self, storage: Storage, proofs: Proofs = OURS) -> None:
        self.clock, self.storage = Clock(), Counted(storage)
        self.registry = CollectorRegistry()
        self.asked = Counter("asked", "", ("asked",), registry=self.registry)
        self.gate = KeyGate(proofs, BUDGET, self.asked, self.clock)
        self.keys = StoredKeys(cast(Storage, self.storage), self.clock, gate=self.gate)
        self._authenticator = Authenticator(self.keys, lambda: NOW, gate=self.gate)

    async def takes(self, credential: str) -> bool:
        """Tell whether a caller who shows this is let in; anything else must be UNAUTHENTICATED."""
        shown = [("authorization", f"Bearer {credential}")]
        try:
            await self._authenticator.authenticate(await self._authenticator.claim(shown))
        except SchoolbellError as error:
            if error.reason != ErrorReason.ERROR_REASON_UNAUTHENTICATED:
                raise
            return False
        return True

    async def flood(self) -> None:
        """Show made-up keys until the rate of look-ups is used up, and many more."""
        for _ in range(50):
            made_up = f"sb_{uuid.uuid4()}_{secrets.token_urlsafe(32)}"
            assert not await self.takes(made_up)


@asynccontextmanager
async def stored(
    database: str, folder: Path, proofs: Proofs | None
) -> AsyncIterator[tuple[Storage, str]]:
    """Open a database with a key that was made with proofs, or by an older version."""
    made: dict[str, Any] = {} if proofs is None else {"proof": proofs.of}
    key, credential = new_api_key(district_ids=["maple"], role=Role.MONITOR, **made)
    async with open_database(database, folder) as storage:
        async with storage.write() as connection:
            await insert_key(connection, row_of(key, NOW, "", ""))
        yield storage, credential


@databases()
async def test_a_flood_of_made_up_keys_reaches_storage_at_a_bounded_rate(
    database: str, tmp_path: Path
) -> None:
    async with stored(database, tmp_path, OURS) as (storage, credential):
        server = Server(storage)
        await server.flood()
        assert server.storage.reads == BUDGET
        value = server.registry.get_sample_value
        assert value("asked_total", {"asked": "yes"}) == BUDGET
        assert value("asked_total", {"asked": "no"}) == 50 - BUDGET
        assert await server.takes(credential)
        server.clock.time += 1.0
        await server.flood()
        assert server.storage.reads == 2 * BUDGET + 1


@databases()
async def test_a_key_with_a_proof_works_at_once_on_every_server(
    database: str, tmp_path: Path
) -> None:
    async with stored(database, tmp_path, OURS) as (storage, credential):
        other = Server(storage)  # which was up before the key was made, and is flooded
        await other.flood()
        assert await other.takes(credential)


@databases()
@pytest.mark.parametrize("proofs", [None, THEIRS], ids=["older version", "other secrets"])
async def test_keys_that_were_handed_out_before_go_on_working(
    database: str, proofs: Proofs | None, tmp_path: Path
) -> None:
    async with stored(database, tmp_path, proofs) as (storage, credential):
        server = Server(storage)
        await server.keys.start()
        await server.flood()
        assert await server.takes(credential)


@databases()
async def test_a_key_that_nothing_vouches_for_is_looked_up_in_time_and_then_known(
    database: str, tmp_path: Path
) -> None:
    async with stored(database, tmp_path, None) as (storage, credential):
        server = Server(storage)
        await server.flood()
        assert not await server.takes(credential)
        server.clock.time += 1.0
        assert await server.takes(credential)
        await server.flood()
        server.clock.time += 0.2
        assert await server.takes(credential)


@databases()
async def test_wrong_secrets_of_a_known_key_cost_one_read(database: str, tmp_path: Path) -> None:
    async with stored(database, tmp_path, OURS) as (storage, credential):
        server = Server(storage)
        await server.keys.start()
        known = credential.split("_")[1]
        reads = server.storage.reads
        for _ in range(20):
            assert not await server.takes(f"sb_{known}_{secrets.token_urlsafe(32)}")
        assert server.storage.reads == reads + 1


@pytest.mark.parametrize("spoilt", ["", "x", "\ud800", "é" * 30, "x" * 100])
def test_what_is_no_proof_holds_nothing(spoilt: str) -> None:
    assert not OURS.hold("id", spoilt)
    assert OURS.hold("id", f"secret{OURS.of('id', 'secret')}")
    assert not OURS.hold("other", f"secret{OURS.of('id', 'secret')}")
    assert not THEIRS.hold("id", f"secret{OURS.of('id', 'secret')}")
