"""A roster write that was run dry is the same write, and takes the writer for what differs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from random import Random

from sqlalchemy import text

from schoolbell_storage.districts import move_roster
from schoolbell_storage.engine import Storage
from schoolbell_storage.roster_checks import RecordsRefused
from schoolbell_storage.roster_dry_run import begin_dry_run
from schoolbell_storage.roster_guards import Guards, GuardsExceeded
from schoolbell_storage.roster_incoming import IncomingRecord, encode_incoming
from schoolbell_storage.roster_records import Record, RecordName, RecordType
from schoolbell_storage.roster_write import RosterWrite, Written, change_roster, write_records
from tests.storage.engines import SQLITE, open_database
from tests.storage.random_district import NOW, Founder
from tests.storage.rosters import MAPLE, START, add_district, district, everything, family, write
from tests.storage.rosters import school as a_school

NORTH = a_school("north")


async def batches(content: Sequence[Record | RecordName]) -> AsyncIterator[bytes]:
    yield encode_incoming(IncomingRecord(index, one) for index, one in enumerate(content))


Outcome = tuple[object, ...]


def _refusal(refused: RecordsRefused | GuardsExceeded) -> Outcome:
    counts = refused.counts if isinstance(refused, GuardsExceeded) else None
    return type(refused), refused.problems, refused.total, counts


def _outcome(written: Written) -> Outcome:
    return Written, written.lost_bars, written.lost_bar_total, written.counts


async def at_once(
    storage: Storage, asked: RosterWrite, content: Sequence[Record | RecordName]
) -> Outcome:
    try:
        async with storage.write() as connection:
            return _outcome(await write_records(connection, asked, batches(content)))
    except (RecordsRefused, GuardsExceeded) as refused:
        return _refusal(refused)


async def in_dry_run(
    storage: Storage, asked: RosterWrite, content: Sequence[Record | RecordName]
) -> Outcome:
    async with storage.aside() as connection:
        dry_run = await begin_dry_run(connection, asked.district_id)
        try:
            written = await change_roster(connection, asked, batches(content))
        except (RecordsRefused, GuardsExceeded) as refused:
            return _refusal(refused)
        await dry_run.compare()
        async with storage.write(on=connection):
            assert await dry_run.repeat()
        return _outcome(written)


@dataclass(frozen=True, slots=True)
class Chance:
    """Rosters that follow one another, at random."""

    founder: Founder

    @property
    def random(self) -> Random:
        return self.founder.random

    def next(self, known: Sequence[Record], full: bool) -> list[Record | RecordName]:
        """Return an import after these records: some changed, some new, some missing."""
        often = self.random.choice((0.02, 0.3))
        content: list[Record | RecordName] = []
        for record in known:
            if self.founder.rarely(often):
                record = self.founder.again(record)
            if not self.founder.rarely(often):
                content.append(record)
        if not full and self.founder.rarely(0.5):
            content.append(RecordName(RecordType.USER, (f"s{self.random.randrange(12):04}",)))
        if self.founder.rarely(0.7):
            content += family(f"new{self.random.randrange(3)}", "school1")
        self.random.shuffle(content)
        return content


async def test_it_does_what_one_transaction_does(tmp_path: Path) -> None:
    kinds = set()
    for seed in range(12):
        founder = Founder(Random(seed))
        first = list(founder.district(MAPLE, 12).roster.values())
        async with (
            open_database(SQLITE, tmp_path) as one,
            open_database(SQLITE, tmp_path) as other,
        ):
            for storage in (one, other):
                await add_district(storage)
                await write(storage, [*NORTH, *family("v", "north")], source="vendor", days=-1)
            for day in range(4):
                asked = _asked(founder, day)
                content = Chance(founder).next(first, asked.full) if day else list(first)
                before = await everything(one)
                outcome = await at_once(one, asked, content)
                assert await in_dry_run(other, asked, content) == outcome, (seed, day)
                assert await everything(other) == await everything(one), (seed, day)
                if outcome[0] is not Written:
                    assert await everything(one) == before
                kinds.add(outcome[0])
    assert kinds == {Written, RecordsRefused, GuardsExceeded}


def _asked(founder: Founder, day: int) -> RosterWrite:
    choice = founder.random.choice
    return RosterWrite(
        district_id=MAPLE,
        source=choice(("sis", "sis", "vendor")),
        now=NOW.replace(day=1 + day),
        full=bool(day % 2),
        guards=Guards(
            max_deactivated_percent=choice((5.0, 100.0)),
            max_portal_loss_percent=100.0,
            max_birth_date_loss_percent=choice((5.0, 100.0)),
            allow_bar_loss=founder.rarely(0.7),
        ),
    )


async def test_everybody_writes_while_it_is_run_dry(tmp_path: Path) -> None:
    asked = RosterWrite(district_id=MAPLE, source="sis", now=START)
    async with open_database(SQLITE, tmp_path) as storage:
        await add_district(storage)
        async with storage.aside() as connection:
            dry_run = await begin_dry_run(connection, MAPLE)
            await change_roster(connection, asked, batches([*NORTH, *family("a", "north")]))
            async with asyncio.timeout(5), storage.write() as other:
                await other.execute(text("UPDATE district SET display_name = 'Other'"))
            await dry_run.compare()
            async with asyncio.timeout(5), storage.write() as other:
                await other.execute(text("UPDATE district SET display_name = 'Another'"))
            assert await everything(storage) == []
            async with storage.write(on=connection):
                assert await dry_run.repeat()
        assert len(await everything(storage)) == 8


async def test_it_is_good_for_the_roster_that_was_copied_alone(tmp_path: Path) -> None:
    asked = RosterWrite(district_id=MAPLE, source="sis", now=START)
    async with open_database(SQLITE, tmp_path) as storage:
        await add_district(storage)
        async with storage.aside() as connection:
            dry_run = await begin_dry_run(connection, MAPLE)
            await change_roster(connection, asked, batches(NORTH))
            await dry_run.compare()
            async with storage.write() as other:
                await move_roster(other, MAPLE)
            async with storage.write(on=connection):
                assert not await dry_run.repeat()
        assert await everything(storage) == []


async def test_other_districts_stay_as_they_are(tmp_path: Path) -> None:
    asked = RosterWrite(
        district_id=MAPLE, source="sis", now=START, full=True, guards=Guards(allow_bar_loss=True)
    )
    async with open_database(SQLITE, tmp_path) as storage:
        for district_id in (MAPLE, "oak"):
            await add_district(storage, district(district_id))
            await write(storage, [*NORTH, *family("a", "north")], district_id=district_id)
        before = [row for row in await everything(storage) if row[0] == "oak"]
        await in_dry_run(storage, asked, [*NORTH, *family("b", "north")])
        after = await everything(storage)
    assert [row for row in after if row[0] == "oak"] == before
    assert ("maple", "b") in {row[:2] for row in after}


async def test_what_breaks_while_it_is_written_is_rolled_back_at_once(tmp_path: Path) -> None:
    asked = RosterWrite(district_id=MAPLE, source="sis", now=START)
    async with open_database(SQLITE, tmp_path) as storage:
        await add_district(storage)
        async with storage.aside() as connection:
            dry_run = await begin_dry_run(connection, MAPLE)
            await change_roster(connection, asked, batches(NORTH))
            await dry_run.compare()
            with suppress(ZeroDivisionError):
                async with storage.write(on=connection):
                    assert await dry_run.repeat()
                    raise ZeroDivisionError
            assert await everything(storage) == []
            async with asyncio.timeout(5), storage.write() as other:
                await other.execute(text("UPDATE district SET display_name = 'Other'"))
