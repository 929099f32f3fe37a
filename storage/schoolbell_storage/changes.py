"""Accepted changes: their keys, their content and their decisions."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from sqlalchemy import (
    Insert,
    Row,
    Select,
    Table,
    and_,
    delete,
    or_,
    select,
    true,
)
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.dml import ReturningInsert

from schoolbell_server.domain.change import ChangeKey
from schoolbell_server.domain.kinds import Kind
from schoolbell_storage.codec import to_micros
from schoolbell_storage.many import Many
from schoolbell_storage.mapping import Mapper
from schoolbell_storage.pacing import paced
from schoolbell_storage.rows import NUMBER, TEXT, Batch, insert_into
from schoolbell_storage.tables import change, change_key, refusal_tally

CHANGES_TALLY = 0
"""The gate number under which the accepted changes themselves are counted."""
_NAMES = Batch({"district_id": TEXT, "source": TEXT, "change_id": TEXT})
_CLAIMED = Batch(
    {**_NAMES.columns, "fingerprint": TEXT, "token_revision": NUMBER, "accept_time": NUMBER}
)


@dataclass(frozen=True, slots=True)
class KeyClaim:
    """A publisher's wish to use a key for a content."""

    district_id: str
    key: ChangeKey
    fingerprint: str


@dataclass(frozen=True, slots=True)
class KnownKey:
    """What is remembered of a key: its content's fingerprint and its first answer."""

    fingerprint: str
    token_revision: int
    delivery_count: int
    """0 where the change is no longer kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeRow:
    """An accepted change as stored; content and decision are the server's bytes."""

    district_id: str
    key: ChangeKey
    student_id: str
    kind: Kind
    occur_time: dt.datetime
    accept_time: dt.datetime
    position: int
    token_revision: int
    deliveries: int
    content: bytes
    decision: bytes


_MAPPER = Mapper(ChangeRow)
_INSERT = Many(change, _MAPPER.columns)


async def claim_keys(
    connection: AsyncConnection,
    claims: Collection[KeyClaim],
    accept_time: dt.datetime,
    token_revision: int,
) -> set[tuple[str, ChangeKey]]:
    """Claim keys, sorted, and return the (district_id, key) pairs that were free."""
    values = sorted(
        (claim.district_id, claim.key.source, claim.key.change_id, claim.fingerprint)
        for claim in claims
    )
    dialect, now = connection.dialect.name, to_micros(accept_time)
    given = _CLAIMED.given(dialect, [(*value, token_revision, now) for value in values])
    taken = await connection.execute(_claim(dialect), given)
    return {(row.district_id, _key(row)) for row in taken}


@cache
def _claim(dialect: str) -> ReturningInsert[Any]:
    # SQLite cannot tell ON CONFLICT from a join's ON unless the SELECT has a WHERE.
    source = select(_CLAIMED.table(dialect)).where(true())
    claim = insert_into(dialect, change_key).from_select(list(_CLAIMED.columns), source)
    return claim.on_conflict_do_nothing().returning(
        change_key.c.district_id, change_key.c.source, change_key.c.change_id
    )


async def known_keys(
    connection: AsyncConnection, names: Collection[tuple[str, ChangeKey]]
) -> dict[tuple[str, ChangeKey], KnownKey]:
    """Return what is remembered of these keys."""
    if not names:
        return {}
    found = await _find(connection, _keys, names)
    return {
        (row.district_id, _key(row)): KnownKey(
            row.fingerprint, row.token_revision, row.deliveries or 0
        )
        for row in found
    }


async def free_keys(connection: AsyncConnection, names: Collection[tuple[str, ChangeKey]]) -> None:
    """Give keys back that were claimed in this transaction for changes that are refused."""
    for district_id, key in names:
        await connection.execute(
            delete(change_key).where(
                change_key.c.district_id == district_id,
                change_key.c.source == key.source,
                change_key.c.change_id == key.change_id,
            )
        )


async def insert_changes(connection: AsyncConnection, accepted: Sequence[ChangeRow]) -> None:
    """Write accepted changes with their decisions."""
    await _INSERT.run(connection, _MAPPER.encode(accepted))


async def fetch_changes(
    connection: AsyncConnection, names: Collection[tuple[str, ChangeKey]]
) -> dict[tuple[str, ChangeKey], ChangeRow]:
    """Return these changes, as far as they are still kept."""
    if not names:
        return {}
    found = await _find(connection, _changes, names)
    return {(row.district_id, _key(row)): _MAPPER.decode(row) for row in found}


async def fetch_contents(
    connection: AsyncConnection, names: Collection[tuple[str, ChangeKey]]
) -> dict[tuple[str, ChangeKey], bytes]:
    """Return the content alone of these changes, as far as they are still kept."""
    if not names:
        return {}
    found = await _find(connection, _contents, names)
    return {(row.district_id, _key(row)): row.content for row in found}


