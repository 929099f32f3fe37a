"""ImportRoster over a real connection: whole or not at all, and finished without the client."""

from __future__ import annotations

import asyncio
from pathlib import Path

import grpc
import pytest
from sqlalchemy import text

from schoolbell.v1 import roster_pb2
from schoolbell.v1 import roster_service_pb2 as messages
from schoolbell.v1.roster_service_pb2_grpc import RosterServiceStub
from schoolbell_server.security.api_key import Role
from schoolbell_server.servicers.roster.import_finisher import ImportFinisher
from schoolbell_storage.roster_dry_run import RosterDryRun
from schoolbell_storage.roster_imports import begin_import, complete_import, stage_batch
from schoolbell_storage.roster_incoming import IncomingRecord, encode_incoming
from schoolbell_storage.roster_records import UserRecord
from tests.service.district_server import Service, refused, serving
from tests.service.middleware_server import DISTRICT
from tests.service.observed import logged
from tests.service.paging import pages
from tests.service.roster_parts import (
    DELTA,
    FULL,
    Record,
    bring,
    counted,
    day,
    family,
    footer,
    header,
    look_up,
    parts,
    records,
    relationship,
    school,
    send,
    stay,
    student_ids,
    user,
)
from tests.storage.engines import databases
from tests.storage.imports import header as stored_header

NORTH = school("north")


@databases()
async def test_an_import_is_applied_whole_and_reported(database: str, tmp_path: Path) -> None:
    sent = [*family("b"), *family("a"), *NORTH]
    async with serving(tmp_path, database) as service:
        await service.add_district()
        version = await service.facts_version()
        done = await bring(service, "monday", sent, size=3)
        assert await look_up(service, "monday") == done
        assert await student_ids(service) == ["a", "b"]
        assert await service.facts_version() == version + 1
    assert done.state == roster_pb2.IMPORT_STATE_APPLIED
    assert (done.mode, done.source, done.validate_only) == (FULL, "sis", False)
    assert done.HasField("end_time")
    assert done.report.portal_relationship_count == 2
    assert done.report.problem_count == 0
    assert counted(done) == {
        "SCHOOL": (1, 0, 0, 0),
        "CALENDAR": (1, 0, 0, 0),
        "USER": (4, 0, 0, 0),
        "RELATIONSHIP": (2, 0, 0, 0),
        "ENROLLMENT": (2, 0, 0, 0),
    }


async def test_the_same_import_again_answers_the_first_report(tmp_path: Path) -> None:
    async with serving(tmp_path) as service:
        await service.add_district()
        first = await bring(service, "monday", [*NORTH, *family("a")])
        service.clock.pass_seconds(60)
        assert await bring(service, "monday", []) == first
        with refused("IMPORT_ID_REUSED") as refusal:
            await bring(service, "monday", [*NORTH], mode=DELTA)
    assert refusal.code is grpc.StatusCode.ALREADY_EXISTS
    assert refusal.metadata == {"import_id": "monday"}


async def test_a_full_import_deactivates_and_a_delta_does_not(tmp_path: Path) -> None:
    async with serving(tmp_path) as service:
        await service.add_district()
        await bring(service, "1", [*NORTH, *family("a"), *family("b")])
        await bring(service, "2", family("c"), mode=DELTA)
        assert await student_ids(service) == ["a", "b", "c"]
        left = [*NORTH, *family("a"), *family("c")]
        done = await bring(
            service, "3", left, guards=messages.ImportGuards(max_deactivated_percent=34)
        )
        assert await student_ids(service) == ["a", "c"]
        assert await student_ids(service, include_inactive=True) == ["a", "b", "c"]
    assert counted(done)["USER"] == (0, 0, 4, 2)


async def test_a_delta_deactivates_by_name(tmp_path: Path) -> None:
    gone = Record(
        relationship=roster_pb2.Relationship(student_id="a", guardian_id="a-mother"),
        deactivate=True,
    )
    async with serving(tmp_path) as service:
        await service.add_district()
        await bring(service, "1", [*NORTH, *family("a")])
        done = await bring(service, "2", [gone], mode=DELTA)
        with refused("IMPORT_RECORDS_REFUSED"):
            await bring(service, "3", [*NORTH, gone])
        refused_import = await look_up(service, "3")
    assert counted(done) == {"RELATIONSHIP": (0, 0, 0, 1)}
    assert done.report.portal_relationship_count == 0
    assert [problem.field for problem in refused_import.report.problems] == ["deactivate"]


