"""What phones fetch at the same time is read together, and each is answered what is its own."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from sqlalchemy import event
from sqlalchemy.engine import Engine

from schoolbell_server.domain.change import ChangeKey
from schoolbell_server.domain.kinds import Kind
from schoolbell_server.servicers.device.delivered import Asked, DeliveredReader
from schoolbell_storage.changes import ChangeRow, insert_changes
from tests.service.scene import grade
from tests.storage.engines import databases, open_database
from tests.storage.rosters import MAPLE, START, add_district, district
from tests.storage.waiting import store
from tests.unit.domain.deliveries import waiting_delivery

PHONES = 20
OAK = "oak"


def stored(district_id: str, number: int, content: bytes | None = None) -> ChangeRow:
    """Return the change that a phone is told of."""
    return ChangeRow(
        district_id=district_id,
        key=ChangeKey(source="sis", change_id=f"d{number}"),
        student_id="student",
        kind=Kind.GRADE,
        occur_time=START,
        accept_time=START,
        position=number,
        token_revision=1,
        deliveries=1,
        content=grade(f"d{number}", number).SerializeToString() if content is None else content,
        decision=b"",
    )


@contextmanager
def counted() -> Iterator[list[str]]:
    """Collect the statements that run meanwhile."""
    found: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: object) -> None:
        found.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield found
    finally:
        event.remove(Engine, "before_cursor_execute", note)


def asked(number: int, user: str | None = None) -> Asked:
    """Return what a phone asks: for its own delivery, by default."""
    district_id = OAK if number == PHONES - 1 else MAPLE
    return Asked(district_id, user or f"u{number}", f"d{number}")


@databases()
async def test_what_is_asked_at_once_is_read_once(database: str, tmp_path: Path) -> None:
    rows = [
        replace(waiting_delivery(f"d{number}", user_id=f"u{number}"), district_id=place.district_id)
        for number, place in ((n, asked(n)) for n in range(PHONES))
    ]
    async with open_database(database, tmp_path) as storage:
        for district_id in (MAPLE, OAK):
            await add_district(storage, district(district_id))
        async with storage.write() as connection:
            # The first one's change is kept no longer, and the second's cannot be read.
            await insert_changes(connection, [stored(asked(1).district_id, 1, b"\xff")])
            await insert_changes(
                connection, [stored(asked(n).district_id, n) for n in range(2, PHONES)]
            )
        await store(storage, *rows)
        reader = DeliveredReader(storage, {})
        with counted() as alone:
            (one,) = await asyncio.gather(reader.read(asked(2)))
        assert one is not None
        others = [n for n in range(PHONES) if n != 1]
        with counted() as together:
            found = await asyncio.gather(
                *(reader.read(asked(n)) for n in others), reader.read(asked(2, "somebody"))
            )
        away, *told, foreign = found
        assert (away, foreign) == (None, None)
        assert [one and one.row.user_id for one in told] == [f"u{n}" for n in range(2, PHONES)]
        assert [one and one.change.key.change_id for one in told] == [
            f"d{n}" for n in range(2, PHONES)
        ]
        assert [one and one.world.district.district_id for one in told[-2:]] == [MAPLE, OAK]
        districts = sum("FROM district" in one for one in together)
        assert len(together) <= len(alone) * districts, "as many for all as for one of a district"
        assert districts == 2
        first, second = await asyncio.gather(
            reader.read(asked(1)), reader.read(asked(3)), return_exceptions=True
        )
        assert isinstance(first, Exception)
        assert second is not None and not isinstance(second, BaseException)
