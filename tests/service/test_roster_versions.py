"""Whoever writes rows of the roster says so: an import that was worked out before sees it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection, event, text
from sqlalchemy.engine import Engine

from schoolbell.v1 import access_service_pb2 as access
from schoolbell.v1 import roster_pb2, roster_service_pb2
from tests.service.scene import FATHER, MOTHER, SOURCE, STUDENT, populate, upsert
from tests.service.stored import stored
from tests.service.whole import DISTRICT, whole
from tests.storage.rosters import TABLES


def _noting(table: str, what: str, row: str) -> str:
    """Return what notes in which district, and at which version of its roster, a row changes."""
    return (
        f"CREATE TRIGGER noted_{table}_{what} AFTER {what} ON {table} BEGIN "
        f"INSERT INTO noted SELECT '{table}' WHERE {row}.district_id = '{DISTRICT}'; END"
    )


@contextmanager
def commits_watched() -> Iterator[list[str]]:
    """Collect the tables that a transaction wrote into without moving the roster's version."""
    silent: list[str] = []
    known: list[int] = [0]

    def look(connection: Connection) -> None:
        if connection.exec_driver_sql(_HAS_NOTES).scalar() is None:
            return
        tables = connection.exec_driver_sql("DELETE FROM noted RETURNING name").scalars().all()
        version = connection.exec_driver_sql("SELECT max(roster_version) FROM district").scalar()
        if tables and version == known[0]:
            silent.extend(tables)
        known[0] = version or 0

    event.listen(Engine, "commit", look)
    try:
        yield silent
    finally:
        event.remove(Engine, "commit", look)


_HAS_NOTES = "SELECT 1 FROM sqlite_master WHERE name = 'noted'"


async def test_every_write_of_the_roster_moves_its_version(tmp_path: Path) -> None:
    async with whole(tmp_path) as service:
        await populate(service)
        async with stored(service) as storage, storage.write() as connection:
            await connection.execute(text("CREATE TABLE noted (name TEXT)"))
            for table in TABLES:
                for what, row in (("INSERT", "new"), ("UPDATE", "new"), ("DELETE", "old")):
                    await connection.exec_driver_sql(_noting(table.name, what, row))
        with commits_watched() as silent:
            barred = roster_pb2.Relationship(student_id=STUDENT, guardian_id=FATHER, barred=True)
            await upsert(service, roster_pb2.RosterRecord(relationship=barred))
            async with service.client() as operator:
                for sets in (True, False, True):
                    await operator.roster.SetBar(
                        roster_service_pb2.SetBarRequest(
                            district_id=DISTRICT,
                            student_id=STUDENT,
                            guardian_id=MOTHER,
                            barred=sets,
                            comment=f"by {FATHER}.",
                        )
                    )
            async with service.client(access.ROLE_ADMINISTRATOR) as administrator:
                for person in (FATHER, STUDENT, MOTHER):
                    await administrator.access.ErasePersonData(
                        access.ErasePersonDataRequest(district_id=DISTRICT, user_id=person)
                    )
            async with service.client(access.ROLE_PUBLISHER) as publisher:
                await publisher.roster.DeactivateRecords(
                    roster_service_pb2.DeactivateRecordsRequest(
                        district_id=DISTRICT, source=SOURCE, school_ids=["elm"]
                    )
                )
            async with stored(service) as storage, storage.read() as connection:
                assert not (await connection.execute(text("SELECT * FROM noted"))).all()
        assert silent == []
