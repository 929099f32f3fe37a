"""An import whose server is killed is whole or not at all, and is finished by the next server."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from schoolbell_storage.audit import AuditQuery, list_audit
from schoolbell_storage.engine import open_storage, sqlite_url
from schoolbell_storage.roster_guards import Guards
from schoolbell_storage.roster_imports import (
    ImportState,
    begin_import,
    complete_import,
    find_import,
    stage_batch,
)
from schoolbell_storage.roster_incoming import IncomingRecord, encode_incoming
from tests.programs import run
from tests.storage.engines import SQLITE, database_url
from tests.storage.imports import header
from tests.storage.rosters import MAPLE, START, add_district, everything, family, school, write

NEVER = 10**9  # steps
_ROOT = Path(__file__).parents[2]
_TIMES = ("update_time", "set_time")
LOOSE = Guards(
    max_deactivated_percent=100.0,
    max_portal_loss_percent=100.0,
    max_birth_date_loss_percent=100.0,
    allow_bar_loss=True,
)
OLD = [*school("north"), *family("a", "north"), *family("b", "north")]
NEW = [*school("north"), *family("a", "north", guardians=("aunt",)), *family("c", "north")]


@dataclass(frozen=True, slots=True)
class Found:
    """What a database holds after its server is gone."""

    state: ImportState
    rows: Sequence[tuple[object, ...]]
    entries: int
    """Of the audit log."""


async def test_a_kill_at_any_step_leaves_the_old_roster_or_the_new_one(tmp_path: Path) -> None:
    async with database_url(SQLITE, tmp_path) as url:
        await _arrive_whole(url)
    origin = Path(url.removeprefix("sqlite+aiosqlite:///"))
    old = await _found(origin)
    finished = _copies(origin, tmp_path / "finished", [NEVER])
    steps = int(await _finish(finished.items()))
    new = await _found(finished[NEVER])
    assert new.state is ImportState.APPLIED and new.rows != old.rows
    assert (old.state, old.entries, new.entries) == (ImportState.APPLYING, 0, 1)
    killed = _copies(
        origin,
        tmp_path / "killed",
        [*range(1, steps - 40, 9), *range(steps - 40, steps + 1, 2), steps],
    )
    assert await _finish(killed.items()) == "", (
        "every one was killed, the last one before it committed"
    )
    assert all([await _found(file) == old for file in killed.values()])
    await _finish((NEVER, file) for file in killed.values())
    assert all([await _found(file) == new for file in killed.values()])


def _copies(origin: Path, folder: Path, steps: Iterable[int]) -> dict[int, Path]:
    """Return a copy of a database for each of the steps at which its server dies."""
    folder.mkdir()
    files = {step: folder / f"{step}.db" for step in steps}
    for file in files.values():
        shutil.copyfile(origin, file)
    return files


async def _finish(jobs: Iterable[tuple[int, Path]]) -> str:
    """Let a server finish what waits in each database; return the steps of those that end."""
    named = [str(part) for job in jobs for part in job]
    ended = await run(sys.executable, "-m", "tests.storage.dying", *named, cwd=_ROOT)
    assert ended.code == 0, ended.err
    return ended.out


async def _found(file: Path) -> Found:
    storage = open_storage(sqlite_url(file))
    try:
        async with storage.read() as connection:
            row = await find_import(connection, MAPLE, "monday")
            entries = await list_audit(connection, AuditQuery(district_id=MAPLE))
        assert row is not None
        return Found(row.state, await everything(storage, but=_TIMES), len(entries))
    finally:
        await storage.close()


async def _arrive_whole(url: str) -> None:
    """Store a roster, and an import that has arrived and is not applied."""
    storage = open_storage(url)
    await add_district(storage)
    await write(storage, OLD, days=-1)
    async with storage.write() as connection:
        begun = await begin_import(connection, replace(header(), guards=LOOSE), START)
        batch = encode_incoming(IncomingRecord(index, one) for index, one in enumerate(NEW))
        assert await stage_batch(connection, begun, 0, batch, START)
        assert await complete_import(connection, begun, START)
    await storage.close()