async def test_too_many_deactivations_are_refused(tmp_path: Path) -> None:
    families = [record for number in range(20) for record in family(f"s{number}")]
    async with serving(tmp_path) as service:
        await service.add_district()
        await bring(service, "1", [*NORTH, *families])
        with refused("IMPORT_GUARD_EXCEEDED") as refusal:
            await bring(service, "2", [*NORTH, *families[44:]])
        assert len(await student_ids(service)) == 20
        done = await look_up(service, "2")
    assert refusal.code is grpc.StatusCode.FAILED_PRECONDITION
    assert refusal.metadata == {
        "import_id": "2",
        "guard": "max_deactivated_percent",
        "record_type": "RELATIONSHIP",
        "percent": "55.0",
        "max_percent": "5",
    }
    assert done.state == roster_pb2.IMPORT_STATE_REFUSED
    assert [
        (one.HasField("record_index"), one.record_type, one.field, one.code, one.severity)
        for one in done.report.problems
    ] == [
        (
            False,
            record_type,
            "max_deactivated_percent",
            roster_pb2.IMPORT_PROBLEM_CODE_GUARD_EXCEEDED,
            roster_pb2.IMPORT_PROBLEM_SEVERITY_ERROR,
        )
        for record_type in (
            roster_pb2.RECORD_TYPE_RELATIONSHIP,
            roster_pb2.RECORD_TYPE_USER,
            roster_pb2.RECORD_TYPE_ENROLLMENT,
        )
    ]
    assert counted(done)["RELATIONSHIP"] == (0, 0, 9, 11)
    assert done.report.portal_relationship_count == 9


async def test_a_dry_run_reports_and_applies_nothing(tmp_path: Path) -> None:
    async with serving(tmp_path) as service:
        await service.add_district()
        version = await service.facts_version()
        done = await bring(service, "1", [*NORTH, *family("a")], validate_only=True)
        bad = await bring(service, "2", [*NORTH, stay("ghost", "north")], validate_only=True)
        assert await student_ids(service) == []
        assert await service.facts_version() == version
    assert done.state == roster_pb2.IMPORT_STATE_VALIDATED
    assert counted(done)["USER"] == (2, 0, 0, 0)
    assert done.report.portal_relationship_count == 1
    assert bad.state == roster_pb2.IMPORT_STATE_REFUSED
    assert bad.report.problem_count == 1


async def test_without_portal_data_the_report_says_that_nobody_is_a_recipient(
    tmp_path: Path,
) -> None:
    async with serving(tmp_path) as service:
        await service.add_district()
        sent = [
            *NORTH,
            user("a"),
            stay("a", "north"),
            user("m"),
            relationship("a", "m", portal_enabled=False),
        ]
        done = await bring(service, "1", sent)
    assert done.report.portal_relationship_count == 0


