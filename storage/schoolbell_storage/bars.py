"""Bars: who may see nothing of a student, and who said so.

They stand apart from relationships, so that a bar holds for a pair that is not, or not yet, related
and outlives whatever becomes of the relationship.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Row, and_, delete, select, tuple_, union
from sqlalchemy.ext.asyncio import AsyncConnection

from schoolbell_server.domain.principal import Principal, PrincipalType
from schoolbell_storage.codec import from_micros, to_micros
from schoolbell_storage.rows import among_district, insert_into
from schoolbell_storage.tables import bar

DISTRICT = ""
"""The source of the bars that the district itself sets."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BarRow:
    """A bar as stored."""

    student_id: str
    guardian_id: str
    source: str
    """`DISTRICT` or the source that set it."""
    set_time: dt.datetime
    comment: str = ""
    principal: Principal | None = None
    """Who set a bar of the district; None where that was not recorded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BarQuery:
    """Which bars of a district to list; empty is all."""

    district_id: str
    student_id: str = ""
    guardian_id: str = ""
    after: tuple[str, str, str] | None = None
    """The (student, guardian, source) of the last bar of the page before."""
    limit: int = 50


async def set_bar(connection: AsyncConnection, district_id: str, row: BarRow) -> bool:
    """Store a bar; False if it stands already, and then it stays as it is."""
    principal = row.principal
    done = await connection.execute(
        insert_into(connection.dialect.name, bar)
        .values(
            district_id=district_id,
            student_id=row.student_id,
            guardian_id=row.guardian_id,
            source=row.source,
            set_time=to_micros(row.set_time),
            comment=row.comment,
            principal_type=principal.type if principal else None,
            principal_id=principal.id if principal else "",
            acting_user_id=principal.acting_user_id if principal else "",
        )
        .on_conflict_do_nothing()
    )
    return bool(done.rowcount)


async def lift_bar(
    connection: AsyncConnection, district_id: str, pair: tuple[str, str], source: str
) -> bool:
    """Lift the bar of a source from a (student, guardian); False if there is none."""
    done = await connection.execute(
        delete(bar).where(_of(district_id), *_pair(pair), bar.c.source == source)
    )
    return bool(done.rowcount)


async def bars_of_pair(
    connection: AsyncConnection, district_id: str, pair: tuple[str, str]
) -> list[BarRow]:
    """Return the bars of a (student, guardian), the district's first."""
    return await _read(connection, and_(_of(district_id), *_pair(pair)))


async def bars_of_students(
    connection: AsyncConnection, district_id: str, student_ids: Collection[str]
) -> Mapping[tuple[str, str], list[BarRow]]:
    """Return the bars from these students by (student, guardian), the district's first."""
    return _by_pair(
        await _read(connection, among_district(bar.c.student_id, district_id, student_ids))
    )


async def bars_of_guardian(
    connection: AsyncConnection, district_id: str, guardian_id: str
) -> Mapping[tuple[str, str], list[BarRow]]:
    """Return the bars of a person by (student, guardian), the district's first."""
    return _by_pair(
        await _read(connection, and_(_of(district_id), bar.c.guardian_id == guardian_id))
    )


async def barred_by(
    connection: AsyncConnection, district_id: str, source: str, user_ids: Collection[str]
) -> set[tuple[str, str]]:
    """Return the (student, guardian) of a source's bars in which any of these people is."""
    found = await connection.execute(
        union(
            *(
                select(bar.c.student_id, bar.c.guardian_id).where(
                    among_district(column, district_id, user_ids), bar.c.source == source
                )
                for column in (bar.c.student_id, bar.c.guardian_id)
            )
        )
    )
    return {(row.student_id, row.guardian_id) for row in found}


async def list_bars(connection: AsyncConnection, query: BarQuery) -> Sequence[BarRow]:
    """Return a page of bars, by student, guardian and source."""
    wanted = [_of(query.district_id)]
    if query.student_id:
        wanted.append(bar.c.student_id == query.student_id)
    if query.guardian_id:
        wanted.append(bar.c.guardian_id == query.guardian_id)
    if query.after is not None:
        wanted.append(tuple_(*_ORDER) > query.after)
    return await _read(connection, and_(*wanted), query.limit)


_ORDER = (bar.c.student_id, bar.c.guardian_id, bar.c.source)


async def _read(
    connection: AsyncConnection, which: ColumnElement[bool], limit: int | None = None
) -> list[BarRow]:
    found = await connection.execute(select(bar).where(which).order_by(*_ORDER).limit(limit))
    return [_decode(row) for row in found]


def _of(district_id: str) -> ColumnElement[bool]:
    return bar.c.district_id == district_id


def _pair(pair: tuple[str, str]) -> tuple[ColumnElement[bool], ...]:
    return bar.c.student_id == pair[0], bar.c.guardian_id == pair[1]


def _by_pair(rows: Sequence[BarRow]) -> Mapping[tuple[str, str], list[BarRow]]:
    found: dict[tuple[str, str], list[BarRow]] = defaultdict(list)
    for row in rows:
        found[row.student_id, row.guardian_id].append(row)
    return found


def _decode(row: Row[Any]) -> BarRow:
    return BarRow(
        student_id=row.student_id,
        guardian_id=row.guardian_id,
        source=row.source,
        set_time=from_micros(row.set_time),
        comment=row.comment,
        principal=_principal(row),
    )


def _principal(row: Row[Any]) -> Principal | None:
    if row.principal_type is None:
        return None
    return Principal(PrincipalType(row.principal_type), row.principal_id, row.acting_user_id)
