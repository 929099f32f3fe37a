"""Records that a caller limited to sources stored first, and another source now writes.

Such a caller may store whatever is new, also an id that a student of the SIS gets later. The
record then becomes the writer's as if it were new: nothing that was stored in it is kept or
guarded. With the account of a student end the relationships and enrollments that such callers
stored for it, so that nobody makes themselves the guardian of a student to come. Bars stay, as
bars of other sources always do.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from sqlalchemy import (
    ColumnElement,
    FromClause,
    Table,
    and_,
    exists,
    func,
    not_,
    or_,
    select,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from schoolbell_storage.codec import to_micros
from schoolbell_storage.roster_checks import MOST_PROBLEMS, Problem, ProblemCode, Severity
from schoolbell_storage.roster_incoming import INCOMING
from schoolbell_storage.roster_layout import LAYOUTS
from schoolbell_storage.roster_records import RecordName, RecordType
from schoolbell_storage.tables import bar, user_account

_TAKEN = "was stored by a caller limited to the source {}; it is this source's now"
_ENDED = "ended: a caller limited to the source {} stored it before its student came"
_STANDS = "stays barred: the source {} set the bar before the account came"


@dataclass(slots=True)
class Takeover:
    """What a write takes over, and what ends or stays with it."""

    problems: list[Problem] = field(default_factory=list)
    """The first of those records, as warnings."""
    total: int = 0
    ended: dict[RecordType, int] = field(default_factory=dict)
    """How many records ended, by type."""


def is_strange(table: FromClause, sources: Collection[str]) -> ColumnElement[bool]:
    """Return which stored rows a caller limited to other sources than these wrote."""
    return and_(table.c.limited, table.c.source.not_in(sorted(sources)))


async def take_over(
    connection: AsyncConnection,
    district_id: str,
    sources: Collection[str],
    now: dt.datetime,
    types: Sequence[RecordType],
) -> Takeover:
    """Note what the incoming records take over, and end what hangs on it.

    They are not written yet. `sources` are those that their writer speaks for.
    """
    done = Takeover()
    for record_type in types:
        table = LAYOUTS[record_type].table
        taken = and_(
            table.c.district_id == district_id, is_strange(table, sources), _comes(record_type)
        )
        await _note(connection, done, (record_type, table), taken, _TAKEN)
    if RecordType.USER not in types or not done.total:
        return done
    of_taken = exists().where(
        user_account.c.district_id == district_id,
        is_strange(user_account, sources),
        _comes(RecordType.USER),
    )
    for record_type in (RecordType.RELATIONSHIP, RecordType.ENROLLMENT):
        table = LAYOUTS[record_type].table
        ends = and_(
            table.c.district_id == district_id,
            table.c.active,
            is_strange(table, sources),
            not_(_comes(record_type)),
            of_taken.where(user_account.c.user_id == table.c.student_id),
        )
        done.ended[record_type] = await _note(connection, done, (record_type, table), ends, _ENDED)
        await connection.execute(
            update(table).where(ends).values(active=False, update_time=to_micros(now))
        )
    same = or_(*(user_account.c.user_id == bar.c[key] for key in ("student_id", "guardian_id")))
    stands = and_(
        bar.c.district_id == district_id,
        of_taken.where(same, user_account.c.source == bar.c.source),
    )
    await _note(connection, done, (RecordType.RELATIONSHIP, bar), stands, _STANDS)
    return done


def _comes(record_type: RecordType) -> ColumnElement[bool]:
    """Return whether a stored row is written by the incoming records."""
    layout, incoming = LAYOUTS[record_type], INCOMING[record_type]
    same = (incoming.c[key] == layout.table.c[key] for key in layout.keys)
    return exists().where(not_(incoming.c.removed), *same).correlate(layout.table)


async def _note(
    connection: AsyncConnection,
    done: Takeover,
    what: tuple[RecordType, Table],
    which: ColumnElement[bool],
    text: str,
) -> int:
    """Note some stored rows as warnings, the first by their names; return how many they are."""
    record_type, table = what
    counted = await connection.execute(select(func.count()).select_from(table).where(which))
    total = int(counted.scalar_one())
    done.total += total
    room = MOST_PROBLEMS - len(done.problems)
    if total and room:
        keys = [table.c[key] for key in LAYOUTS[record_type].keys]
        rows = await connection.execute(
            select(*keys, table.c.source).where(which).order_by(*keys).limit(room)
        )
        done.problems += [
            _warning(RecordName(record_type, tuple(ids)), text.format(source))
            for *ids, source in rows
        ]
    return total


def _warning(name: RecordName, description: str) -> Problem:
    return Problem(
        record_index=None,
        name=name,
        field="source",
        description=description,
        code=ProblemCode.UNSPECIFIED,
        severity=Severity.WARNING,
    )
