"""Records of a given age for retention tests, one of each sort."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection
from dataclasses import dataclass
from itertools import groupby

from sqlalchemy import insert, select

from schoolbell_server.domain.change import ChangeKey
from schoolbell_server.domain.kinds import DeliveryState, Kind
from schoolbell_storage import status_log
from schoolbell_storage.audit import append_audit
from schoolbell_storage.changes import (
    ChangeRow,
    KeyClaim,
    add_tally,
    claim_keys,
    insert_changes,
)
from schoolbell_storage.codec import to_micros
from schoolbell_storage.engine import Storage
from schoolbell_storage.facts import lock_facts, store_facts
from schoolbell_storage.tables import (
    audit_entry,
    change,
    change_key,
    delivery,
    fact,
    metadata,
    refusal_tally,
    roster_import,
)
from tests.storage.actors import acting
from tests.storage.rosters import MAPLE
from tests.storage.waiting import store
from tests.unit.domain.deliveries import waiting_delivery

DAY = dt.timedelta(days=1)
NOW = dt.datetime(2027, 3, 1, 12, tzinfo=dt.UTC)
"""In the middle of the school year 2027."""

_NAMES = {
    change.name: change.c.change_id,
    change_key.name: change_key.c.change_id,
    delivery.name: delivery.c.delivery_id,
    fact.name: fact.c.fact_key,
    audit_entry.name: audit_entry.c.caller,
    refusal_tally.name: refusal_tally.c.accept_date,
    roster_import.name: roster_import.c.import_id,
}


@dataclass(frozen=True, slots=True)
class Old:
    """What is written under a name, and how old it is."""

    name: str
    days: float

    @property
    def time(self) -> dt.datetime:
        """Return when it was written."""
        return NOW - self.days * DAY


def old(*days: float) -> list[Old]:
    """Return records of these ages, named by them."""
    return [Old(f"{number:g}", number) for number in days]


async def write_keys(storage: Storage, records: Collection[Old]) -> None:
    """Write change keys without changes."""
    async with storage.write() as connection:
        for time, group in groupby(records, lambda one: one.time):
            keys = [ChangeKey(source="sis", change_id=one.name) for one in group]
            await claim_keys(connection, [KeyClaim(MAPLE, key, "print") for key in keys], time, 1)


async def write_changes(storage: Storage, records: Collection[Old]) -> None:
    """Write changes with their keys."""
    await write_keys(storage, records)
    async with storage.write() as connection:
        await insert_changes(connection, [_change(one) for one in records])


def _change(one: Old) -> ChangeRow:
    return ChangeRow(
        district_id=MAPLE,
        key=ChangeKey(source="sis", change_id=one.name),
        student_id="ann",
        kind=Kind.GRADE,
        occur_time=one.time,
        accept_time=one.time,
        position=0,
        token_revision=1,
        deliveries=1,
        content=b"content",
        decision=b"decision",
    )


async def write_deliveries(
    storage: Storage,
    records: Collection[Old],
    *,
    state: DeliveryState = DeliveryState.ACCEPTED,
    life: dt.timedelta = DAY,
) -> None:
    """Write a delivery of each change; `life` is from its creation to its expiry."""
    rows = [
        waiting_delivery(
            one.name,
            state=state,
            school_day=one.time.date(),
            create_time=one.time,
            due_time=one.time,
            expire_time=one.time + life,
            update_time=one.time,
        )
        for one in records
    ]
    await store(storage, *rows)


async def write_facts(storage: Storage, kind: str, records: Collection[Old]) -> None:
    """Write facts of a kind, as their keys name it."""
    async with storage.write() as connection:
        for one in records:
            name = (MAPLE, f'["{kind}","ann","{one.name}"]')
            await lock_facts(connection, [name], one.time)
            await store_facts(connection, {name: "state"}, one.time)


async def write_tallies(storage: Storage, records: Collection[Old]) -> None:
    """Write a day's tally each."""
    async with storage.write() as connection:
        for one in records:
            await add_tally(connection, one.time.date(), {(MAPLE, Kind.GRADE, 0, 0): 1})


async def write_audit(storage: Storage, district_id: str, records: Collection[Old]) -> None:
    """Write audit entries, each by a caller of the record's name."""
    async with storage.write() as connection:
        for one in records:
            await append_audit(
                connection,
                district_id=district_id,
                now=one.time,
                actor=acting(one.name),
                action="any",
                changes=[("settings", {}, {"enabled": True})],
            )


async def write_imports(storage: Storage, state: str, records: Collection[Old]) -> None:
    """Write imports that began, and last moved, when they were written."""
    async with storage.write() as connection:
        for one in records:
            time = to_micros(one.time)
            await connection.execute(
                insert(roster_import).values(
                    district_id=MAPLE,
                    import_id=one.name,
                    mode="full",
                    max_deactivated_percent=5,
                    state=state,
                    create_time=time,
                    update_time=time,
                )
            )


async def write_log(storage: Storage, records: Collection[Old]) -> None:
    """Write an entry of the status log each."""
    for one in records:
        async with storage.write() as connection:
            await status_log.append(connection, one.time, {MAPLE: b""})


async def left(storage: Storage, table: str) -> list[str]:
    """Return what is left in a table, by name."""
    async with storage.read() as connection:
        found = await connection.execute(
            select(_NAMES[table]).select_from(metadata.tables[table]).order_by(_NAMES[table])
        )
        return list(found.scalars())