async def test_bad_records_are_all_named_and_nothing_is_applied(tmp_path: Path) -> None:
    born = roster_pb2.User(user_id="kid", birth_date=day(2010, 2, 31))
    sent = [
        *NORTH,
        user(""),
        Record(user=born),
        relationship("a", "a", relation="r" * 129),
        stay("a", "north", start_date=None),
        stay("b", "north", end_date=day(2026, 8, 19)),
        Record(),
        Record(school=roster_pb2.School(school_id="s\n", time_zone="Mars")),
        Record(
            calendar=roster_pb2.Calendar(
                calendar_id="c",
                school_id="north",
                school_year=27,
                start_date=day(2026, 8, 1),
                end_date=day(2027, 6, 1),
                terms=[
                    roster_pb2.Term(term_id="T", start_date=day(2026, 8, 1)),
                    roster_pb2.Term(
                        term_id="T", start_date=day(2026, 8, 1), end_date=day(2026, 9, 1)
                    ),
                ],
            )
        ),
    ]
    async with serving(tmp_path) as service:
        await service.add_district()
        with refused("IMPORT_RECORDS_REFUSED") as refusal:
            await bring(service, "1", sent, size=2)
        done = await look_up(service, "1")
        assert await student_ids(service, include_inactive=True) == []
    found = {(problem.record_index, problem.field) for problem in done.report.problems}
    assert found == {
        (2, "user_id"),
        (3, "enabled"),
        (3, "birth_date"),
        (4, "guardian_id"),
        (4, "relation"),
        (5, "start_date"),
        (6, "end_date"),
        (7, "record"),
        (8, "school_id"),
        (8, "time_zone"),
        (9, "school_year"),
        (9, "terms[0].end_date"),
        (9, "terms[1].term_id"),
    }
    assert refusal.metadata == {"import_id": "1", "problem_count": "13"}
    assert refusal.message == "nothing was applied: record 2 (user): user_id is required"
    assert done.report.problem_count == 13
    about_birth = next(one for one in done.report.problems if one.field == "birth_date")
    assert "2010" not in about_birth.description
    assert (about_birth.record_type, about_birth.record_id) == (roster_pb2.RECORD_TYPE_USER, "kid")


async def test_dangling_references_are_problems(tmp_path: Path) -> None:
    sent = [*NORTH, user("a"), stay("a", "west"), relationship("a", "ghost")]
    async with serving(tmp_path) as service:
        await service.add_district()
        with refused("IMPORT_RECORDS_REFUSED"):
            await bring(service, "1", sent)
        problems = (await look_up(service, "1")).report.problems
    assert [(one.record_index, one.record_id, one.field) for one in problems] == [
        (3, "a@west", "calendar_id"),
        (4, "a/ghost", "guardian_id"),
    ]
    assert "west:2027" in problems[0].description


async def test_at_most_a_thousand_problems_are_kept_and_all_counted(tmp_path: Path) -> None:
    async with serving(tmp_path) as service:
        await service.add_district()
        with refused("IMPORT_RECORDS_REFUSED") as refusal:
            await bring(service, "1", [user("")] * 1200)
        done = await look_up(service, "1")
        with refused("IMPORT_RECORDS_REFUSED"):
            await bring(service, "2", [stay(f"s{number}", "north") for number in range(700)])
        loose = await look_up(service, "2")
    assert refusal.metadata["problem_count"] == "1200"
    assert (done.report.problem_count, len(done.report.problems)) == (1200, 1000)
    assert (loose.report.problem_count, len(loose.report.problems)) == (1400, 1000)


@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        ([records(*NORTH)], "IMPORT_INCOMPLETE"),
        ([], "IMPORT_INCOMPLETE"),
        ([header("1"), records(*NORTH)], "IMPORT_INCOMPLETE"),
        ([header("1"), header("1")], "IMPORT_INCOMPLETE"),
        ([header("1"), messages.ImportRosterRequest(district_id=DISTRICT)], "IMPORT_INCOMPLETE"),
        ([header("1"), records(*NORTH), footer(3)], "IMPORT_COUNT_MISMATCH"),
        ([header("1", validate_only=True), footer(1)], "IMPORT_COUNT_MISMATCH"),
        ([header("1"), records()], "INVALID_FIELD"),
        ([header("1"), records(*NORTH * 501)], "INVALID_FIELD"),
    ],
)
async def test_without_a_matching_footer_nothing_is_applied(
    sent: list[messages.ImportRosterRequest], reason: str, tmp_path: Path
) -> None:
    async with serving(tmp_path) as service:
        await service.add_district()
        version = await service.facts_version()
        with refused(reason) as refusal:
            await send(service, sent)
        assert await service.facts_version() == version
        # The id is free for another try.
        if sent and sent[0].HasField("header"):
            assert (await look_up(service, "1")).state in (
                roster_pb2.IMPORT_STATE_ABANDONED,
                roster_pb2.IMPORT_STATE_REFUSED,
            )
            again = parts("1", NORTH, validate_only=sent[0].header.validate_only)
            state = (await send(service, again)).state
            assert state == (
                roster_pb2.IMPORT_STATE_VALIDATED
                if sent[0].header.validate_only
                else roster_pb2.IMPORT_STATE_APPLIED
            )
    assert refusal.code is grpc.StatusCode.INVALID_ARGUMENT


