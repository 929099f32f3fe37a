"""ExplainChange by its contract: what it asks for, what it finds, and that it writes nothing."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from google.protobuf.field_mask_pb2 import FieldMask

from schoolbell.errors import SchoolbellError
from schoolbell.v1 import access_service_pb2 as access
from schoolbell.v1 import common_pb2, explanation_pb2, settings_service_pb2, subscription_pb2
from schoolbell.v1.change_service_pb2 import (
    DecisionFilter,
    ExplainChangeRequest,
    ExplainChangeResponse,
    ListChangesRequest,
    ListDecisionsRequest,
    PublishChangeRequest,
)
from tests.service.asking import about, explain, told
from tests.service.scene import (
    CALENDAR,
    FATHER,
    MOTHER,
    SIBLING,
    SOURCE,
    STUDENT,
    absence,
    grade,
    lunch,
    phone,
    populate,
    publish,
    register,
    subscribe,
)
from tests.service.whole import DISTRICT, whole
from tests.storage.engines import databases


def might(change_id: str = "", **narrowed: str) -> ExplainChangeRequest:
    """Return the question about a grade that might be published."""
    request = ExplainChangeRequest(**narrowed)  # type: ignore[arg-type]
    request.change.CopyFrom(grade(change_id, 65))
    return request


def of_student(student_id: str) -> ExplainChangeRequest:
    """Return the question about a grade of any student."""
    request = might()
    request.change.student_id = student_id
    return request


def of_calendar(calendar_id: str) -> ExplainChangeRequest:
    """Return the question about a grade in any calendar."""
    request = might()
    request.change.calendar_id = calendar_id
    return request


def in_euros() -> ExplainChangeRequest:
    """Return the question about a balance in a foreign currency."""
    request = ExplainChangeRequest()
    request.change.CopyFrom(lunch("", 5))
    request.change.lunch_balance.balance.currency_code = "EUR"
    return request


def tomorrow() -> ExplainChangeRequest:
    """Return the question about a change that has not happened yet."""
    request = might()
    request.change.occur_time.seconds += 86_400
    return request


def incomplete() -> ExplainChangeRequest:
    """Return a question with several bad fields."""
    request = ExplainChangeRequest(user_id="x" * 129, device_id=" d", locale="not a tag")
    request.change.grade.percent = 2000
    return request


@pytest.mark.parametrize(
    ("request_of", "reason", "fields"),
    [
        (lambda: about("nothing"), "CHANGE_NOT_FOUND", ()),
        (lambda: about("g", user_id="nobody"), "USER_NOT_FOUND", ()),
        (lambda: about("g", device_id="no-device"), "DEVICE_NOT_FOUND", ()),
        (lambda: might(user_id="nobody"), "USER_NOT_FOUND", ()),
        (lambda: of_student("nobody"), "STUDENT_NOT_FOUND", ()),
        (lambda: of_calendar("nowhere"), "CALENDAR_NOT_FOUND", ()),
        (in_euros, "INVALID_FIELD", ("change.lunch_balance.balance.currency_code",)),
        (tomorrow, "INVALID_FIELD", ("change.occur_time",)),
        (ExplainChangeRequest, "INVALID_FIELD", ("subject",)),
        (
            incomplete,
            "INVALID_FIELD",
            ("change.student_id", "change.grade.percent", "user_id", "device_id", "locale"),
        ),
    ],
)
async def test_what_is_not_there_is_named(
    request_of: Callable[[], ExplainChangeRequest],
    reason: str,
    fields: tuple[str, ...],
    tmp_path: Path,
) -> None:
    async with whole(tmp_path) as service:
        await populate(service)
        await publish(service, grade("g", 65))
        with pytest.raises(SchoolbellError) as caught:
            await explain(service, request_of())
    assert caught.value.reason == reason
    assert set(fields) <= {field.path for field in caught.value.fields}


async def test_a_device_narrows_to_its_owner(tmp_path: Path) -> None:
    async with whole(tmp_path) as service:
        await populate(service)
        first, second, his = await register(
            service, phone(MOTHER), phone(MOTHER, number=2, ios=False), phone(FATHER)
        )
        await told(service, grade("g", 65), deliveries=3)
        (mother,) = (await explain(service, about("g", device_id=second.device_id))).recipients
        with pytest.raises(SchoolbellError) as caught:
            await explain(service, about("g", user_id=MOTHER, device_id=his.device_id))
    assert first.device_id != second.device_id
    assert [device.device_id for device in mother.devices] == [second.device_id]
    assert mother.summary.startswith("Then: Told on one device.")
    assert caught.value.reason == "DEVICE_NOT_FOUND"


@databases()
async def test_what_was_recorded_is_what_is_listed(database: str, tmp_path: Path) -> None:
    async with whole(tmp_path, database=database) as service:
        await populate(service)
        await register(service, phone(MOTHER), phone(FATHER, stay_logged_in=False), phone(STUDENT))
        await told(service, grade("g", 65), deliveries=2)
        answer = await explain(service, about("g"))
        async with service.client(access.ROLE_ADMINISTRATOR) as administrator:
            key = common_pb2.ChangeKey(source=SOURCE, change_id="g")
            listed = await administrator.changes.ListDecisions(
                ListDecisionsRequest(district_id=DISTRICT, filter=DecisionFilter(change_keys=[key]))
            )
    decisions = {(one.user_id, one.device_id): one for one in listed.decisions}
    explained = {
        (recipient.user_id, device.device_id): device
        for recipient in answer.recipients
        for device in recipient.devices
    }
    assert decisions.keys() == explained.keys()
    for name, device in explained.items():
        assert device.recorded == decisions[name].recorded
        assert device.delivery.delivery_id == decisions[name].delivery_id
        assert len(device.delivery.attempts) == bool(decisions[name].delivery_id)
    assert answer.record.delivery_count == 2


async def test_an_explanation_of_a_dry_run_is_what_publishing_then_decides(tmp_path: Path) -> None:
    async with whole(tmp_path) as service:
        await populate(service)
        await register(service, phone(MOTHER), phone(FATHER, stay_logged_in=False))
        before = await explain(service, might())
        async with service.client(access.ROLE_PUBLISHER) as publisher:
            kept = await publisher.changes.ListChanges(ListChangesRequest(district_id=DISTRICT))
            await publisher.changes.PublishChange(
                PublishChangeRequest(district_id=DISTRICT, change=grade("g", 65))
            )
        after = await explain(service, about("g"))
    assert not kept.records
    assert not before.HasField("record")
    assert _first_failures(before) == {
        (recipient.user_id, device.device_id): device.recorded.gate
        for recipient in after.recipients
        for device in recipient.devices
    }


async def test_now_is_what_publishing_it_again_would_do(tmp_path: Path) -> None:
    """Under a new key the same value is no news, and a value that is older is not the newest."""
    async with whole(tmp_path) as service:
        await populate(service)
        await register(service, phone(MOTHER))
        older = grade("older", 60)
        older.occur_time.seconds -= 60
        await told(service, older, deliveries=1)
        again = await explain(service, about("older"))
        await publish(service, grade("newer", 68))
        passed_by = await explain(service, about("older"))
    assert set(_first_failures(again).values()) == {common_pb2.GATE_VALUE_CHANGED}
    (newest,) = (row for row in passed_by.gates if row.gate == common_pb2.GATE_NEWEST)
    assert newest.verdict == explanation_pb2.VERDICT_FAILED
    assert newest.reason == common_pb2.REFUSAL_REASON_OLDER_THAN_KNOWN


async def test_every_gate_is_answered_for_everybody(tmp_path: Path) -> None:
    async with whole(tmp_path) as service:
        await populate(service)
        await register(service, phone(MOTHER), phone(FATHER), phone(STUDENT))
        answer = await explain(service, might())
    of_change = [row.gate for row in answer.gates]
    assert of_change == [1, 2, 3, 4, 5, 7, 16]
    for recipient in answer.recipients:
        assert [row.gate for row in recipient.gates] == [6, 8, 9]
        assert [[row.gate for row in one.gates] for one in recipient.devices] == [
            [10, 11, 12, 13, 14, 15]
        ]
    assert [one.user_id for one in answer.recipients] == [STUDENT, FATHER, MOTHER]


async def test_the_language_is_the_callers_else_the_districts(tmp_path: Path) -> None:
    async with whole(tmp_path) as service:
        await populate(service)
        await publish(service, absence("a", SIBLING))
        spoken = [
            (await explain(service, about("a", user_id=FATHER, locale=locale))).recipients[0]
            for locale in ("", "en-GB", "es-MX", "tlh")
        ]
    assert [one.summary.split(":")[0] for one in spoken] == ["Then", "Then", "Entonces", "Then"]


_ORDER = [1, 2, 3, 4, 5, 6, 7, 16, 8, 9, 10, 11, 12, 13, 14, 15]


def _first_failures(
    answer: ExplainChangeResponse,
) -> dict[tuple[str, str], common_pb2.Gate.ValueType]:
    """Return the first gate that stops each device now; 0 where none does."""
    found = {}
    for recipient in answer.recipients:
        for device in recipient.devices:
            rows = [*answer.gates, *recipient.gates, *device.gates]
            failed = [row.gate for row in rows if row.verdict == explanation_pb2.VERDICT_FAILED]
            first = min(failed, key=_ORDER.index, default=common_pb2.GATE_UNSPECIFIED)
            found[recipient.user_id, device.device_id] = first
    return found


async def test_whom_nothing_relates_any_more_is_still_explained(tmp_path: Path) -> None:
    """As after an erasure: the record stands, the relationship and the device are gone."""
    async with whole(tmp_path) as service:
        await populate(service)
        (his,) = await register(service, phone(FATHER))
        await told(service, grade("g", 65), deliveries=1)
        (database,) = service.config.server.data_dir.glob("*.db")
        with closing(sqlite3.connect(database, isolation_level=None)) as store:
            store.execute("DELETE FROM relationship WHERE guardian_id = ?", (FATHER,))
            store.execute("DELETE FROM device WHERE user_id = ?", (FATHER,))
        answer = await explain(service, about("g"))
    father = answer.recipients[-1]
    assert father.user_id == FATHER and not father.HasField("relationship")
    assert father.summary.startswith("Then: Told on one device.")
    assert father.summary.endswith("This person is not related to the student.")
    (device,) = father.devices
    assert (device.device_id, len(device.gates)) == (his.device_id, 0)
    assert device.HasField("recorded")
    assert len(device.delivery.attempts) == 1


async def test_facts_name_who_saved_them(tmp_path: Path) -> None:
    async with whole(tmp_path) as service:
        await populate(service)
        (hers,) = await register(service, phone(MOTHER))
        before = _sources(await explain(service, might()))
        wanted = subscription_pb2.Subscription(
            student_id=STUDENT, kind=common_pb2.KIND_GRADE, enabled=True
        )
        await subscribe(service, hers, wanted)
        async with service.client(access.ROLE_ADMINISTRATOR) as administrator:
            await administrator.settings.UpdateDisplayOptions(
                settings_service_pb2.UpdateDisplayOptionsRequest(
                    district_id=DISTRICT,
                    calendar_ids=[CALENDAR],
                    display_options=settings_service_pb2.DisplayOptions(enabled=False),
                    update_mask=FieldMask(paths=["enabled"]),
                )
            )
        after = _sources(await explain(service, might()))
    saved = {name: source for name, source in after.items() if before[name] != source}
    assert {name: before[name] for name in saved} == dict.fromkeys(saved, "default")
    assert saved == {
        "display_enabled": "principal",
        "term_enabled": "principal",
        "tool_shown": "principal",
        "subscription_enabled": MOTHER,
        "subscription_level": MOTHER,
        "limit_time": MOTHER,
    }
    assert (after["enabled"], after["adult_students"]) == ("principal", "default")
    assert (after["portal_enabled"], after["stay_logged_in"]) == (SOURCE, MOTHER)


def _sources(answer: ExplainChangeResponse) -> dict[str, str]:
    """Return who set each fact that the gates see around the mother's device."""
    (mother,) = (one for one in answer.recipients if one.user_id == MOTHER)
    rows = [*answer.gates, *mother.gates, *mother.devices[0].gates]
    return {fact.name: fact.source for row in rows for fact in row.facts}
