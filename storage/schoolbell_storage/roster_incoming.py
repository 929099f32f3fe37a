"""Incoming records: how they wait, and the temporary tables from which they are applied.

A batch waits as JSON, a list of rows by record type, each
`[record_index, removed, provided, *columns]`, so that applying it needs no decoding of single
records. `provided` has bit `i` set where the record provides the `i`-th value of its layout; null
is all of them. One transaction then loads what waits into a temporary table a type, and everything
after that is one statement a type.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    and_,
    func,
    insert,
    select,
    text,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from schoolbell_storage.codec import to_json
from schoolbell_storage.roster_layout import LAYOUTS, Layout, name_of, row_of
from schoolbell_storage.roster_records import Record, RecordName, RecordType
from schoolbell_storage.rows import FLAG, NUMBER, Batch


@dataclass(frozen=True, slots=True)
class IncomingRecord:
    """A record to write, or the name of one to deactivate, at its place in the whole."""

    record_index: int
    content: Record | RecordName
    provided: frozenset[str] | None = None
    """The values that the record provides, by column; the others keep what is stored.
    None is all."""


def encode_incoming(records: Iterable[IncomingRecord]) -> bytes:
    """Return records as the batch in which they wait."""
    batch: dict[int, list[list[object]]] = defaultdict(list)
    for record in records:
        match record.content:
            case RecordName(record_type, ids):
                columns = [*ids, *_nothing(record_type)]
                row = [record.record_index, True, None, *columns]
            case _:
                record_type = name_of(record.content).record_type
                bits, blanks = _provided(record_type, record.provided)
                columns = row_of(record.content)
                for place in blanks:
                    columns[place] = None
                row = [record.record_index, False, bits, *columns]
        batch[record_type].append(row)
    return to_json(batch).encode()


def _nothing(record_type: RecordType) -> list[object]:
    layout = LAYOUTS[record_type]
    return [None] * (len(layout.incoming) - len(layout.keys))


@lru_cache(maxsize=1_000)
def _provided(
    record_type: RecordType, provided: frozenset[str] | None
) -> tuple[int | None, tuple[int, ...]]:
    """Return what is provided as bits, and the places of required columns that are not.

    Those are blank until the stored record fills them.
    """
    layout = LAYOUTS[record_type]
    if provided is None or provided >= layout.values.keys():
        return None, ()
    bits = sum(bit for name, bit in value_bits(layout).items() if name in provided)
    places = enumerate(layout.columns)
    return bits, tuple(at for at, name in places if name in set(layout.required) - provided)


def value_bits(layout: Layout) -> dict[str, int]:
    """Return the bit of `provided` that stands for each value of a layout."""
    return {name: 1 << place for place, name in enumerate(layout.values)}


def _incoming_table(layout: Layout, metadata: MetaData) -> Table:
    name = f"incoming_{layout.table.name}"
    return Table(
        name,
        metadata,
        Column("record_index", BigInteger, nullable=False),
        Column("removed", Boolean, nullable=False),
        Column("provided", BigInteger),
        *(Column(column, kind) for column, kind in layout.incoming.items()),
        Index(f"{name}_by_key", *layout.keys),
        prefixes=["TEMPORARY"],
    )


_BEFORE = {"record_index": NUMBER, "removed": FLAG, "provided": NUMBER}
_metadata = MetaData()
INCOMING: Mapping[RecordType, Table] = {
    record_type: _incoming_table(layout, _metadata) for record_type, layout in LAYOUTS.items()
}

PERSON_SCOPE = Table(
    "incoming_person_scope",
    _metadata,
    Column("person_id", Text, primary_key=True),
    Column("here", Integer, nullable=False),
    Column("elsewhere", Integer, nullable=False),
    prefixes=["TEMPORARY"],
)
"""Of stored people: whether an enrollment ties them to the incoming schools, and to others."""


LOST_BAR = Table(
    "incoming_lost_bar",
    _metadata,
    Column("student_id", Text, primary_key=True),
    Column("guardian_id", Text, primary_key=True),
    Column("source", Text, primary_key=True),
    Column("record_type", Integer, nullable=False),
    Column("record_index", BigInteger),
    prefixes=["TEMPORARY"],
)
"""The bars whose record is being deactivated, or that the incoming records lift."""


async def create_incoming(connection: AsyncConnection) -> None:
    """Make the temporary tables; a rollback takes them away."""
    await connection.run_sync(_metadata.create_all, checkfirst=False)


async def drop_incoming(connection: AsyncConnection) -> None:
    """Take the temporary tables away before the transaction ends well."""
    await connection.run_sync(_metadata.drop_all, checkfirst=False)


async def load_incoming(connection: AsyncConnection, batch: bytes) -> None:
    """Load a waiting batch into the temporary tables."""
    for number, values in json.loads(batch).items():
        record_type = RecordType(int(number))
        columns = _BEFORE | LAYOUTS[record_type].incoming
        waiting, dialect = Batch(columns), connection.dialect.name
        source = select(waiting.table(dialect))
        load = insert(INCOMING[record_type]).from_select(list(columns), source)
        await connection.execute(load, waiting.given(dialect, values))


async def analyze_incoming(connection: AsyncConnection) -> None:
    """Let PostgreSQL count what was loaded; a plan made for empty tables is no plan."""
    if connection.dialect.name == "postgresql":
        for table in INCOMING.values():
            await connection.execute(text(f'ANALYZE "{table.name}"'))


async def incoming_types(connection: AsyncConnection) -> list[RecordType]:
    """Return the types that are among the incoming records, in the order of their numbers."""
    return [
        record_type
        for record_type, table in INCOMING.items()
        if (await connection.execute(select(table.c.record_index).limit(1))).first() is not None
    ]


@dataclass(frozen=True, slots=True)
class Repetition:
    """A record that came again."""

    record_index: int
    name: RecordName
    first_index: int


async def repetitions(connection: AsyncConnection, record_type: RecordType) -> Sequence[Repetition]:
    """Return the records that came before under the same name."""
    table = INCOMING[record_type]
    keys = [table.c[key] for key in LAYOUTS[record_type].keys]
    firsts = (
        select(*keys, func.min(table.c.record_index).label("first_index"))
        .group_by(*keys)
        .having(func.count() > 1)
        .subquery()
    )
    same = and_(*(firsts.c[key.name] == key for key in keys))
    again = (
        select(table.c.record_index, firsts.c.first_index, *keys)
        .join(firsts, same)
        .where(table.c.record_index > firsts.c.first_index)
    )
    return [
        Repetition(index, RecordName(record_type, tuple(ids)), first)
        for index, first, *ids in await connection.execute(again)
    ]
