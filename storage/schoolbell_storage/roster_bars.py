"""Bars in a write of roster records: set, lifted, and lost with the record that carries them.

A source sets and lifts its own bars only. A record carries the bar of its own source, and to
deactivate it counts as a loss, whoever does so; what is then lifted is the writer's own bar.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import (
    ColumnElement,
    Select,
    and_,
    delete,
    exists,
    func,
    literal,
    not_,
    null,
    or_,
    select,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from schoolbell_storage.codec import to_micros
from schoolbell_storage.roster_checks import MOST_PROBLEMS, Problem, ProblemCode
from schoolbell_storage.roster_incoming import INCOMING, LOST_BAR
from schoolbell_storage.roster_layout import Layout
from schoolbell_storage.roster_records import RecordName, RecordType
from schoolbell_storage.rows import insert_into
from schoolbell_storage.tables import bar

_PEOPLE: dict[RecordType, tuple[tuple[str, ...], ...]] = {
    RecordType.RELATIONSHIP: (("student_id", "guardian_id"),),
    RecordType.USER: (("student_id",), ("guardian_id",)),
}
"""The columns of a bar by which it is carried: by the relationship, and by either person."""


@dataclass(frozen=True, slots=True)
class BarWriter:
    """The source that writes, and when."""

    district_id: str
    source: str
    now: dt.datetime

    def own(self) -> ColumnElement[bool]:
        """Return which bars are the source's."""
        return and_(bar.c.district_id == self.district_id, bar.c.source == self.source)

    def changes(self) -> ColumnElement[bool]:
        """Return whether an incoming relationship sets or lifts its source's bar."""
        incoming = INCOMING[RecordType.RELATIONSHIP]
        stands = exists().where(self.own(), *_same_pair(incoming.c))
        return or_(
            and_(incoming.c.barred.is_(True), not_(stands)),
            and_(incoming.c.barred.is_(False), stands),
        )

    async def matter(self, connection: AsyncConnection) -> bool:
        """Return whether there is any bar that a write could set, lift or lose."""
        incoming = INCOMING[RecordType.RELATIONSHIP]
        here = select(literal(1)).where(bar.c.district_id == self.district_id).limit(1)
        new = select(literal(1)).where(incoming.c.barred.is_(True)).limit(1)
        for asked in (here, new):
            if (await connection.execute(asked)).first() is not None:
                return True
        return False

    async def note_carried(
        self,
        connection: AsyncConnection,
        layout: Layout,
        which: ColumnElement[bool],
        *,
        named: bool,
    ) -> None:
        """Note the bars that the active records of `which` carry, before they are deactivated."""
        table, incoming = layout.table, INCOMING[layout.record_type]
        same = (incoming.c[key] == table.c[key] for key in layout.keys)
        index = select(incoming.c.record_index).where(incoming.c.removed, *same).scalar_subquery()
        place = index if named else null()
        for columns in _PEOPLE.get(layout.record_type, ()):
            pairs = zip(layout.keys, columns, strict=True)
            await self._note(
                connection,
                select(
                    bar.c.student_id,
                    bar.c.guardian_id,
                    bar.c.source,
                    literal(int(layout.record_type)),
                    place,
                ).where(
                    bar.c.district_id == self.district_id,
                    bar.c.source != "",
                    or_(bar.c.source == self.source, bar.c.source == table.c.source),
                    table.c.district_id == self.district_id,
                    table.c.active,
                    *(table.c[key] == bar.c[column] for key, column in pairs),
                    which,
                ),
            )

    async def note_lifted(self, connection: AsyncConnection) -> None:
        """Note the source's bars that incoming relationships lift."""
        incoming = INCOMING[RecordType.RELATIONSHIP]
        await self._note(
            connection,
            select(
                bar.c.student_id,
                bar.c.guardian_id,
                bar.c.source,
                literal(int(RecordType.RELATIONSHIP)),
                incoming.c.record_index,
            ).where(self.own(), incoming.c.barred.is_(False), *_same_pair(incoming.c)),
        )

    async def _note(self, connection: AsyncConnection, found: Select[tuple[object, ...]]) -> None:
        columns = [column.name for column in LOST_BAR.c]
        noted = insert_into(connection.dialect.name, LOST_BAR).from_select(columns, found)
        await connection.execute(noted.on_conflict_do_nothing())

    async def forget_restated(self, connection: AsyncConnection) -> None:
        """Take back the note of a bar that the incoming relationships set again."""
        incoming = INCOMING[RecordType.RELATIONSHIP]
        again = exists().where(
            incoming.c.barred.is_(True),
            *(incoming.c[key] == LOST_BAR.c[key] for key in ("student_id", "guardian_id")),
        )
        own = LOST_BAR.c.source == self.source
        await connection.execute(delete(LOST_BAR).where(own, again))

    async def write(self, connection: AsyncConnection) -> None:
        """Set and lift the source's bars as the incoming relationships say."""
        incoming = INCOMING[RecordType.RELATIONSHIP]
        new = select(
            literal(self.district_id),
            incoming.c.student_id,
            incoming.c.guardian_id,
            literal(self.source),
            literal(to_micros(self.now)),
        ).where(incoming.c.barred.is_(True))
        columns = ["district_id", "student_id", "guardian_id", "source", "set_time"]
        adding = insert_into(connection.dialect.name, bar).from_select(columns, new)
        await connection.execute(adding.on_conflict_do_nothing())
        lifted = exists().where(incoming.c.barred.is_(False), *_same_pair(incoming.c))
        await connection.execute(delete(bar).where(self.own(), lifted))

    async def lift_lost(self, connection: AsyncConnection) -> None:
        """Lift the source's bars that were noted as lost."""
        lost = exists().where(*_same_pair(LOST_BAR.c), LOST_BAR.c.source == bar.c.source)
        await connection.execute(delete(bar).where(self.own(), lost))


def _same_pair(columns: object) -> Sequence[ColumnElement[bool]]:
    return [getattr(columns, key) == bar.c[key] for key in ("student_id", "guardian_id")]


async def lost_bars(connection: AsyncConnection) -> tuple[list[Problem], int]:
    """Return the bars that were noted as lost, the first as problems, and how many they are."""
    total = int((await connection.execute(select(func.count()).select_from(LOST_BAR))).scalar_one())
    if not total:
        return [], 0
    rows = await connection.execute(
        select(LOST_BAR).order_by(*LOST_BAR.primary_key.columns.values()).limit(MOST_PROBLEMS)
    )
    return [
        Problem(
            record_index=row.record_index,
            name=RecordName(RecordType.RELATIONSHIP, (row.student_id, row.guardian_id)),
            field="barred",
            description=_LOSES[RecordType(row.record_type)],
            code=ProblemCode.BAR_LOST,
        )
        for row in rows
    ], total


_LOSES = {
    RecordType.RELATIONSHIP: "would lose the bar that its source set",
    RecordType.USER: "would lose the bar that its source set, with the account of one of the two",
}
