"""The main job over a real connection: published, decided, sent, watched."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from schoolbell.errors import AlreadyExists, InvalidArgument, NotFound
from schoolbell.v1 import access_service_pb2 as access
from schoolbell.v1 import change_pb2, common_pb2, delivery_pb2, status_pb2
from schoolbell.v1.change_pb2 import Change
from schoolbell.v1.change_service_pb2 import (
    PUBLISH_RESULT_ACCEPTED,
    PUBLISH_RESULT_DUPLICATE,
    PUBLISH_RESULT_REFUSED,
    BatchPublishChangesRequest,
    DecisionFilter,
    GetChangeRequest,
    ListDecisionsRequest,
    PublishChangeRequest,
)
from schoolbell.v1.status_service_pb2 import GetTalliesRequest
from tests.service.following import following
from tests.service.scene import (
    FATHER,
    MOTHER,
    SIBLING,
    SOURCE,
    STUDENT,
    absence,
    change,
    grade,
    lunch,
    phone,
    populate,
    publish,
    register,
    status_of,
    token_of,
)
from tests.service.whole import DISTRICT, Whole, whole
from tests.storage.engines import databases

ACCEPTED = delivery_pb2.DELIVERY_STATE_ACCEPTED


@databases()
async def test_a_grade_reaches_the_student_and_both_guardians(
    database: str, tmp_path: Path
) -> None:
    async with whole(tmp_path, database=database) as service:
        await populate(service)
        phones = phone(STUDENT), phone(MOTHER, ios=False), phone(FATHER)
        await register(service, *phones)
        async with following(service) as followed:
            (answer,) = await publish(service, grade("g1", 68.5))
            found = await followed.until_states(ACCEPTED, ACCEPTED, ACCEPTED)
        assert answer.ack.result == PUBLISH_RESULT_ACCEPTED
        assert {one.user_id for one in found} == {STUDENT, MOTHER, FATHER}
        texts = {one.user_id: _text(service, token_of(one)) for one in phones}
        assert texts[STUDENT] == [("New grade in Algebra", "Semester grade: 68.5%")]
        assert texts[MOTHER][0][1] == "Semester grade: 68.5%"
        assert service.sandbox.ledger.totals().duplicates == 0


async def test_only_the_related_are_told(tmp_path: Path) -> None:
    async with whole(tmp_path) as service:
        await populate(service)
        await register(service, phone(STUDENT), phone(SIBLING), phone(MOTHER), phone(FATHER))
        async with following(service) as followed:
            await publish(service, grade("g1", 90, SIBLING))
            found = await followed.until_states(ACCEPTED, ACCEPTED)
        assert {one.user_id for one in found} == {SIBLING, MOTHER}


@databases()
async def test_the_same_again_is_a_duplicate_and_other_content_is_refused(
    database: str, tmp_path: Path
) -> None:
    async with whole(tmp_path, database=database) as service:
        await populate(service)
        await register(service, phone(STUDENT))
        one = grade("g1", 90)
        (first,) = await publish(service, one)
        (again,) = await publish(service, one)
        assert again.ack.result == PUBLISH_RESULT_DUPLICATE
        assert again.resume_token == first.resume_token
        one.grade.percent = 91
        with pytest.raises(AlreadyExists) as refused:
            await publish(service, one)
        assert refused.value.reason == "CHANGE_KEY_REUSED"
        assert refused.value.metadata == {"source": SOURCE, "change_id": "g1"}


@databases()
async def test_an_unknown_student_leaves_the_key_free(database: str, tmp_path: Path) -> None:
    async with whole(tmp_path, database=database) as service:
        await populate(service)
        with pytest.raises(NotFound) as refused:
            await publish(service, grade("g1", 90, "nobody"))
        assert refused.value.reason == "STUDENT_NOT_FOUND"
        (answer,) = await publish(service, grade("g1", 90))
        assert answer.ack.result == PUBLISH_RESULT_ACCEPTED


def _without_id(one: Change) -> None:
    one.key.change_id = ""


def _percent(one: Change) -> None:
    one.grade.percent = 1400


def _kindless(one: Change) -> None:
    one.ClearField("payload")


def _long(one: Change) -> None:
    one.grade.course_name = "x" * 1025


def _huge(one: Change) -> None:
    one.grade.course_name = "x" * 1_000_000


def _enum(one: Change) -> None:
    one.attendance.date.year, one.attendance.date.month, one.attendance.date.day = 2026, 9, 1
    one.attendance.status = 77  # type: ignore[assignment]


def _action(one: Change) -> None:
    one.assignment.assignment_id = one.assignment.section_id = "a"


def _date(one: Change) -> None:
    one.attendance.date.year = 2026
    one.attendance.status = change_pb2.ATTENDANCE_STATUS_ABSENT


def _future(one: Change) -> None:
    one.occur_time.seconds += 3600


@pytest.mark.parametrize(
    ("spoil", "field"),
    [
        (_without_id, "key.change_id"),
        (_percent, "grade.percent"),
        (_kindless, "payload"),
        (_long, "grade.course_name"),
        (_huge, "grade.course_name change"),
        (_enum, "attendance.status"),
        (_action, "assignment.action"),
        (_date, "attendance.date"),
        (_future, "occur_time"),
    ],
)
async def test_bad_changes_are_refused_by_their_field(
    tmp_path: Path, spoil: object, field: str
) -> None:
    async with whole(tmp_path) as service:
        await populate(service)
        one = grade("g1", 90)
        spoil(one)  # type: ignore[operator]
        with pytest.raises(InvalidArgument) as refused:
            await publish(service, one)
        assert refused.value.reason == "INVALID_FIELD"
        assert [bad.path for bad in refused.value.fields] == field.split()


@databases()
async def test_a_bad_change_never_spoils_its_batch(database: str, tmp_path: Path) -> None:
    async with whole(tmp_path, database=database) as service:
        await populate(service)
        await register(service, phone(STUDENT))
        bad = change("bad")
        async with service.client(access.ROLE_PUBLISHER) as publisher:
            answer = await publisher.changes.BatchPublishChanges(
                BatchPublishChangesRequest(
                    district_id=DISTRICT,
                    changes=[grade("g1", 90), bad, absence("a1"), lunch("l", 4)],
                )
            )
        results = [ack.result for ack in answer.acks]
        assert results == [
            PUBLISH_RESULT_ACCEPTED,
            PUBLISH_RESULT_REFUSED,
            PUBLISH_RESULT_ACCEPTED,
            PUBLISH_RESULT_ACCEPTED,
        ]


@databases()
async def test_validate_only_counts_and_writes_nothing(database: str, tmp_path: Path) -> None:
    async with whole(tmp_path, database=database) as service:
        await populate(service)
        await register(service, phone(STUDENT), phone(MOTHER))
        async with service.client(access.ROLE_PUBLISHER) as publisher:
            request = PublishChangeRequest(
                district_id=DISTRICT, change=grade("g1", 90), validate_only=True
            )
            answer = await publisher.changes.PublishChange(request)
            assert (answer.dry_run.recipient_count, answer.dry_run.device_count) == (2, 2)
            refused = [(one.gate, one.reason, one.count) for one in answer.dry_run.refusals]
            assert refused == [(common_pb2.GATE_ACCOUNT, common_pb2.REFUSAL_REASON_NO_DEVICE, 1)]
            with pytest.raises(NotFound):
                await publisher.changes.GetChange(
                    GetChangeRequest(district_id=DISTRICT, key=grade("g1", 90).key)
                )


@databases()
async def test_two_sections_tell_one_absence_once(database: str, tmp_path: Path) -> None:
    async with whole(tmp_path, database=database) as service:
        await populate(service)
        await register(service, phone(MOTHER))
        async with following(service) as followed:
            await publish(service, absence("a1"))
            await followed.until_states(ACCEPTED)
            await publish(service, absence("a2", section="biology-1"))
        async with service.client(access.ROLE_ADMINISTRATOR) as administrator:
            found = await administrator.changes.ListDecisions(
                ListDecisionsRequest(
                    district_id=DISTRICT,
                    filter=DecisionFilter(user_ids=[MOTHER], change_keys=[absence("a2").key]),
                )
            )
        reasons = [one.recorded.reason for one in found.decisions]
        assert reasons == [common_pb2.REFUSAL_REASON_ALREADY_TOLD]


async def test_a_switched_off_district_tells_nobody_and_says_so(tmp_path: Path) -> None:
    async with whole(tmp_path) as service:
        await service.create_district(enabled=False)
        assert (await status_of(service)).service_status == status_pb2.SERVICE_STATUS_INACTIVE


@databases()
async def test_two_watchers_see_the_same_and_one_that_was_cut_off_misses_nothing(
    database: str, tmp_path: Path
) -> None:
    async with whole(tmp_path, database=database) as service:
        await populate(service)
        await register(service, phone(STUDENT), phone(MOTHER))
        async with following(service) as steady:
            async with following(service) as cut:
                await publish(service, grade("g1", 90))
                await cut.until_states(ACCEPTED, ACCEPTED)
                token = cut.token
            await publish(service, absence("a1"))
            await steady.until_states(*[ACCEPTED] * 4)
            async with following(service, token) as resumed:
                await publish(service, lunch("l1", 3))
                await steady.until_states(*[ACCEPTED] * 6)
                await resumed.until_states(*[ACCEPTED] * 4)
        seen = set(cut.history) | set(resumed.history)
        assert seen == set(steady.history)


@databases()
async def test_an_answered_change_goes_out_after_a_restart(database: str, tmp_path: Path) -> None:
    async with whole(tmp_path, database=database) as service:
        await populate(service)
        await register(service, phone(STUDENT))
        (answer,) = await publish(service, grade("g1", 90))
        await service.stop()
        await service.start()
        async with following(service, answer.resume_token) as followed:
            await followed.until_states(ACCEPTED)


@databases()
async def test_many_publishers_at_once_are_all_answered(database: str, tmp_path: Path) -> None:
    async with whole(tmp_path, database=database) as service:
        await populate(service)
        await register(service, phone(STUDENT))
        async with service.client(access.ROLE_PUBLISHER) as client:

            async def publish_some(name: int) -> list[int]:
                async with client.publisher(DISTRICT) as publisher:
                    mine = [lunch(f"{name}-{number}", number) for number in range(50)]
                    return [ack.result async for _, ack in publisher.publish_all(mine)]

            results = await asyncio.gather(*(publish_some(name) for name in range(5)))
        assert results == [[PUBLISH_RESULT_ACCEPTED] * 50] * 5
        async with service.client(access.ROLE_MONITOR) as monitor:
            tallies = await monitor.status.GetTallies(GetTalliesRequest(district_id=DISTRICT))
        assert [tally.change_count for tally in tallies.tallies] == [250]


def _text(service: Whole, token: str) -> list[tuple[str, str]]:
    return [arrival.text for arrival in service.sandbox.ledger.arrivals(token)]
