"""Records that say nothing of a field leave it alone, over a real connection."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from google.protobuf.field_mask_pb2 import FieldMask

from schoolbell.v1 import roster_pb2
from schoolbell.v1 import roster_service_pb2 as messages
from tests.service.district_server import Service, refused, serving
from tests.service.middleware_server import DISTRICT
from tests.service.roster_parts import (
    DELTA,
    FULL,
    Record,
    bring,
    counted,
    day,
    family,
    look_up,
    relationship,
    school,
    user,
)
from tests.storage.engines import databases

NORTH = school("north")


def masked(record: Record, *paths: str) -> Record:
    """Return a copy of a record that provides these fields."""
    copy = Record()
    copy.CopyFrom(record)
    copy.update_mask.CopyFrom(FieldMask(paths=paths))
    return copy


async def upsert(service: Service, *records: Record) -> None:
    await service.roster.UpsertRecords(
        messages.UpsertRecordsRequest(district_id=DISTRICT, source="sis", records=records)
    )


async def account(service: Service, user_id: str) -> roster_pb2.User:
    answer = await service.roster.GetUser(
        messages.GetUserRequest(district_id=DISTRICT, user_id=user_id)
    )
    found: roster_pb2.User = answer.user
    return found


async def mother(service: Service) -> roster_pb2.Relationship:
    answer = await service.roster.GetUser(
        messages.GetUserRequest(district_id=DISTRICT, user_id="a-mother")
    )
    found: roster_pb2.Relationship = answer.relationships[0]
    return found


async def test_an_account_is_not_disabled_by_an_upsert_that_says_nothing_of_it(
    tmp_path: Path,
) -> None:
    bare = Record(user=roster_pb2.User(user_id="a"))
    stay = Record(
        enrollment=roster_pb2.Enrollment(
            enrollment_id="e",
            student_id="a",
            calendar_id="north:2027",
            start_date=day(2026, 9, 1),
        )
    )
    async with serving(tmp_path) as service:
        await service.add_district()
        await bring(service, "1", [*NORTH, *family("a")])
        with refused("INVALID_FIELD") as refusal:
            await upsert(service, bare, stay)
        paths = ("records[0].user.enabled", "records[1].enrollment.portal_visible")
        assert refusal.fields == {path: f"{path} is required." for path in paths}
        with refused("IMPORT_RECORDS_REFUSED"):
            await bring(service, "2", [bare, stay], mode=DELTA)
        problems = (await look_up(service, "2")).report.problems
        assert (await account(service, "a")).enabled
        await upsert(service, user("a", enabled=False))
        assert not (await account(service, "a")).enabled
    assert [(one.field, one.code) for one in problems] == [
        ("enabled", roster_pb2.IMPORT_PROBLEM_CODE_INVALID_FIELD),
        ("portal_visible", roster_pb2.IMPORT_PROBLEM_CODE_INVALID_FIELD),
    ]


@databases()
@pytest.mark.parametrize("mode", [FULL, DELTA, None])
async def test_a_source_without_portal_flags_keeps_them(
    database: str, mode: roster_pb2.ImportMode.ValueType | None, tmp_path: Path
) -> None:
    flags = {"portal_enabled": True, "adult_consent": True, "barred": True}
    born = roster_pb2.User(user_id="a", enabled=True, birth_date=day(2010, 2, 3))
    silent = [
        Record(relationship=roster_pb2.Relationship(student_id="a", guardian_id="a-mother")),
        masked(user("a", names=roster_pb2.PersonNames(given_name="Ann")), "enabled", "names"),
    ]
    async with serving(tmp_path, database) as service:
        await service.add_district()
        await bring(service, "1", [*NORTH, *family("a")])
        await upsert(service, relationship("a", "a-mother", **flags), Record(user=born))
        if mode is None:
            await upsert(service, *silent)
        else:
            others = [*NORTH, user("a-mother"), family("a")[3]]
            await bring(service, "2", [*others, *silent], mode=mode)
        kept = await mother(service)
        person = await account(service, "a")
    assert (kept.portal_enabled, kept.adult_consent, kept.barred) == (True, True, True)
    assert person.birth_date == day(2010, 2, 3)
    assert person.names.given_name == "Ann"


@databases()
async def test_a_new_relationship_has_no_flag_that_nobody_set(
    database: str, tmp_path: Path
) -> None:
    bare = roster_pb2.Relationship(student_id="a", guardian_id="b-mother", relation="aunt")
    async with serving(tmp_path, database) as service:
        await service.add_district()
        await bring(service, "1", [*NORTH, *family("a"), *family("b")])
        await upsert(service, Record(relationship=bare))
        answer = await service.roster.GetUser(
            messages.GetUserRequest(district_id=DISTRICT, user_id="b-mother")
        )
    new = answer.relationships[0]
    assert (new.portal_enabled, new.adult_consent, new.barred) == (False, False, False)
    assert new.relation == "aunt"


async def test_a_new_record_needs_what_is_required_whatever_its_mask(tmp_path: Path) -> None:
    new = masked(user("new"), "names")
    async with serving(tmp_path) as service:
        await service.add_district()
        await upsert(service, user("old"))
        with refused("INVALID_FIELD") as refusal:
            await upsert(service, masked(user("old"), "names"), new)
        assert set(refusal.fields) == {"records[1].user.enabled"}
        with refused("IMPORT_RECORDS_REFUSED"):
            await bring(service, "1", [new], mode=DELTA)
        (problem,) = (await look_up(service, "1")).report.problems
        await upsert(service, masked(user("new"), "enabled"))
    assert (problem.record_index, problem.record_id, problem.field) == (0, "new", "enabled")


@pytest.mark.parametrize(
    "paths",
    [
        ["enabled", "portal_enabled"],
        ["birth_date.year"],
        ["names.nickname"],
        [""],
        ["*.enabled"],
        ["Enabled"],
        ["a\0b"],
        ["x" * 100_000],
        [f"path{number}" for number in range(5000)],
    ],
)
async def test_a_path_that_names_no_field_is_refused_by_name(
    paths: list[str], tmp_path: Path
) -> None:
    record = masked(user("a"), *paths)
    foreign = 1 if paths[0] == "enabled" else 0
    async with serving(tmp_path) as service:
        await service.add_district()
        await upsert(service, user("a"))
        with refused("INVALID_FIELD") as refusal:
            await upsert(service, user("b"), record)
        assert set(refusal.fields) == {f"records[1].update_mask.paths[{foreign}]"}
        (description,) = refusal.fields.values()
        assert paths[foreign][:2].strip("\0a") in description
        assert len(description) < 300
        with refused("IMPORT_RECORDS_REFUSED"):
            await bring(service, "1", [record], mode=DELTA)
        problem, *_ = (await look_up(service, "1")).report.problems
    assert problem.field == f"update_mask.paths[{foreign}]"


async def test_ids_output_fields_and_the_star_are_fine_in_a_mask(tmp_path: Path) -> None:
    bad = user("a", birth_date=day(2010, 2, 31), enabled=False)
    async with serving(tmp_path) as service:
        await service.add_district()
        await upsert(service, user("a", birth_date=day(2010, 2, 3)))
        await upsert(service, masked(bad, "user_id", "origin"))
        assert (await account(service, "a")).enabled
        await upsert(service, masked(bad, "enabled"))
        kept = await account(service, "a")
        with refused("INVALID_FIELD") as refusal:
            await upsert(service, masked(bad, "*"))
        assert set(refusal.fields) == {"records[0].user.birth_date"}
        await upsert(service, masked(user("a"), "*"))
        emptied = await account(service, "a")
    assert (kept.enabled, kept.birth_date) == (False, day(2010, 2, 3))
    assert (emptied.enabled, emptied.HasField("birth_date")) == (True, False)


def _families(count: int, **fields: Any) -> list[Record]:
    found = list(NORTH)
    for number in range(count):
        own = family(f"s{number}")
        own[2] = relationship(f"s{number}", f"s{number}-mother", **fields)
        found += own
    return found


async def test_an_import_that_would_silence_every_guardian_is_refused(tmp_path: Path) -> None:
    async with serving(tmp_path) as service:
        await service.add_district()
        await bring(service, "1", _families(20))
        with refused("IMPORT_GUARD_EXCEEDED") as refusal:
            await bring(service, "2", _families(20, portal_enabled=False))
        checked = await bring(service, "3", _families(20, portal_enabled=False), validate_only=True)
        (problem,) = checked.report.problems
        done = await bring(
            service,
            "4",
            _families(20, portal_enabled=False),
            guards=messages.ImportGuards(max_portal_loss_percent=100),
        )
    assert refusal.metadata == {
        "import_id": "2",
        "guard": "max_portal_loss_percent",
        "record_type": "RELATIONSHIP",
        "percent": "100.0",
        "max_percent": "5",
    }
    assert checked.state == roster_pb2.IMPORT_STATE_REFUSED
    assert counted(checked)["RELATIONSHIP"] == (0, 20, 0, 0)
    assert (problem.field, problem.code) == (
        "max_portal_loss_percent",
        roster_pb2.IMPORT_PROBLEM_CODE_GUARD_EXCEEDED,
    )
    assert done.report.portal_relationship_count == 0
