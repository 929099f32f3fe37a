"""RosterService over a real connection: changes by hand, readers and the active year."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import grpc
from sqlalchemy import select

from schoolbell.v1 import district_service_pb2, roster_pb2
from schoolbell.v1 import roster_service_pb2 as messages
from schoolbell.v1.roster_service_pb2_grpc import RosterServiceStub
from schoolbell_storage.tables import audit_entry
from tests.service.district_server import Service, refused, serving
from tests.service.middleware_server import DISTRICT
from tests.service.roster_parts import (
    Record,
    bring,
    family,
    relationship,
    school,
    stay,
    student_ids,
    user,
)
from tests.storage.engines import databases

NORTH = school("north")


async def upsert(service: Service, *sent: Record, **fields: Any) -> dict[str, tuple[int, ...]]:
    """Write records as an administrator of the office; return the counts by type."""
    request = messages.UpsertRecordsRequest(
        district_id=DISTRICT, **({"source": "office", "records": sent} | fields)
    )
    office = service.stub(RosterServiceStub, service.administrator)
    return _counts((await office.UpsertRecords(request)).counts)


async def deactivate(service: Service, **fields: Any) -> dict[str, tuple[int, ...]]:
    request = messages.DeactivateRecordsRequest(
        district_id=DISTRICT, **({"source": "office"} | fields)
    )
    return _counts((await service.roster.DeactivateRecords(request)).counts)


def _counts(counts: Any) -> dict[str, tuple[int, ...]]:
    return {
        roster_pb2.RecordType.Name(one.record_type).removeprefix("RECORD_TYPE_"): (
            one.created_count,
            one.updated_count,
            one.unchanged_count,
            one.deactivated_count,
        )
        for one in counts
    }


async def student(service: Service, student_id: str) -> messages.Student:
    request = messages.GetStudentRequest(district_id=DISTRICT, student_id=student_id)
    found: messages.Student = (await service.roster.GetStudent(request)).student
    return found


@databases()
async def test_records_written_by_hand_are_read_back(database: str, tmp_path: Path) -> None:
    names = roster_pb2.PersonNames(given_name="Zoë", family_name="Núñez", preferred_name="Zo")
    async with serving(tmp_path, database) as service:
        await service.add_district()
        counts = await upsert(service, *family("a"), user("b", names=names), *NORTH)
        again = await upsert(service, *family("a"))
        found = await student(service, "a")
        request = messages.GetUserRequest(district_id=DISTRICT, user_id="b")
        named = (await service.roster.GetUser(request)).user
    assert counts["USER"] == (3, 0, 0, 0)
    assert again["USER"] == (0, 0, 2, 0)
    assert found.user.origin.source == "office"
    assert not found.user.origin.HasField("deactivate_time")
    assert [one.guardian_id for one in found.relationships] == ["a-mother"]
    assert [one.calendar_id for one in found.enrollments] == ["north:2027"]
    assert named.names == names


async def test_all_or_none_are_written(tmp_path: Path) -> None:
    async with serving(tmp_path) as service:
        await service.add_district()
        with refused("RECORD_NOT_FOUND") as refusal:
            await upsert(service, *NORTH, user("a"), stay("a", "west"))
        assert refusal.code is grpc.StatusCode.NOT_FOUND
        assert refusal.metadata == {"record_type": "CALENDAR", "record_id": "west:2027"}
        with refused("USER_NOT_FOUND"):
            request = messages.GetUserRequest(district_id=DISTRICT, user_id="a")
            await service.roster.GetUser(request)


async def test_every_bad_field_is_named_with_its_record(tmp_path: Path) -> None:
    async with serving(tmp_path) as service:
        await service.add_district()
        with refused("INVALID_FIELD") as refusal:
            gone = Record(user=roster_pb2.User(user_id="x"), deactivate=True)
            await upsert(
                service, user("fine"), user(""), relationship("a", "a"), gone, Record(), source=""
            )
        assert set(refusal.fields) == {
            "source",
            "records[1].user.user_id",
            "records[2].relationship.guardian_id",
            "records[3].deactivate",
            "records[4].record",
        }
        with refused("INVALID_FIELD") as refusal:
            await upsert(service, user("a"), user("b"), user("a"))
        assert refusal.fields == {"records[2]": "records[2] was already record 0."}
        for sent in ([], [user(f"u{number}") for number in range(501)]):
            with refused("INVALID_FIELD") as refusal:
                await upsert(service, *sent)
            assert set(refusal.fields) == {"records"}


async def test_a_dry_run_counts_and_writes_nothing(tmp_path: Path) -> None:
    async with serving(tmp_path) as service:
        await service.add_district()
        await upsert(service, user("a"))
        version, audited = await service.facts_version(), await service.audit()
        barred = relationship("a", "b", barred=True)
        counts = await upsert(service, user("a"), user("b"), barred, validate_only=True)
        gone = await deactivate(service, user_ids=["a"], validate_only=True)
        assert await service.facts_version() == version
        assert await service.audit() == audited
    assert counts == {"USER": (1, 0, 1, 0), "RELATIONSHIP": (1, 0, 0, 0)}
    assert gone == {"USER": (0, 0, 0, 1)}


async def test_records_are_deactivated_all_or_none(tmp_path: Path) -> None:
    async with serving(tmp_path) as service:
        await service.add_district()
        await bring(service, "1", [*NORTH, *family("a"), *family("b")])
        relationships = [messages.RelationshipKey(student_id="a", guardian_id="a-mother")]
        with refused("RECORD_NOT_FOUND") as refusal:
            await deactivate(service, user_ids=["a", "ghost"], relationships=relationships)
        assert refusal.metadata == {"record_type": "USER", "record_id": "ghost"}
        assert await student_ids(service) == ["a", "b"]
        named = {
            "user_ids": ["a"],
            "relationships": relationships,
            "enrollment_ids": ["a@north"],
            "calendar_ids": ["north:2027"],
            "school_ids": ["north"],
        }
        counts = await deactivate(service, **named)
        again = await deactivate(service, **named)
        gone = await student(service, "a")
        assert await student_ids(service) == ["b"]
    assert counts == dict.fromkeys(
        ("SCHOOL", "CALENDAR", "USER", "RELATIONSHIP", "ENROLLMENT"), (0, 0, 0, 1)
    )
    assert again == dict.fromkeys(counts, (0, 0, 1, 0))
    assert gone.user.origin.HasField("deactivate_time")
    assert gone.relationships[0].origin.HasField("deactivate_time")


async def test_what_cannot_be_deactivated_is_refused(tmp_path: Path) -> None:
    async with serving(tmp_path) as service:
        await service.add_district()
        with refused("INVALID_FIELD") as refusal:
            bad = [messages.RelationshipKey(student_id="a")]
            await deactivate(service, school_ids=[""], relationships=bad)
        assert set(refusal.fields) == {"school_ids[0]", "relationships[0].guardian_id"}
        for count in (0, 501):
            with refused("INVALID_FIELD"):
                await deactivate(service, user_ids=[f"u{number}" for number in range(count)])


async def test_students_are_filtered_and_paged(tmp_path: Path) -> None:
    async with serving(tmp_path) as service:
        await service.add_district()
        south = [*school("south"), *family("d", "south")]
        await bring(service, "1", [*NORTH, *family("a"), *family("b"), *family("c"), *south])
        assert await student_ids(service, calendar_id="south:2027") == ["d"]
        assert await student_ids(service, guardian_id="b-mother") == ["b"]
        assert await student_ids(service, guardian_id="b-mother", calendar_id="south:2027") == []
        request = messages.ListStudentsRequest(district_id=DISTRICT, page_size=3)
        first = await service.roster.ListStudents(request)
        request.page_token = first.next_page_token
        second = await service.roster.ListStudents(request)
        request.include_inactive = True
        with refused("PAGE_TOKEN_INVALID"):
            await service.roster.ListStudents(request)
    assert [one.user.user_id for one in first.students] == ["a", "b", "c"]
    assert first.students[0].relationships[0].guardian_id == "a-mother"
    assert [one.user.user_id for one in second.students] == ["d"]
    assert second.next_page_token == ""


async def test_a_guardian_is_answered_with_their_students(tmp_path: Path) -> None:
    async with serving(tmp_path) as service:
        await service.add_district()
        relationships = [relationship("b", "a-mother")]
        await bring(service, "1", [*NORTH, *family("a"), *family("b"), *relationships])
        request = messages.GetUserRequest(district_id=DISTRICT, user_id="a-mother")
        answer = await service.roster.GetUser(request)
        with refused("STUDENT_NOT_FOUND") as refusal:
            await student(service, "a-mother")
    assert [one.student_id for one in answer.relationships] == ["a", "b"]
    assert refusal.metadata == {"student_id": "a-mother"}


async def test_one_school_year_is_active(tmp_path: Path) -> None:
    async def activate(year: int, *, check: bool = False) -> messages.SetActiveSchoolYearResponse:
        request = messages.SetActiveSchoolYearRequest(
            district_id=DISTRICT, school_year=year, validate_only=check
        )
        answer: messages.SetActiveSchoolYearResponse = await service.roster.SetActiveSchoolYear(
            request
        )
        return answer

    async with serving(tmp_path) as service:
        await service.add_district()
        await bring(service, "1", [*NORTH, *school("south")])
        version = await service.facts_version()
        service.clock.pass_seconds(1)
        checked = await activate(2027, check=True)
        assert await service.facts_version() == version
        first = await activate(2027)
        assert await activate(2027) == first == checked
        assert await service.facts_version() == version + 1
        entry = (await service.audit())[0]
        assert (await activate(2028)).calendar_count == 0
        for year in (0, 27, 2201):
            with refused("INVALID_FIELD") as refusal:
                await activate(year)
            assert set(refusal.fields) == {"school_year"}
        asked = district_service_pb2.GetDistrictRequest(district_id=DISTRICT)
        stored = (await service.districts.GetDistrict(asked)).district
    assert (first.active_school_year, first.calendar_count) == (2027, 2)
    assert stored.active_school_year == 2028
    assert (entry.before, entry.after) == (
        {"active_school_year": None},
        {"active_school_year": 2027},
    )


async def test_an_unknown_district_is_not_found(tmp_path: Path) -> None:
    async with serving(tmp_path) as service:
        with refused("DISTRICT_NOT_FOUND"):
            await upsert(service, user("a"))
        with refused("DISTRICT_NOT_FOUND"):
            await student(service, "a")
        with refused("DISTRICT_NOT_FOUND"):
            await student_ids(service)


async def test_the_audit_log_holds_no_names(tmp_path: Path) -> None:
    names = roster_pb2.PersonNames(given_name="Marguerite", family_name="Oyelaran")
    async with serving(tmp_path) as service:
        await service.add_district()
        await upsert(service, user("a", names=names), user("m", names=names))
        await upsert(service, relationship("a", "m", barred=True))
        async with service.storage.read() as connection:
            rows = [tuple(row) for row in await connection.execute(select(audit_entry))]
    assert len(rows) == 4
    assert "Marguerite" not in json.dumps(rows)
    assert "Oyelaran" not in json.dumps(rows)
