"""What is older than it is kept goes, in small steps; what is younger, or still needed, stays."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from schoolbell_server.background.stopping import Stop
from schoolbell_server.config import RetentionConfig
from schoolbell_server.domain.change import ChangeKey
from schoolbell_server.domain.kinds import DeliveryState, Kind
from schoolbell_server.domain.retention import Retention
from schoolbell_server.maintenance.janitor import Janitor
from schoolbell_server.observability.metrics import Metrics
from schoolbell_storage import instances, retention, status_log
from schoolbell_storage.changes import KeyClaim, claim_keys
from schoolbell_storage.districts import set_active_school_year, write_settings
from schoolbell_storage.engine import Storage
from schoolbell_storage.errors import StorageUnavailable
from schoolbell_storage.settings_document import SettingsDocument
from schoolbell_storage.tables import delivery, roster_stage, server_instance
from tests.storage.actors import person
from tests.storage.aged import (
    DAY,
    NOW,
    Old,
    left,
    old,
    write_audit,
    write_changes,
    write_deliveries,
    write_facts,
    write_imports,
    write_keys,
    write_log,
    write_tallies,
)
from tests.storage.engines import POSTGRESQL, SQLITE, databases, open_database, plan_of
from tests.storage.rosters import LAST_DAY, MAPLE, START, add_district, school, write
from tests.storage.rosters import district as district_row

SMALL = RetentionConfig(batch_size=10)
SHORT = Retention(changes=DAY, deliveries=DAY)


@asynccontextmanager
async def district(
    database: str, folder: Path, kept: Retention = SHORT, audit: dt.timedelta = DAY
) -> AsyncIterator[Storage]:
    """Open a database with a district that keeps its records for so long."""
    async with open_database(database, folder) as storage:
        await add_district(storage, replace(district_row(), audit_retention=audit))
        async with storage.write() as connection:
            await write_settings(
                connection,
                MAPLE,
                enabled=True,
                document=SettingsDocument(retention=kept),
                updater=person("ada"),
                now=START,
            )
        yield storage


async def tidy(
    storage: Storage, now: dt.datetime = NOW, config: RetentionConfig = SMALL
) -> Counter[str]:
    """Make a round at a time."""
    return await Janitor(storage, config, Metrics(), lambda: now).round(Stop())


@databases()
async def test_a_district_keeps_records_as_long_as_it_chose(database: str, tmp_path: Path) -> None:
    kept = Retention(changes=100 * DAY, deliveries=10 * DAY)
    records = old(9, 11, 99, 101, 199, 201)
    async with district(database, tmp_path, kept, 200 * DAY) as storage:
        await write_changes(storage, records)
        await write_deliveries(storage, records)
        await write_tallies(storage, records)
        await write_audit(storage, MAPLE, records)
        dropped = await tidy(storage)
        assert await left(storage, "delivery") == ["9"]
        assert await left(storage, "change") == ["11", "9", "99"]
        assert await left(storage, "change_key") == ["11", "9", "99"]
        assert await left(storage, "audit_entry") == ["101", "11", "199", "9", "99"]
        assert len(await left(storage, "refusal_tally")) == 3
        assert (dropped["delivery"], dropped["change"], dropped["audit_entry"]) == (5, 3, 1)
        assert (await tidy(storage)).total() == 0


@databases()
async def test_a_key_lives_35_days_and_never_goes_before_its_change(
    database: str, tmp_path: Path
) -> None:
    async with district(database, tmp_path) as storage:
        await write_changes(storage, old(34, 36))
        await write_keys(storage, [Old("alone-34", 34), Old("alone-36", 36)])
        await write_changes(storage, [Old("waiting", 40)])
        await write_deliveries(storage, [Old("waiting", 40)], state=DeliveryState.PENDING)
        await tidy(storage)
        assert await left(storage, "change") == ["waiting"]
        assert await left(storage, "change_key") == ["34", "alone-34", "waiting"]


@databases()
async def test_what_may_still_leave_stays_however_old(database: str, tmp_path: Path) -> None:
    async with district(database, tmp_path) as storage:
        records = [Old("pending", 5), Old("dead-letter", 2), Old("over", 5)]
        await write_changes(storage, records)
        await write_deliveries(storage, records[:1], state=DeliveryState.PENDING)
        await write_deliveries(storage, records[1:2], state=DeliveryState.FAILED, life=3 * DAY)
        await write_deliveries(storage, records[2:], state=DeliveryState.FAILED)
        await tidy(storage)
        assert await left(storage, "delivery") == ["dead-letter", "pending"]
        assert await left(storage, "change") == ["dead-letter", "pending"]
        async with storage.write() as connection:
            await connection.execute(update(delivery).values(state=int(DeliveryState.EXPIRED)))
        await tidy(storage, NOW + 2 * DAY)
        assert await left(storage, "delivery") == []
        assert await left(storage, "change") == []


@databases()
async def test_facts_of_the_year_outlive_it_by_90_days_and_others_35(
    database: str, tmp_path: Path
) -> None:
    async with district(database, tmp_path) as storage:
        await write(storage, school("north"))
        for kind in ("assignment", "grade", "lunch"):
            await write_facts(storage, kind, old(150))
        for kind in ("attendance", "responsive"):
            await write_facts(storage, kind, old(34, 36))
        year_over = dt.datetime.combine(LAST_DAY + 91 * DAY, dt.time(12), tzinfo=dt.UTC)
        await tidy(storage, year_over)
        assert len(await left(storage, "fact")) == 3, "no year is active: none is over"
        async with storage.write() as connection:
            await set_active_school_year(connection, MAPLE, 2027, START)
        await tidy(storage, year_over - DAY)
        assert len(await left(storage, "fact")) == 3
        summer = (year_over - DAY - NOW).days
        await write_facts(storage, "grade", [Old("summer", -summer)])
        await tidy(storage, year_over)
        assert await left(storage, "fact") == ['["grade","ann","summer"]']


@databases()
async def test_facts_about_one_day_stay_35_days(database: str, tmp_path: Path) -> None:
    async with district(database, tmp_path) as storage:
        for kind in ("attendance", "responsive", "grade"):
            await write_facts(storage, kind, old(35, 36))
        await tidy(storage)
        assert sorted(await left(storage, "fact")) == [
            '["attendance","ann","35"]',
            '["grade","ann","35"]',
            '["grade","ann","36"]',
            '["responsive","ann","35"]',
        ]


@databases()
async def test_the_status_log_is_cut_where_it_is_young(database: str, tmp_path: Path) -> None:
    async with district(database, tmp_path) as storage:
        await write_log(storage, old(*[4] * 25, 2, 4, 1))
        await tidy(storage)
        async with storage.read() as connection:
            position = await status_log.position(connection)
            assert (position.value, position.pruned) == (29, 26)
            page = await status_log.read_after(connection, 26, 100)
            assert [one.revision for one in page.entries] == [27, 28, 29]
            with pytest.raises(status_log.LogPruned):
                await status_log.read_after(connection, 25, 100)


@databases()
async def test_ended_imports_dead_servers_and_abandoned_batches_go(
    database: str, tmp_path: Path
) -> None:
    async with district(database, tmp_path) as storage:
        await write_imports(storage, "applied", old(89, 91))
        await write_imports(storage, "applying", [Old("applying", 91)])
        await write_imports(storage, "receiving", [Old("silent", 2), Old("busy", 0.5)])
        async with storage.write() as connection:
            for name in ("applying", "silent", "busy"):
                stage = {"district_id": MAPLE, "import_id": name, "position": 0, "records": b""}
                await connection.execute(insert(roster_stage).values(**stage))
            await instances.renew(connection, "alive", dt.timedelta(seconds=10))
            await instances.renew(connection, "dead", dt.timedelta(days=-2))
        await tidy(storage)
        assert await left(storage, "roster_import") == ["89", "applying", "busy", "silent"]
        async with storage.read() as connection:
            staged = await connection.execute(select(roster_stage.c.import_id))
            assert sorted(staged.scalars()) == ["applying", "busy"]
            living = await connection.execute(select(server_instance.c.instance_id))
            assert list(living.scalars()) == ["alive"]


@databases()
async def test_the_audit_log_of_all_districts_keeps_the_default(
    database: str, tmp_path: Path
) -> None:
    async with district(database, tmp_path) as storage:
        await write_audit(storage, "-", old(399, 401))
        await tidy(storage)
        assert await left(storage, "audit_entry") == ["399"]


class Counting:
    """A storage that counts the rows each transaction drops, and fails when told to."""

    def __init__(self, storage: Storage, steps: int | None = None) -> None:
        self._storage = storage
        self._steps = steps
        self.taken = 0

    def read(self) -> object:
        return self._storage.read()

    @asynccontextmanager
    async def write(self) -> AsyncIterator[AsyncConnection]:
        if self._steps is not None and self.taken >= self._steps:
            raise StorageUnavailable("killed")
        async with self._storage.write() as connection:
            yield connection
            self.taken += 1


@databases()
async def test_a_round_that_breaks_off_loses_nothing_and_the_next_goes_on(
    database: str, tmp_path: Path
) -> None:
    async with district(database, tmp_path) as storage:
        await write_changes(storage, [Old(f"{number}", 50) for number in range(45)])
        await write_changes(storage, old(0.5))
        with pytest.raises(StorageUnavailable):
            await tidy(Counting(storage, 3))  # type: ignore[arg-type]
        assert len(await left(storage, "change")) == 16
        assert len(await left(storage, "change_key")) == 46, "a key goes after its change"
        await tidy(storage)
        assert await left(storage, "change") == ["0.5"]
        assert await left(storage, "change_key") == ["0.5"]


@databases()
async def test_two_janitors_share_the_work(database: str, tmp_path: Path) -> None:
    async with district(database, tmp_path) as storage:
        await write_changes(storage, [Old(f"{number}", 50) for number in range(100)])
        await write_log(storage, old(*[5] * 15))
        both: Sequence[Counter[str]] = await asyncio.gather(tidy(storage), tidy(storage))
        assert sum(one["change"] for one in both) == 100
        assert sum(one["change_key"] for one in both) == 100
        assert sum(one["status_log"] for one in both) == 15
        assert (await tidy(storage)).total() == 0


@pytest.mark.postgresql
async def test_rows_that_another_transaction_holds_are_left_for_the_next_round(
    tmp_path: Path,
) -> None:
    async with district(POSTGRESQL, tmp_path) as storage:
        await write_deliveries(storage, old(50, 60))
        async with storage.write() as connection:
            held = select(delivery.c.delivery_id).where(delivery.c.delivery_id == "60")
            await connection.execute(held.with_for_update())
            async with asyncio.timeout(60):
                assert (await tidy(storage))["delivery"] == 1
        assert (await tidy(storage))["delivery"] == 1


@databases()
async def test_publishing_goes_on_between_small_steps(database: str, tmp_path: Path) -> None:
    """However much is dropped, a writer waits for one step at most, and a step is small."""
    async with district(database, tmp_path) as storage:
        await write_changes(storage, [Old(f"{number}", 50) for number in range(600)])
        counting = Counting(storage)
        config = RetentionConfig(batch_size=30)
        metrics = Metrics()
        janitor = Janitor(counting, config, metrics, lambda: NOW)  # type: ignore[arg-type]
        round_ = asyncio.create_task(janitor.round(Stop()))
        waited: list[int] = []
        while not round_.done():
            before = counting.taken
            async with storage.write() as connection:
                claim = KeyClaim(MAPLE, _key(len(waited)), "print")
                await claim_keys(connection, [claim], NOW, 1)
                waited.append(counting.taken - before)
        dropped = await round_
        assert (dropped["change"], dropped["change_key"]) == (600, 600)
        assert counting.taken >= 40, "no step drops more than thirty"
        assert len(waited) > 10
        # PostgreSQL lets both go on at once; where there is one writer, turns are taken.
        assert max(waited) <= 2 or database == POSTGRESQL
        assert len(await left(storage, "change_key")) == len(waited)
        value = metrics.registry.get_sample_value
        assert value("schoolbell_janitor_step_seconds_count") == counting.taken
        assert value("schoolbell_janitor_dropped_total", {"record": "change"}) == 600
        assert value("schoolbell_janitor_round_timestamp_seconds") == NOW.timestamp()


def _key(number: int) -> ChangeKey:
    return ChangeKey(source="sis", change_id=f"new-{number}")


async def test_pages_that_were_freed_are_used_again(tmp_path: Path) -> None:
    """So a SQLite file stays as large as the most that was kept at once."""
    async with district(SQLITE, tmp_path) as storage:

        async def pages() -> int:
            async with storage.read() as connection:
                return int((await connection.execute(text("PRAGMA page_count"))).scalar_one())

        for generation in range(4):
            age = 50 - generation
            await write_changes(storage, [Old(f"{generation}-{one}", age) for one in range(500)])
            if generation == 0:
                most = await pages()
            await tidy(storage, config=RetentionConfig())
        assert await pages() <= most * 1.1


@databases()
async def test_every_chore_goes_by_an_index(database: str, tmp_path: Path) -> None:
    """What a step costs follows from what it drops, not from what is kept."""
    async with district(database, tmp_path) as storage, storage.write() as connection:
        if database == POSTGRESQL:
            await connection.execute(text("SET LOCAL enable_seqscan = off"))
            await connection.execute(text("SET LOCAL enable_bitmapscan = off"))
        for aged, index in (
            (retention.deliveries(NOW, NOW), "delivery_by_create"),
            (retention.changes(NOW, NOW), "change_by_time"),
            (retention.change_keys(NOW), "change_key_by_time"),
            (retention.facts(Kind.GRADE, NOW.date()), "fact_by_age"),
            (retention.tallies(NOW.date()), "refusal_tally"),
            (retention.audit_entries(NOW), "audit_entry_by_time"),
            (retention.imports(NOW), "roster_import_by_time"),
        ):
            statement = retention.statement(aged, MAPLE, since=None, most=10)
            plan = await plan_of(connection, statement)
            assert index in plan, plan
            assert "Seq Scan" not in plan, plan
            assert f"SCAN {aged.table.name}" not in plan, plan
            assert "TEMP B-TREE" not in plan, plan
            assert "Sort Key" not in plan, plan