async def test_later_parts_may_leave_the_district_empty_but_name_no_other(tmp_path: Path) -> None:
    async with serving(tmp_path) as service:
        service.sis = service.keys.new(Role.PUBLISHER, "-")
        await service.add_district()
        await service.add_district("elm-district")
        for name, reason in (("", ""), ("elm-district", "IMPORT_INCOMPLETE")):
            sent = parts(f"import-{reason}", NORTH)
            for part in sent[1:]:
                part.district_id = name
            if reason:
                with refused(reason):
                    await send(service, sent)
            else:
                assert (await send(service, sent)).state == roster_pb2.IMPORT_STATE_APPLIED


async def test_every_bad_field_of_a_header_is_named(tmp_path: Path) -> None:
    bad = messages.ImportRosterHeader(
        guards=messages.ImportGuards(max_deactivated_percent=float("nan"))
    )
    async with serving(tmp_path) as service:
        await service.add_district()
        with refused("INVALID_FIELD") as refusal:
            await send(service, [messages.ImportRosterRequest(district_id=DISTRICT, header=bad)])
    assert set(refusal.fields) == {
        "header.import_id",
        "header.source",
        "header.mode",
        "header.guards.max_deactivated_percent",
    }


async def test_a_key_speaks_only_for_its_sources(tmp_path: Path) -> None:
    async with serving(tmp_path) as service:
        await service.add_district()
        service.sis = service.keys.new(Role.PUBLISHER, sources=frozenset({"sis"}))
        await bring(service, "1", NORTH)
        with refused("SOURCE_NOT_ALLOWED") as refusal:
            await bring(service, "2", NORTH, source="vendor")
    assert refusal.metadata == {"source": "vendor"}


async def test_an_unknown_district_takes_no_import(tmp_path: Path) -> None:
    async with serving(tmp_path) as service:
        with refused("DISTRICT_NOT_FOUND"):
            await bring(service, "1", NORTH)


class Held:
    """An import whose client has sent everything but what comes next."""

    def __init__(self, service: Service, *sent: messages.ImportRosterRequest) -> None:
        self._call = service.stub(RosterServiceStub, service.sis).ImportRoster()
        self._sent = sent
        self._service = service

    async def begin(self, import_id: str) -> None:
        """Send, and wait until the server has begun to receive."""
        for part in self._sent:
            await self._call.write(part)
        await until(self._service, import_id, roster_pb2.IMPORT_STATE_RECEIVING)

    async def write(self, part: messages.ImportRosterRequest) -> None:
        await self._call.write(part)

    async def leave(self) -> None:
        self._call.cancel()

    async def answer(self) -> roster_pb2.RosterImport:
        await self._call.done_writing()
        done: roster_pb2.RosterImport = (await self._call).roster_import
        return done


async def until(service: Service, import_id: str, *states: int) -> roster_pb2.RosterImport:
    """Wait until an import stands so."""
    async with asyncio.timeout(20):
        while True:
            try:
                found = await look_up(service, import_id)
            except grpc.aio.AioRpcError:
                found = roster_pb2.RosterImport()
            if found.state in states:
                return found
            await asyncio.sleep(0.01)


async def test_a_client_that_leaves_early_abandons_its_import(tmp_path: Path) -> None:
    async with serving(tmp_path) as service:
        await service.add_district()
        held = Held(service, header("1"), records(*NORTH))
        await held.begin("1")
        await held.leave()
        await until(service, "1", roster_pb2.IMPORT_STATE_ABANDONED)
        assert (await bring(service, "1", NORTH)).state == roster_pb2.IMPORT_STATE_APPLIED


