"""Receive an import: a header, records and a footer, let wait until they are applied whole."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Callable
from contextlib import suppress

from sqlalchemy.ext.asyncio import AsyncConnection

from schoolbell.v1 import roster_pb2
from schoolbell.v1 import roster_service_pb2 as messages
from schoolbell.v1.error_reason_pb2 import ErrorReason
from schoolbell_server.config import LimitsConfig
from schoolbell_server.contract.fields import read_id
from schoolbell_server.contract.roster_answers import write_import
from schoolbell_server.contract.roster_guards import read_guards
from schoolbell_server.contract.roster_records import read_record, record_name
from schoolbell_server.rpc import field_reasons as reasons
from schoolbell_server.rpc.authentication import utc_now
from schoolbell_server.rpc.caller import current_caller
from schoolbell_server.rpc.errors import SchoolbellError
from schoolbell_server.rpc.field_reasons import FieldReason
from schoolbell_server.rpc.validation import Violations
from schoolbell_server.servicers.common.not_found import existing_district
from schoolbell_server.servicers.common.sources import check_records, check_source
from schoolbell_server.servicers.roster.import_finisher import (
    ImportFinisher,
    audit_import,
    refused_records,
    refused_whole,
)
from schoolbell_server.servicers.roster.import_limits import DEFAULT_LIMITS, Parts, bounded
from schoolbell_storage import roster_imports as imports
from schoolbell_storage.districts import lock_roster
from schoolbell_storage.engine import Storage
from schoolbell_storage.errors import StorageError
from schoolbell_storage.roster_checks import MOST_PROBLEMS, Problem, ProblemCode
from schoolbell_storage.roster_imports import (
    ImportHeader,
    ImportInProgress,
    ImportMode,
    ImportRow,
    ImportState,
)
from schoolbell_storage.roster_incoming import IncomingRecord, encode_incoming
from schoolbell_storage.roster_report import ImportReport

MOST_RECORDS = 1000
_BATCH = 1000  # records that are let wait in one transaction
_MISCOUNTED = "ERROR_REASON_IMPORT_COUNT_MISMATCH"
_MODES = {
    roster_pb2.IMPORT_MODE_FULL: ImportMode.FULL,
    roster_pb2.IMPORT_MODE_DELTA: ImportMode.DELTA,
}


class ImportReceiver:
    """Receives imports and waits for them to be finished."""

    def __init__(
        self,
        storage: Storage,
        finisher: ImportFinisher,
        now: Callable[[], dt.datetime] = utc_now,
        limits: LimitsConfig = DEFAULT_LIMITS,
    ) -> None:
        self._storage = storage
        self._finisher = finisher
        self._now = now
        self._limits = limits

    async def receive(self, parts: Parts) -> messages.ImportRosterResponse:
        """Receive one import and answer what became of it."""
        header = read_header(await anext(parts, None))
        begun = await self._begin(header)
        if begun.header != header:
            raise SchoolbellError(
                ErrorReason.ERROR_REASON_IMPORT_ID_REUSED,
                "the import id was used with another header",
                metadata={"import_id": header.import_id},
            )
        if begun.state is ImportState.RECEIVING:
            await self._receive_records(begun, parts)
        return await self._answer(header)

    async def _begin(self, header: ImportHeader) -> ImportRow:
        try:
            async with self._storage.write() as connection:
                await lock_roster(connection, header.district_id)
                await existing_district(connection, header.district_id)
                sources = current_caller().key.sources
                return await imports.begin_import(connection, header, self._now(), sources)
        except ImportInProgress as other:
            # It may wait for a server that is no more.
            self._finisher.start(header.district_id, other.import_id)
            raise _in_progress(other.import_id) from None

    async def _receive_records(self, begun: ImportRow, parts: Parts) -> None:
        reception = _Reception(self._storage, begun, self._now)
        try:
            async for part in bounded(parts, self._limits, begun.header.import_id):
                if await reception.take(part):
                    return
            raise _incomplete(begun, "the stream ended before the footer")
        except BaseException:
            with suppress(StorageError):
                await asyncio.shield(self._abandon(begun))
            raise

    async def _abandon(self, begun: ImportRow) -> None:
        async with self._storage.write() as connection:
            await imports.abandon_import(connection, begun, self._now())

    async def _answer(self, header: ImportHeader) -> messages.ImportRosterResponse:
        """Wait for the end of an import that arrived whole; it comes also if nobody waits."""
        await asyncio.shield(self._finisher.start(header.district_id, header.import_id))
        async with self._storage.read() as connection:
            row = await imports.find_import(connection, header.district_id, header.import_id)
        assert row is not None
        refusal = row.report.refusal
        if refusal is not None and (not header.validate_only or refusal.reason == _MISCOUNTED):
            raise SchoolbellError(
                ErrorReason.Value(refusal.reason),
                f"nothing was applied: {_told(row.report.problems[0])}",
                metadata=refusal.metadata,
            )
        return messages.ImportRosterResponse(roster_import=write_import(row))


class _Reception:
    """The records of one import while they arrive."""

    def __init__(self, storage: Storage, begun: ImportRow, now: Callable[[], dt.datetime]) -> None:
        self._storage = storage
        self._begun = begun
        self._now = now
        self._received = 0
        self._position = 0
        self._batch: list[IncomingRecord] = []
        self._problems: list[Problem] = []
        self._problem_total = 0

    async def take(self, part: messages.ImportRosterRequest) -> bool:
        """Take a part in; True after the footer, when everything waits or is refused."""
        header = self._begun.header
        if part.district_id not in ("", header.district_id):
            raise _incomplete(self._begun, "a later part names another district")
        match part.WhichOneof("part"):
            case "records":
                self._take_records(part.records)
                if len(self._batch) >= _BATCH:
                    await self._stage()
                return False
            case "footer":
                await self._end(part.footer.record_count)
                return True
            case other:
                raise _incomplete(self._begun, f"after the header came {other or 'an empty part'}")

    def _take_records(self, part: messages.ImportRosterRecords) -> None:
        violations = Violations()
        violations.count(part.records, "records.records", least=1, most=MOST_RECORDS)
        violations.refuse()
        for message in part.records:
            self._take_record(message)
            self._received += 1

    def _take_record(self, message: roster_pb2.RosterRecord) -> None:
        sound = True

        def report(
            path: str, description: str, _reason: FieldReason = reasons.BAD_FORMAT, /
        ) -> None:
            nonlocal sound
            sound = False
            self._problem_total += 1
            if len(self._problems) < MOST_PROBLEMS:
                self._problems.append(
                    Problem(
                        record_index=self._received,
                        name=record_name(message),
                        field=path.removeprefix(f"{message.WhichOneof('record')}."),
                        description=description,
                        code=ProblemCode.INVALID_FIELD,
                    )
                )

        removable = self._begun.header.mode is ImportMode.DELTA
        read = read_record(message, "", report, removable=removable)
        if sound and read is not None:
            self._batch.append(IncomingRecord(self._received, read.content, read.provided))

    async def _stage(self) -> None:
        async with self._storage.write() as connection:
            await self._stage_in(connection)

    async def _stage_in(self, connection: AsyncConnection) -> None:
        await check_records(
            connection, self._begun.header.district_id, (one.content for one in self._batch)
        )
        batch, self._batch = encode_incoming(self._batch), []
        staged = await imports.stage_batch(
            connection, self._begun, self._position, batch, self._now()
        )
        self._check_own(staged)
        self._position += 1

    async def _end(self, record_count: int) -> None:
        refusal = self._refusal(record_count)
        async with self._storage.write() as connection:
            if refusal is not None:
                self._check_own(
                    await imports.refuse_import(connection, self._begun, refusal, self._now())
                )
                return
            await self._stage_in(connection)
            self._check_own(await imports.complete_import(connection, self._begun, self._now()))
            await audit_import(
                connection,
                self._begun.header,
                self._now(),
                current_caller().actor,
                {"record_count": record_count},
            )

    def _refusal(self, record_count: int) -> ImportReport | None:
        header = self._begun.header
        if record_count != self._received:
            return refused_whole(
                _MISCOUNTED,
                f"the footer counts {record_count} records, {self._received} arrived",
                {"expected": str(record_count), "received": str(self._received)},
            )
        if self._problem_total:
            return refused_records(header, self._problems, self._problem_total)
        return None

    def _check_own(self, own: bool) -> None:
        """Stop where the same import was begun anew in another call."""
        if not own:
            raise _in_progress(self._begun.header.import_id)


def read_header(first: messages.ImportRosterRequest | None) -> ImportHeader:
    """Return what an import is, from its first part."""
    if first is None or not first.HasField("header"):
        raise SchoolbellError(
            ErrorReason.ERROR_REASON_IMPORT_INCOMPLETE,
            "the first part of an import is its header",
            metadata={"import_id": ""},
        )
    header, violations = first.header, Violations()
    read_id(header.import_id, "header.import_id", violations.add)
    read_id(header.source, "header.source", violations.add)
    if not header.mode:
        violations.add("header.mode", "is required", reasons.REQUIRED)
    guards = read_guards(header.guards, "header.guards.", violations.add)
    violations.refuse()
    check_source(header.source)
    return ImportHeader(
        district_id=first.district_id,
        import_id=header.import_id,
        mode=_MODES[header.mode],
        source=header.source,
        validate_only=header.validate_only,
        guards=guards,
    )


def _told(problem: Problem) -> str:
    """Return a problem as a clause that says which field of which record it is about."""
    if problem.record_index is None:
        return problem.description
    kind = f" ({problem.name.record_type.name.lower()})" if problem.name else ""
    field = f": {problem.field}" if problem.field else ""
    return f"record {problem.record_index}{kind}{field} {problem.description}"


def _incomplete(begun: ImportRow, why: str) -> SchoolbellError:
    return SchoolbellError(
        ErrorReason.ERROR_REASON_IMPORT_INCOMPLETE,
        f"nothing was applied: {why}",
        metadata={"import_id": begun.header.import_id},
    )


def _in_progress(import_id: str) -> SchoolbellError:
    return SchoolbellError(
        ErrorReason.ERROR_REASON_IMPORT_IN_PROGRESS,
        f"the import {import_id} is under way",
        metadata={"import_id": import_id},
    )
