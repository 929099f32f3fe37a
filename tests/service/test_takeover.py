"""An id that a caller limited to sources stored first is the SIS's once the SIS writes it."""

from __future__ import annotations

import datetime as dt
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.json_format import MessageToDict

from schoolbell import AsyncClient
from schoolbell.v1 import access_service_pb2 as access
from schoolbell.v1 import roster_pb2
from schoolbell.v1 import roster_service_pb2 as roster
from tests.service.granting import create, entries
from tests.service.scene import MOTHER, SOURCE, STUDENT, date, populate
from tests.service.test_sources import (
    LUNCH,
    limited,
    refusal,
    relationship,
    stay,
    student,
    upsert,
    user,
)
from tests.service.whole import DISTRICT, whole
from tests.storage.engines import databases

_PUPIL, _FRIEND = "pupil-to-come", "accomplice"


@databases()
async def test_what_was_stored_for_a_student_to_come_ends_when_the_sis_brings_them(
    database: str, tmp_path: Path
) -> None:
    async with whole(tmp_path, database=database) as service:
        await populate(service)
        async with (
            limited(service) as lunch,
            service.client(access.ROLE_PUBLISHER) as sis,
            service.client() as operator,
        ):
            await lunch.roster.UpsertRecords(upsert(*_made_up(_PUPIL)))
            done = await _import(sis, _account(_PUPIL), relationship(_PUPIL, MOTHER))
            assert done.state == roster_pb2.IMPORT_STATE_APPLIED
            warned = done.report.problems
            assert {one.severity for one in warned} == {roster_pb2.IMPORT_PROBLEM_SEVERITY_WARNING}
            assert [(one.record_id, one.description.partition(" ")[0]) for one in warned] == [
                (_PUPIL, "was"),
                (f"{_PUPIL}/{MOTHER}", "was"),
                (f"{_PUPIL}/{_FRIEND}", "ended:"),
                (f"stay-of-{_PUPIL}", "ended:"),
                (f"{_PUPIL}/{MOTHER}", "stays"),
            ]
            assert all(LUNCH in one.description for one in warned)
            found = (await sis.roster.GetStudent(student(_PUPIL))).student
            assert not found.user.HasField("birth_date")
            assert not found.user.names.given_name
            assert _standing(found.relationships) == [MOTHER]
            assert not _standing(found.enrollments)
            newest = (await entries(operator))[0]
            assert MessageToDict(newest.after)["taken_over"] == 5
            seen_again = stay(f"stay-of-{_PUPIL}", "")
            seen_again.update_mask.paths.append("portal_visible")
            for record in (relationship(_PUPIL, _FRIEND), user(_PUPIL), seen_again):
                error = await refusal(lunch.roster.UpsertRecords(upsert(record)))
                assert error.reason == "SOURCE_NOT_ALLOWED"

            await lunch.roster.UpsertRecords(upsert(*_made_up("another")))
            written = await sis.roster.UpsertRecords(upsert(_account("another"), source=SOURCE))
            assert {one.record_type: one.deactivated_count for one in written.counts} == {
                roster_pb2.RECORD_TYPE_USER: 0,
                roster_pb2.RECORD_TYPE_RELATIONSHIP: 2,
                roster_pb2.RECORD_TYPE_ENROLLMENT: 1,
            }
            taken = next(
                one for one in await entries(operator) if one.subject == "roster/taken_over"
            )
            assert MessageToDict(taken.after)["user_ids"] == ["another"]


async def test_what_was_made_up_refuses_no_import_and_several_sources_of_a_key_are_one(
    tmp_path: Path,
) -> None:
    async with whole(tmp_path) as service:
        await populate(service)
        many = [f"pupil-{number}" for number in range(12)]
        async with limited(service) as lunch, service.client(access.ROLE_PUBLISHER) as sis:
            squatted = [_made_up(one)[0] for one in many]
            await lunch.roster.UpsertRecords(upsert(*squatted))
            done = await _import(sis, *(user(one) for one in many))
            assert done.state == roster_pb2.IMPORT_STATE_APPLIED
            assert done.report.problem_count == len(many)
        async with service.client() as operator:
            made = await create(operator, role=access.ROLE_PUBLISHER, sources=[LUNCH, "library"])
        async with service.client_of(made.secret) as client:
            await client.roster.UpsertRecords(upsert(*_made_up(_PUPIL)))
            await client.roster.UpsertRecords(upsert(_account(_PUPIL), source="library"))
            found = (await client.roster.GetStudent(student(_PUPIL))).student
            assert found.user.names.given_name == "Made"
            assert _standing(found.relationships) == [_FRIEND, MOTHER]


async def test_an_unlimited_caller_of_another_source_ends_nothing(tmp_path: Path) -> None:
    async with whole(tmp_path) as service:
        await populate(service)
        async with service.client(access.ROLE_PUBLISHER) as sis:
            before = (await sis.roster.GetStudent(student(STUDENT))).student
            await sis.roster.UpsertRecords(upsert(_account(STUDENT), source="second-sis"))
            after = (await sis.roster.GetStudent(student(STUDENT))).student
        assert after.relationships == before.relationships
        assert after.enrollments == before.enrollments
        assert after.user.birth_date == before.user.birth_date


def _made_up(student_id: str) -> list[roster_pb2.RosterRecord]:
    """Return a student of whom only a caller limited to sources knows, with all that hangs on."""
    account = roster_pb2.User(
        user_id=student_id, enabled=True, birth_date=date(dt.date(1990, 1, 1))
    )
    account.names.given_name = "Made"
    return [
        roster_pb2.RosterRecord(user=account),
        user(_FRIEND),
        relationship(student_id, _FRIEND),
        relationship(student_id, MOTHER, barred=True),
        stay(f"stay-of-{student_id}", student_id),
    ]


def _account(student_id: str) -> roster_pb2.RosterRecord:
    """Return an account as a SIS brings it that knows neither names nor birth dates."""
    return roster_pb2.RosterRecord(
        user=roster_pb2.User(user_id=student_id, enabled=True),
        update_mask=FieldMask(paths=["enabled"]),
    )


def _standing(records: Sequence[Any]) -> list[str]:
    """Return the guardians of relationships, or the calendars of enrollments, that count."""
    counting = [one for one in records if not one.origin.HasField("deactivate_time")]
    return [getattr(one, "guardian_id", "") or one.calendar_id for one in counting]


async def _import(
    client: AsyncClient, *records: roster_pb2.RosterRecord
) -> roster_pb2.RosterImport:
    """Import records of the SIS whole."""

    async def parts() -> AsyncIterator[roster.ImportRosterRequest]:
        header = roster.ImportRosterHeader(
            import_id="night", source=SOURCE, mode=roster_pb2.IMPORT_MODE_DELTA
        )
        yield roster.ImportRosterRequest(district_id=DISTRICT, header=header)
        yield roster.ImportRosterRequest(records=roster.ImportRosterRecords(records=records))
        footer = roster.ImportRosterFooter(record_count=len(records))
        yield roster.ImportRosterRequest(footer=footer)

    return (await client.roster.ImportRoster(parts())).roster_import