async def test_after_the_footer_it_finishes_without_the_client(tmp_path: Path) -> None:
    async with serving(tmp_path) as service:
        await service.add_district()
        service.finishing.clear()
        held = Held(service, header("1"))
        await held.begin("1")
        await held.write(records(*NORTH, *family("a")))
        await held.write(footer(6))
        await until(service, "1", roster_pb2.IMPORT_STATE_APPLYING)
        await held.leave()
        service.finishing.set()
        await until(service, "1", roster_pb2.IMPORT_STATE_APPLIED)
        assert await student_ids(service) == ["a"]


async def test_a_drain_waits_for_what_is_being_finished(tmp_path: Path) -> None:
    async with serving(tmp_path) as service:
        await service.add_district()
        service.finishing.clear()
        held = Held(service, header("1"))
        await held.begin("1")
        await held.write(footer(0))
        await until(service, "1", roster_pb2.IMPORT_STATE_APPLYING)
        drained = asyncio.create_task(service.finisher.drain())
        await look_up(service, "1")
        assert not drained.done()
        service.finishing.set()
        await drained
        assert (await look_up(service, "1")).state == roster_pb2.IMPORT_STATE_APPLIED


async def test_an_import_that_arrived_whole_survives_its_server(tmp_path: Path) -> None:
    async with serving(tmp_path) as service:
        await service.add_district()
        await _arrive_whole(service)
        later = ImportFinisher(service.storage, service.clock)
        await later.resume()
        await later.drain()
        done = await look_up(service, "monday")
    assert done.state == roster_pb2.IMPORT_STATE_APPLIED
    assert counted(done) == {"USER": (1, 0, 0, 0)}