ChangePlace = tuple[int, int, str]
"""Where a change stands in a list: (accept time in microseconds, position, district_id)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeQuery:
    """Which changes to list, newest first; empty is all."""

    district_ids: Collection[str] | None
    """None is every district."""
    keys: Collection[ChangeKey] = ()
    sources: Collection[str] = ()
    student_ids: Collection[str] = ()
    kinds: Collection[Kind] = ()
    start_time: dt.datetime | None = None
    end_time: dt.datetime | None = None
    before: ChangePlace | None = None
    """Of the last change of the page before."""
    limit: int = 50


async def list_changes(connection: AsyncConnection, query: ChangeQuery) -> list[ChangeRow]:
    """Return a page of changes, newest first."""
    found = await connection.execute(
        select(change)
        .where(*_conditions(query))
        .order_by(
            change.c.accept_time.desc(), change.c.position.desc(), change.c.district_id.desc()
        )
        .limit(query.limit)
    )
    return [_MAPPER.decode(row) async for row in paced(found)]


def _conditions(query: ChangeQuery) -> Iterable[Any]:
    yield change.c.accept_time.is_not(None)
    if query.district_ids is not None:
        if len(query.district_ids) == 1:  # an equality, so that the index also gives the order
            yield change.c.district_id == next(iter(query.district_ids))
        else:
            yield change.c.district_id.in_(list(query.district_ids))
    if query.keys:
        yield or_(
            *(
                and_(change.c.source == key.source, change.c.change_id == key.change_id)
                for key in query.keys
            )
        )
    if query.sources:
        yield change.c.source.in_(list(query.sources))
    if query.student_ids:
        yield change.c.student_id.in_(list(query.student_ids))
    if query.kinds:
        yield change.c.kind.in_([int(kind) for kind in query.kinds])
    if query.start_time is not None:
        yield change.c.accept_time >= to_micros(query.start_time)
    if query.end_time is not None:
        yield change.c.accept_time < to_micros(query.end_time)
    if query.before is not None:
        accept, place, district_id = query.before
        same = and_(change.c.accept_time == accept, change.c.position == place)
        yield or_(
            change.c.accept_time < accept,
            and_(change.c.accept_time == accept, change.c.position < place),
            and_(same, change.c.district_id < district_id),
        )


Tally = Mapping[tuple[str, Kind, int, int], int]
"""Counts by (district_id, kind, gate, reason); gate `CHANGES_TALLY` counts changes."""


async def add_tally(connection: AsyncConnection, accept_date: dt.date, tally: Tally) -> None:
    """Add counts to the district's tallies of a day, sorted by key."""
    if not tally:
        return
    await connection.execute(
        _add(connection.dialect.name),
        [
            {
                "district_id": district_id,
                "accept_date": accept_date.isoformat(),
                "kind": int(kind),
                "gate": gate,
                "reason": reason,
                "value": value,
            }
            for (district_id, kind, gate, reason), value in sorted(tally.items())
        ],
    )


@cache
def _add(dialect: str) -> Insert:
    adding = insert_into(dialect, refusal_tally)
    return adding.on_conflict_do_update(
        index_elements=["district_id", "accept_date", "kind", "gate", "reason"],
        set_={"value": refusal_tally.c.value + adding.excluded.value},
    )


async def read_tally(
    connection: AsyncConnection, district_id: str, first: dt.date | None, last: dt.date | None
) -> dict[tuple[Kind, int, int], int]:
    """Return counts by (kind, gate, reason) over days of acceptance (UTC), inclusive."""
    counted = select(refusal_tally).where(refusal_tally.c.district_id == district_id)
    if first is not None:
        counted = counted.where(refusal_tally.c.accept_date >= first.isoformat())
    if last is not None:
        counted = counted.where(refusal_tally.c.accept_date <= last.isoformat())
    totals: dict[tuple[Kind, int, int], int] = {}
    for row in await connection.execute(counted):
        key = (Kind(row.kind), row.gate, row.reason)
        totals[key] = totals.get(key, 0) + row.value
    return totals


async def _find(
    connection: AsyncConnection,
    statement: Callable[[str], Select[Any]],
    names: Collection[tuple[str, ChangeKey]],
) -> Sequence[Row[Any]]:
    dialect = connection.dialect.name
    values = [(district_id, key.source, key.change_id) for district_id, key in names]
    found = await connection.execute(statement(dialect), _NAMES.given(dialect, values))
    rows: Sequence[Row[Any]] = found.all()
    return rows


@cache
def _keys(dialect: str) -> Select[Any]:
    kept = and_(*(change_key.c[name] == change.c[name] for name in _NAMES.columns))
    wanted = (*change_key.c, change.c.deliveries)
    return _named(dialect, change_key, *wanted).outerjoin(change, kept)


@cache
def _changes(dialect: str) -> Select[Any]:
    return _named(dialect, change, change)


@cache
def _contents(dialect: str) -> Select[Any]:
    wanted = change.c.district_id, change.c.source, change.c.change_id, change.c.content
    return _named(dialect, change, *wanted)


def _named(dialect: str, table: Table, *wanted: Any) -> Select[Any]:
    batch = _NAMES.table(dialect)
    same = and_(*(batch.c[name] == table.c[name] for name in _NAMES.columns))
    return select(*wanted).join(batch, same)


def _key(row: Row[Any]) -> ChangeKey:
    return ChangeKey(source=row.source, change_id=row.change_id)
