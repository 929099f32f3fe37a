"""The facts fetched for many changes at once are those fetched one by one, and those written."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random

from sqlalchemy.ext.asyncio import AsyncConnection

from schoolbell_server.acceptance.submission import Accepted, Submission, Submitted
from schoolbell_server.acceptance.transaction import Acceptance, new_delivery_id
from schoolbell_server.domain.change import Change, Payload
from schoolbell_server.domain.decision import Decision
from schoolbell_server.domain.eligibility import decide
from schoolbell_server.domain.fold import fold
from schoolbell_server.domain.kinds import AttendanceStatus, ResponsiveScheduleAction
from schoolbell_server.domain.timing import moment
from schoolbell_server.domain.world import World
from schoolbell_storage.districts import bump_facts
from schoolbell_storage.engine import Storage
from schoolbell_storage.world import facts_versions, fetch_world
from schoolbell_storage.world_cache import WorldCache
from tests.storage.engines import POSTGRESQL, databases, open_database
from tests.storage.modelled import Model, as_seen_by
from tests.storage.random_district import APPS, NOW, SCHOOLS, Founder
from tests.storage.random_writes import step, whole
from tests.unit.domain.happenings import assignment, balance, change, flex, grade, mark

SEED = 20_260_915
STUDENTS = 1_000
DISTRICT = "maple"
PATIENCE = 60.0  # seconds
WRITERS = 3
LOOKS = 25


@dataclass
class Scene:
    """A district in a database, and every version of it that was ever committed."""

    storage: Storage
    founder: Founder
    versions: dict[int, Model] = field(default_factory=dict)
    latest: int = 0
    _committed: asyncio.Condition = field(default_factory=asyncio.Condition)

    @property
    def model(self) -> Model:
        return self.versions[self.latest]

    async def write_on(self) -> None:
        """Write one thing after the other until cancelled."""
        while True:
            async with self.storage.write() as connection:
                await bump_facts(connection, DISTRICT)  # locks: the model is what is stored
                model, write = step(self.founder, self.model)
                await write(connection)
                version = (await facts_versions(connection, [DISTRICT]))[DISTRICT]
                self.versions[version] = model
                self.latest = version
            async with self._committed:
                self._committed.notify_all()

    async def another(self) -> None:
        """Wait until something more is committed."""
        async with asyncio.timeout(PATIENCE), self._committed:
            await self._committed.wait()

    def changes(self, count: int) -> list[Change]:
        """Return changes of students at random, each of a student of its own."""
        random = self.founder.random
        students = random.sample(range(STUDENTS), count)
        return [self._change(f"s{number:04}") for number in students]

    def _change(self, student_id: str) -> Change:
        choice = self.founder.random.choice
        payloads: list[Payload] = [
            grade(choice(("55", "65", "75"))),
            assignment(percent=choice(("55", "65", "75"))),
            mark(choice(list(AttendanceStatus))),
            flex(ResponsiveScheduleAction.ADDED, "4"),
            replace(balance(choice(("-1", "5"))), account_id=f"of {student_id}"),
        ]
        own = [stay.calendar_id for stay in self.model.stays(student_id)]
        calendar_id = choice([*own, *own, *own, f"{choice(SCHOOLS)}:2027"])
        return change(choice(payloads), student_id=student_id, calendar_id=calendar_id)


@asynccontextmanager
async def scene(database: str, folder: Path) -> AsyncIterator[Scene]:
    """Bring a district into a database, beside another whose people have the same names."""
    founder = Founder(Random(SEED))
    model = founder.district(DISTRICT, STUDENTS)
    async with open_database(database, folder) as storage:
        for one in (model, founder.district("oak", STUDENTS // 10)):
            async with storage.write() as connection:
                for write in whole(one):
                    await write(connection)
        async with storage.read() as connection:
            version = (await facts_versions(connection, [DISTRICT]))[DISTRICT]
        yield Scene(storage, founder, {version: model}, version)


@asynccontextmanager
async def snapshot(storage: Storage) -> AsyncIterator[AsyncConnection]:
    """Read one state of the database, whatever is committed meanwhile."""
    async with storage.read() as connection:
        if storage.dialect == POSTGRESQL:
            yield await connection.execution_options(isolation_level="REPEATABLE READ")
            return
        await connection.exec_driver_sql("BEGIN")
        try:
            yield connection
        finally:
            await connection.exec_driver_sql("COMMIT")


async def fetch(connection: AsyncConnection, changes: Sequence[Change]) -> World:
    """Fetch as the pipeline does."""
    students = {one.student_id for one in changes}
    calendars = {one.calendar_id for one in changes if one.calendar_id is not None}
    world = await fetch_world(connection, DISTRICT, students, calendars, APPS)
    assert world is not None
    return world


def batches(changes: Sequence[Change], random: Random) -> Iterator[Sequence[Change]]:
    while changes:
        size = random.randint(1, 200)
        yield changes[:size]
        changes = changes[size:]


@databases()
async def test_of_every_student_at_once_and_one_by_one(database: str, tmp_path: Path) -> None:
    async with scene(database, tmp_path) as found:
        await all_are_fetched_as_they_were_written(found)
        await what_is_decided_of_many_is_decided_of_each(found)


async def all_are_fetched_as_they_were_written(found: Scene) -> None:
    async with found.storage.read() as connection:
        for batch in batches(found.changes(STUDENTS), found.founder.random):
            together = await fetch(connection, batch)
            assert together.students.keys() == {one.student_id for one in batch}
            for number, one in enumerate(batch):
                seen = as_seen_by(together, one)
                assert seen == found.model.world(one, found.latest)
                if number % 10 == 0:
                    assert seen == await fetch(connection, [one])


async def what_is_decided_of_many_is_decided_of_each(found: Scene) -> None:
    changes = [
        one
        for one in found.changes(STUDENTS)
        if any(recipient.devices for recipient in expected_of(found, one).recipients)
    ][:60]
    together = await decided(found.storage, changes)
    alone = [decision for one in changes for decision in await decided(found.storage, [one])]
    assert together == alone == [expected_of(found, one) for one in changes]
    assert sum(1 for decision in together for _ in decision.told()) > 5


@databases()
async def test_while_everything_changes(database: str, tmp_path: Path) -> None:
    """A snapshot is one version of the district: the version says which."""
    async with scene(database, tmp_path) as found, asyncio.TaskGroup() as writers:
        tasks = [writers.create_task(found.write_on()) for _ in range(WRITERS)]
        versions = set()
        for _ in range(LOOKS):
            await found.another()
            changes = found.changes(20)
            async with snapshot(found.storage) as connection:
                together = await fetch(connection, changes)
                version = together.district.facts_version
                await found.another()
                model = found.versions[version]
                for number, one in enumerate(changes):
                    seen = as_seen_by(together, one)
                    assert seen == model.world(one, version)
                    if number % 5 == 0:
                        assert seen == await fetch(connection, [one])
            versions.add(version)
        assert len(versions) == LOOKS
        for task in tasks:
            task.cancel()


@databases()
async def test_what_is_kept_is_what_is_stored_on_every_server(
    database: str, tmp_path: Path
) -> None:
    """Servers that meet the same students again and again, while everything changes."""
    async with scene(database, tmp_path) as found, asyncio.TaskGroup() as writers:
        servers = [WorldCache(APPS), WorldCache(APPS), WorldCache(APPS, most=10)]
        changes = [one for one in found.changes(60) if len(one.student_ids) == 1]
        writer = writers.create_task(found.write_on())
        for look in range(2 * LOOKS):
            if look % 2:
                await found.another()
            asked = found.founder.random.sample(changes, 15)
            async with snapshot(found.storage) as connection:
                for server in servers:
                    world = await server.fetch(connection, DISTRICT, asked)
                    assert world is not None
                    model = found.versions[world.district.facts_version]
                    for one in asked:
                        seen = as_seen_by(world, one)
                        assert seen == model.world(one, world.district.facts_version)
        assert all(server._known for server in servers[:2])
        assert not servers[2]._known, "fifteen students are more than ten"
        writer.cancel()


@databases()
async def test_what_was_read_while_it_was_written_is_not_kept(
    database: str, tmp_path: Path
) -> None:
    """Each statement of the accepting transaction sees what is committed when it runs.

    What is kept at the end, with the version that the next transaction finds, is what is stored.
    """
    async with scene(database, tmp_path) as found:
        server = WorldCache(APPS)
        changes = [one for one in found.changes(40) if len(one.student_ids) == 1]
        async with asyncio.TaskGroup() as writers:
            writer = writers.create_task(found.write_on())
            for _ in range(LOOKS):
                await found.another()
                async with found.storage.read() as connection:
                    await server.fetch(connection, DISTRICT, changes)
            writer.cancel()
        async with found.storage.read() as connection:
            world = await server.fetch(connection, DISTRICT, changes)
        assert world is not None
        model = found.versions[world.district.facts_version]
        for one in changes:
            assert as_seen_by(world, one) == model.world(one, world.district.facts_version)


def expected_of(found: Scene, one: Change) -> Decision:
    """Decide by what was written, without a database."""
    world = found.model.world(one, found.latest)
    when = moment(one, NOW, world.zone_of(one.calendar_id), replay=False)
    return decide(one, when, fold(one, NOW, {}).update, world, {})


async def decided(storage: Storage, changes: Sequence[Change]) -> list[Decision]:
    """Run the transaction that accepts, and return what it decided."""
    acceptance = Acceptance(APPS, replay=False, new_id=new_delivery_id)
    submitted = [
        Submitted(
            change=one,
            content=b"",
            fingerprint="",
            foreign_currencies=lambda currency_code: [],
        )
        for one in changes
    ]
    async with storage.write(keep=False) as connection:
        answers, written = await acceptance.accept(
            connection, [Submission(district_id=DISTRICT, changes=submitted)], NOW
        )
    assert all(isinstance(one, Accepted) for one in answers[0])
    return written.decisions