async def test_an_import_that_cannot_be_finished_is_told_and_finished_later(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(tmp_path) as service:
        await service.add_district()
        await _arrive_whole(service)
        async with service.storage.write() as connection:
            await connection.execute(text("ALTER TABLE roster_stage RENAME TO elsewhere"))
        broken = ImportFinisher(service.storage, service.clock)
        await broken.resume()
        await broken.drain()
        assert logged(caplog, "import not finished", import_id="monday")
        assert (await look_up(service, "monday")).state == roster_pb2.IMPORT_STATE_APPLYING
        async with service.storage.write() as connection:
            await connection.execute(text("ALTER TABLE elsewhere RENAME TO roster_stage"))
        later = ImportFinisher(service.storage, service.clock)
        await later.resume()
        await later.drain()
        done = await look_up(service, "monday")
    assert done.state == roster_pb2.IMPORT_STATE_APPLIED


async def test_asking_again_finishes_what_arrived_whole(tmp_path: Path) -> None:
    async with serving(tmp_path) as service:
        await service.add_district()
        await _arrive_whole(service)
        with refused("IMPORT_IN_PROGRESS") as refusal:
            await bring(service, "tuesday", NORTH)
        assert refusal.metadata == {"import_id": "monday"}
        done = await bring(
            service,
            "monday",
            [],
            guards=messages.ImportGuards(max_deactivated_percent=2.5, allow_bar_loss=True),
        )
    assert counted(done) == {"USER": (1, 0, 0, 0)}


async def _arrive_whole(service: Service) -> None:
    batch = encode_incoming([IncomingRecord(0, UserRecord(user_id="a", enabled=True))])
    async with service.storage.write() as connection:
        begun = await begin_import(connection, stored_header(), service.clock())
        assert begun.header.district_id == DISTRICT
        assert await stage_batch(connection, begun, 0, batch, service.clock())
        assert await complete_import(connection, begun, service.clock())


@databases()
async def test_what_is_written_by_hand_before_an_import_is_applied_counts(
    database: str, tmp_path: Path
) -> None:
    async with serving(tmp_path, database) as service:
        await service.add_district()
        await bring(service, "1", [*NORTH, *family("a"), *family("b")])
        service.finishing.clear()
        service.to_finish.clear()
        dangling = asyncio.create_task(
            bring(service, "2", [relationship("a", "b-mother"), user("c")], mode=DELTA)
        )
        await service.to_finish.wait()
        await service.roster.DeactivateRecords(
            messages.DeactivateRecordsRequest(
                district_id=DISTRICT, source="sis", user_ids=["b-mother"]
            )
        )
        service.finishing.set()
        with refused("IMPORT_RECORDS_REFUSED"):
            await dangling
        assert await student_ids(service) == ["a", "b"]
        problems = (await look_up(service, "2")).report.problems
    assert [(one.record_id, one.field) for one in problems] == [("a/b-mother", "guardian_id")]


@databases()
async def test_what_comes_to_another_source_before_an_import_is_applied_is_not_the_imports(
    database: str, tmp_path: Path
) -> None:
    async with serving(tmp_path, database) as service:
        await service.add_district()
        sis, lunch = service.sis, service.keys.new(Role.PUBLISHER, sources=frozenset({"lunch"}))
        service.finishing.clear()
        service.to_finish.clear()
        service.sis = lunch
        taken = [user("freshman"), user("accomplice"), relationship("freshman", "accomplice")]
        importing = asyncio.create_task(bring(service, "1", taken, mode=DELTA, source="lunch"))
        await service.to_finish.wait()
        service.sis = sis
        await service.roster.UpsertRecords(
            messages.UpsertRecordsRequest(
                district_id=DISTRICT, source="sis", records=[user("freshman")]
            )
        )
        service.finishing.set()
        with refused("IMPORT_RECORDS_REFUSED"):
            await importing
        problems = (await look_up(service, "1")).report.problems
        with refused("USER_NOT_FOUND"):
            await service.roster.GetUser(
                messages.GetUserRequest(district_id=DISTRICT, user_id="accomplice")
            )
    assert [(one.record_index, one.record_id) for one in problems] == [
        (0, "freshman"),
        (2, "freshman/accomplice"),
    ]


async def test_an_import_that_is_disturbed_all_the_time_keeps_others_away_in_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[bool] = []

    async def moved(_dry_run: RosterDryRun) -> bool:
        looked.append(False)
        return False

    monkeypatch.setattr(RosterDryRun, "still_holds", moved)
    async with serving(tmp_path) as service:
        await service.add_district()
        done = await bring(service, "1", [*NORTH, *family("a")])
        assert await student_ids(service) == ["a"]
        assert len(await service.audit()) == 3
    assert done.state == roster_pb2.IMPORT_STATE_APPLIED
    assert len(looked) == 5


async def test_one_import_of_a_source_is_under_way(tmp_path: Path) -> None:
    async with serving(tmp_path) as service:
        await service.add_district()
        held = Held(service, header("1"))
        await held.begin("1")
        with refused("IMPORT_IN_PROGRESS") as refusal:
            await bring(service, "2", NORTH)
        assert refusal.code is grpc.StatusCode.ABORTED
        assert refusal.metadata == {"import_id": "1"}
        await bring(service, "2", NORTH, source="vendor")
        await held.write(footer(0))
        assert (await held.answer()).state == roster_pb2.IMPORT_STATE_APPLIED
        await bring(service, "3", NORTH)


async def test_the_same_import_begun_anew_ends_the_older_call(tmp_path: Path) -> None:
    async with serving(tmp_path) as service:
        await service.add_district()
        older = Held(service, header("1"))
        await older.begin("1")
        assert (await bring(service, "1", NORTH)).state == roster_pb2.IMPORT_STATE_APPLIED
        await older.write(footer(0))
        with refused("IMPORT_IN_PROGRESS"):
            await older.answer()
        assert counted(await look_up(service, "1"))["SCHOOL"] == (1, 0, 0, 0)


async def test_imports_are_paged_newest_first_without_their_problems(tmp_path: Path) -> None:
    async with serving(tmp_path) as service:
        await service.add_district()
        with refused("IMPORT_RECORDS_REFUSED"):
            await bring(service, "bad", [user("")])
        for number in range(4):
            service.clock.pass_seconds(1)
            await bring(service, f"{number}", [])
        request = messages.ListImportsRequest(district_id=DISTRICT, page_size=2)
        seen = [
            one
            async for page in pages(service.roster.ListImports, request)
            for one in page.roster_imports
        ]
        with refused("IMPORT_NOT_FOUND"):
            await look_up(service, "ghost")
    assert [one.import_id for one in seen] == ["3", "2", "1", "0", "bad"]
    assert seen[-1].report.problem_count == 1
    assert not seen[-1].report.problems
