"""Apply imports that arrived whole: a task of the server, not of the call that brought them."""

from __future__ import annotations

import asyncio
import dataclasses
import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncConnection

from schoolbell_server.domain.principal import Principal, PrincipalType
from schoolbell_server.observability.log import get_logger
from schoolbell_server.rpc.authentication import utc_now
from schoolbell_storage import roster_imports as imports
from schoolbell_storage.audit import Actor, Document, append_audit
from schoolbell_storage.districts import lock_roster, move_roster
from schoolbell_storage.engine import Storage
from schoolbell_storage.roster import count_portal_relationships
from schoolbell_storage.roster_checks import (
    MOST_PROBLEMS,
    Problem,
    ProblemCode,
    RecordsRefused,
    Severity,
)
from schoolbell_storage.roster_dry_run import begin_dry_run
from schoolbell_storage.roster_guards import Excess, GuardsExceeded
from schoolbell_storage.roster_imports import (
    ImportHeader,
    ImportMode,
    ImportRow,
    ImportState,
)
from schoolbell_storage.roster_report import ImportRefusal, ImportReport
from schoolbell_storage.roster_write import RosterWrite, change_roster

IMPORT_ROSTER = "schoolbell.v1.RosterService/ImportRoster"
_FINISHER = Actor(Principal(PrincipalType.SYSTEM, "imports"))
"""Who applies what arrived whole: the server, also if its caller is long gone."""
_DRY_RUNS = 5
"""How often an import is run dry for SQLite, where others write into the roster meanwhile; then
it keeps them away."""
logger = get_logger(__name__)


class ImportFinisher:
    """Finishes imports, each once at a time; `drain` before the storage is closed."""

    def __init__(self, storage: Storage, now: Callable[[], dt.datetime] = utc_now) -> None:
        self._storage = storage
        self._now = now
        self._tasks: dict[tuple[str, str], asyncio.Task[None]] = {}

    def start(self, district_id: str, import_id: str) -> asyncio.Task[None]:
        """Finish an import, or return the task that is already at it; shield what waits for it."""
        name = (district_id, import_id)
        if name not in self._tasks:
            task = asyncio.create_task(
                self._finish(district_id, import_id), name=f"import {district_id}/{import_id}"
            )
            self._tasks[name] = task
            task.add_done_callback(lambda done: self._forget(name, done))
        return self._tasks[name]

    async def resume(self) -> None:
        """Finish what an earlier server left behind."""
        async with self._storage.read() as connection:
            for district_id, import_id in await imports.unfinished_imports(connection):
                self.start(district_id, import_id)

    async def drain(self) -> None:
        """Wait until nothing is being finished."""
        while self._tasks:
            await asyncio.wait(list(self._tasks.values()))

    def _forget(self, name: tuple[str, str], task: asyncio.Task[None]) -> None:
        del self._tasks[name]
        if not task.cancelled() and (error := task.exception()) is not None:
            district_id, import_id = name
            fields = {"district_id": district_id, "import_id": import_id}
            logger.error("import not finished", extra=fields, exc_info=error)

    async def _finish(self, district_id: str, import_id: str) -> None:
        async with self._storage.read() as connection:
            row = await imports.find_import(connection, district_id, import_id)
        if row is None or row.state is not ImportState.APPLYING:
            return
        for _ in range(_DRY_RUNS if self._storage.dialect == "sqlite" else 0):
            if await self._try_dry(row):
                return
        await self._apply(row)

    async def _try_dry(self, row: ImportRow) -> bool:
        """Work out what an import does, and then do it; False if the roster moved meanwhile.

        SQLite has one writer: nobody waits for it longer than what really changes takes to write.
        """
        write = self._write_of(row)
        async with self._storage.aside() as connection:
            dry_run = await begin_dry_run(connection, write.district_id)
            outcome = await self._judge(connection, write, row)
            applies = outcome.state is ImportState.APPLIED
            if applies:
                await dry_run.compare()
            async with self._storage.write(on=connection) as writing:
                if not await self._lock(writing, row):
                    return True
                same = await (dry_run.repeat() if applies else dry_run.still_holds())
                if same:
                    await self._end(writing, row, outcome)
                return same

    async def _apply(self, row: ImportRow) -> None:
        """Do what an import does in the transaction that finds it out."""
        write = self._write_of(row)
        try:
            async with self._storage.write(timed=False) as connection:
                if not await self._lock(connection, row):
                    return
                outcome = await self._judge(connection, write, row)
                if outcome.state is not ImportState.APPLIED:
                    raise _NotApplied(outcome)
                await self._end(connection, row, outcome)
        except _NotApplied as refused:
            async with self._storage.write() as connection:
                if await self._lock(connection, row):
                    await self._end(connection, row, refused.outcome)

    def _write_of(self, row: ImportRow) -> RosterWrite:
        return RosterWrite(
            district_id=row.header.district_id,
            source=row.header.source,
            now=self._now(),
            full=row.header.mode is ImportMode.FULL,
            guards=row.header.guards,
            sources=row.sources,
        )

    async def _judge(
        self, connection: AsyncConnection, write: RosterWrite, row: ImportRow
    ) -> _Outcome:
        """Write what was staged into what the connection takes for the roster, and report."""
        header = row.header
        batches = imports.staged_batches(connection, header.district_id, header.import_id)
        try:
            done = await change_roster(connection, write, batches)
        except RecordsRefused as refused:
            report = refused_records(header, refused.problems, refused.total)
            return _Outcome(ImportState.REFUSED, report, write.now)
        except GuardsExceeded as exceeded:
            portal = await count_portal_relationships(connection, header.district_id)
            return _Outcome(ImportState.REFUSED, _guarded(header, exceeded, portal), write.now)
        report = ImportReport(
            counts=done.counts,
            portal_relationships=await count_portal_relationships(connection, header.district_id),
            problems=[*map(_allowed, done.lost_bars), *done.takeover.problems][:MOST_PROBLEMS],
            problem_total=done.lost_bar_total + done.takeover.total,
        )
        state = ImportState.VALIDATED if header.validate_only else ImportState.APPLIED
        return _Outcome(state, report, write.now, done.takeover.total)

    async def _end(self, connection: AsyncConnection, row: ImportRow, outcome: _Outcome) -> None:
        """Write down how an import ended, in the transaction that applied it."""
        if outcome.state is ImportState.APPLIED and any(
            count.touched for count in outcome.report.counts.values()
        ):
            await move_roster(connection, row.header.district_id)
        ended = dataclasses.replace(row, update_time=outcome.time)
        await imports.end_import(connection, ended, outcome.state, outcome.report)
        result = _result(outcome.state.value, outcome.report)
        if outcome.taken_over:
            result = {**result, "taken_over": outcome.taken_over}
        await audit_import(connection, row.header, outcome.time, _FINISHER, result)

    async def _lock(self, connection: AsyncConnection, row: ImportRow) -> bool:
        """Keep other writers of the roster away; False if another server was faster."""
        header = row.header
        await lock_roster(connection, header.district_id)
        present = await imports.find_import(
            connection, header.district_id, header.import_id, lock=True
        )
        return present is not None and present.state is ImportState.APPLYING


