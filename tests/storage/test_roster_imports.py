"""Imports: one attempt at a time receives, what it left behind is found, and reports last."""

from __future__ import annotations

import dataclasses
import datetime as dt
from pathlib import Path

import pytest

from schoolbell_storage.codec import to_micros
from schoolbell_storage.engine import Storage
from schoolbell_storage.roster_checks import Problem, ProblemCode, Severity
from schoolbell_storage.roster_guards import RecordCounts
from schoolbell_storage.roster_imports import (
    SILENCE,
    ImportHeader,
    ImportInProgress,
    ImportMode,
    ImportRow,
    ImportState,
    abandon_import,
    begin_import,
    complete_import,
    end_import,
    find_import,
    list_imports,
    refuse_import,
    stage_batch,
    staged_batches,
    unfinished_imports,
)
from schoolbell_storage.roster_records import RecordName, RecordType
from schoolbell_storage.roster_report import ImportRefusal, ImportReport
from tests.storage.engines import databases, open_database
from tests.storage.imports import header
from tests.storage.rosters import MAPLE, START, add_district

REPORT = ImportReport(
    counts={RecordType.USER: RecordCounts(1, 2, 3, 4)},
    problem_total=1234,
    problems=[
        Problem(
            record_index=None,
            name=RecordName(RecordType.USER, ()),
            field="max_birth_date_loss_percent",
            description="bad",
            code=ProblemCode.GUARD_EXCEEDED,
            severity=Severity.WARNING,
        ),
        Problem(
            record_index=7,
            name=RecordName(RecordType.RELATIONSHIP, ("s/1", "g")),
            field="guardian_id",
            description="dangles",
            code=ProblemCode.MISSING_REFERENCE,
        ),
    ],
    portal_relationships=5,
    refusal=ImportRefusal("ERROR_REASON_IMPORT_RECORDS_REFUSED", {"problem_total": "1234"}),
)


async def begin(storage: Storage, asked: ImportHeader, seconds: float = 0) -> ImportRow:
    async with storage.write() as connection:
        return await begin_import(connection, asked, START + dt.timedelta(seconds=seconds))


async def stage(storage: Storage, begun: ImportRow, *batches: bytes) -> list[bool]:
    async with storage.write() as connection:
        return [
            await stage_batch(connection, begun, position, batch, START)
            for position, batch in enumerate(batches)
        ]


async def waiting(storage: Storage, import_id: str) -> list[bytes]:
    async with storage.read() as connection:
        return [batch async for batch in staged_batches(connection, MAPLE, import_id)]


async def state(storage: Storage, import_id: str) -> ImportState:
    async with storage.read() as connection:
        row = await find_import(connection, MAPLE, import_id)
    assert row is not None
    return row.state


@databases()
async def test_batches_wait_in_order_until_the_end(database: str, tmp_path: Path) -> None:
    async with open_database(database, tmp_path) as storage:
        await add_district(storage)
        begun = await begin(storage, header())
        assert await stage(storage, begun, b"first", b"second") == [True, True]
        assert await waiting(storage, "monday") == [b"first", b"second"]
        async with storage.write() as connection:
            assert await complete_import(connection, begun, START)
            assert await unfinished_imports(connection) == [(MAPLE, "monday")]
            ended = dataclasses.replace(begun, update_time=START + dt.timedelta(hours=1))
            await end_import(connection, ended, ImportState.APPLIED, REPORT)
            assert await unfinished_imports(connection) == []
            row = await find_import(connection, MAPLE, "monday")
        assert await waiting(storage, "monday") == []
    assert row is not None
    assert row.header == header()
    assert row.report == REPORT
    assert row.end_time == START + dt.timedelta(hours=1)


@databases()
async def test_an_applied_import_is_answered_not_repeated(database: str, tmp_path: Path) -> None:
    async with open_database(database, tmp_path) as storage:
        await add_district(storage)
        begun = await begin(storage, header())
        async with storage.write() as connection:
            await complete_import(connection, begun, START)
        assert (await begin(storage, header())).state is ImportState.APPLYING
        async with storage.write() as connection:
            await end_import(connection, begun, ImportState.APPLIED, REPORT)
        again = await begin(storage, header())
    assert (again.state, again.attempt, again.report) == (ImportState.APPLIED, 1, REPORT)


@databases()
async def test_the_stored_header_is_returned_where_another_is_asked(
    database: str, tmp_path: Path
) -> None:
    async with open_database(database, tmp_path) as storage:
        await add_district(storage)
        await begin(storage, header())
        other = await begin(storage, header(mode=ImportMode.DELTA))
    assert other.header == header()


@databases()
@pytest.mark.parametrize("ending", ["refused", "abandoned", "receiving"])
async def test_an_import_that_was_not_applied_starts_anew(
    database: str, ending: str, tmp_path: Path
) -> None:
    async with open_database(database, tmp_path) as storage:
        await add_district(storage)
        first = await begin(storage, header())
        await stage(storage, first, b"first")
        async with storage.write() as connection:
            if ending == "refused":
                assert await refuse_import(connection, first, REPORT, START)
            elif ending == "abandoned":
                await abandon_import(connection, first, START)
        assert await state(storage, "monday") == ending
        second = await begin(storage, header())
        assert (second.state, second.attempt) == (ImportState.RECEIVING, 2)
        assert await waiting(storage, "monday") == []
        # What the first attempt still sends, or does, is nothing to the second.
        assert await stage(storage, first, b"late") == [False]
        async with storage.write() as connection:
            assert not await complete_import(connection, first, START)
            await abandon_import(connection, first, START)
        assert await stage(storage, second, b"new") == [True]
        assert await waiting(storage, "monday") == [b"new"]


@databases()
async def test_one_import_of_a_source_is_under_way(database: str, tmp_path: Path) -> None:
    async with open_database(database, tmp_path) as storage:
        await add_district(storage)
        monday = await begin(storage, header())
        await stage(storage, monday, b"first")
        with pytest.raises(ImportInProgress) as refused:
            await begin(storage, header("tuesday"), SILENCE.total_seconds())
        assert refused.value.import_id == "monday"
        await begin(storage, header("lunch", source="vendor"))
        await begin(storage, header("tuesday"), SILENCE.total_seconds() + 1)
        assert await state(storage, "monday") is ImportState.ABANDONED
        assert await waiting(storage, "monday") == []


@databases()
async def test_an_import_that_is_being_applied_is_never_silent(
    database: str, tmp_path: Path
) -> None:
    async with open_database(database, tmp_path) as storage:
        await add_district(storage)
        monday = await begin(storage, header())
        async with storage.write() as connection:
            await complete_import(connection, monday, START)
        with pytest.raises(ImportInProgress):
            await begin(storage, header("tuesday"), 10 * SILENCE.total_seconds())


@databases()
async def test_imports_are_listed_newest_first(database: str, tmp_path: Path) -> None:
    async with open_database(database, tmp_path) as storage:
        await add_district(storage)
        for number in range(5):
            source = f"source-{number}"
            await begin(storage, header(f"import-{number}", source), seconds=number // 2)
        seen: list[str] = []
        before = None
        while True:
            async with storage.read() as connection:
                page = await list_imports(connection, MAPLE, before=before, limit=2)
            if not page:
                break
            seen += [row.header.import_id for row in page]
            before = (to_micros(page[-1].create_time), page[-1].header.import_id)
    assert seen == [f"import-{number}" for number in (4, 3, 2, 1, 0)]