async def audit_import(
    connection: AsyncConnection,
    header: ImportHeader,
    now: dt.datetime,
    actor: Actor,
    what: Document,
) -> None:
    """Write down that an import arrived, by its caller, or how it ended, by the service.

    One that is only validated leaves no entry: it changes nothing.
    """
    if not header.validate_only:
        await append_audit(
            connection,
            district_id=header.district_id,
            now=now,
            actor=actor,
            action=IMPORT_ROSTER,
            changes=[
                (
                    f"imports/{header.import_id}",
                    {},
                    {"source": header.source, "mode": header.mode.value, **what},
                )
            ],
        )


def _result(state: str, report: ImportReport) -> Document:
    """Return how an import ended, and how many records it wrote by type."""
    counts = {
        record_type.name.lower(): {"created": one.created, "updated": one.updated}
        | {"deactivated": one.deactivated}
        for record_type, one in sorted(report.counts.items())
    }
    return {"state": state, "counts": counts}


def refused_records(header: ImportHeader, problems: Sequence[Problem], total: int) -> ImportReport:
    """Return the report of an import whose records are refused."""
    metadata = {"import_id": header.import_id, "problem_count": str(total)}
    return ImportReport(
        problems=problems,
        problem_total=total,
        refusal=ImportRefusal("ERROR_REASON_IMPORT_RECORDS_REFUSED", metadata),
    )


def refused_whole(reason: str, description: str, metadata: Mapping[str, str]) -> ImportReport:
    """Return the report of an import that is refused as a whole."""
    problem = Problem(
        record_index=None,
        name=None,
        field="",
        description=description,
        code=ProblemCode.UNSPECIFIED,
    )
    return ImportReport(
        problems=[problem], problem_total=1, refusal=ImportRefusal(reason, metadata)
    )


def guard_metadata(excess: Excess) -> Mapping[str, str]:
    """Return what the error of an exceeded guard carries besides its text."""
    metadata = {"guard": excess.guard, "record_type": excess.record_type.name}
    if excess.percent is not None and excess.most is not None:
        metadata |= {"percent": f"{excess.percent:.1f}", "max_percent": f"{excess.most:g}"}
    return metadata


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What became of an import, and when."""

    state: ImportState
    report: ImportReport
    time: dt.datetime
    taken_over: int = 0
    """How many records of callers limited to other sources came to the import's source, ended or
    stayed with them."""


class _NotApplied(Exception):
    """An import is not to be applied: what was written for it is rolled back."""

    def __init__(self, outcome: _Outcome) -> None:
        super().__init__(outcome.state)
        self.outcome = outcome


def _guarded(header: ImportHeader, exceeded: GuardsExceeded, portal: int) -> ImportReport:
    metadata = {"import_id": header.import_id} | dict(guard_metadata(exceeded.excess))
    return ImportReport(
        counts=exceeded.counts,
        portal_relationships=portal,
        problems=exceeded.problems,
        problem_total=exceeded.total,
        refusal=ImportRefusal("ERROR_REASON_IMPORT_GUARD_EXCEEDED", metadata),
    )


def _allowed(lost: Problem) -> Problem:
    """Return a bar's loss as it is reported where it was allowed."""
    return dataclasses.replace(lost, severity=Severity.WARNING)
