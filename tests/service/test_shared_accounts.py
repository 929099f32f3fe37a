"""A lunch account that siblings share, from the publisher to the phones."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import pytest
from google.type.money_pb2 import Money

from schoolbell.errors import InvalidArgument, NotFound, from_status
from schoolbell.v1 import access_service_pb2 as access
from schoolbell.v1 import common_pb2, delivery_pb2, subscription_pb2
from schoolbell.v1.change_pb2 import Change
from schoolbell.v1.change_service_pb2 import (
    BatchPublishChangesRequest,
    DecisionFilter,
    ExplainChangeRequest,
    ListDecisionsRequest,
)
from schoolbell.v1.device_service_pb2 import GetNotificationRequest, Notification
from schoolbell.v1.error_reason_pb2 import ErrorReason
from tests.service.accounts import PEOPLE, STEPFATHER, balance, live_together, relationship
from tests.service.asking import about, explain
from tests.service.following import following
from tests.service.scene import (
    FATHER,
    MOTHER,
    SIBLING,
    STUDENT,
    phone,
    publish,
    register,
    subscribe,
    token_of,
    upsert,
)
from tests.service.stored import stored
from tests.service.test_person_data import erase, export, traces
from tests.service.whole import DISTRICT, Whole, whole
from tests.storage.engines import databases

ACCEPTED = delivery_pb2.DELIVERY_STATE_ACCEPTED
BOTH = balance("b1", shared=(SIBLING,))


async def told(
    service: Whole, *changes: Change, count: int
) -> dict[str, list[delivery_pb2.Delivery]]:
    """Publish changes; return the deliveries by user once so many were accepted."""
    async with following(service) as followed:
        await publish(service, *changes)
        found = await followed.until_states(*[ACCEPTED] * count)
    people: dict[str, list[delivery_pb2.Delivery]] = defaultdict(list)
    for one in found:
        people[one.user_id].append(one)
    return people


async def notification(service: Whole, user_id: str, **target: str) -> Notification:
    async with service.client(access.ROLE_MOBILE_BACKEND) as backend:
        answer = await backend.devices.GetNotification(
            GetNotificationRequest(district_id=DISTRICT, user_id=user_id, **target)
        )
    return answer.notification


@databases()
async def test_each_person_is_told_once_of_the_children_they_may_see(
    database: str, tmp_path: Path
) -> None:
    async with whole(tmp_path, database=database) as service:
        await live_together(service)
        second = phone(MOTHER, number=2, ios=False)
        await register(service, *map(phone, PEOPLE), second)
        people = await told(service, BOTH, count=6)
        assert {name: len(found) for name, found in people.items()} == {
            **dict.fromkeys(PEOPLE, 1),
            MOTHER: 2,
        }
        assert {one.student_id for one in people[MOTHER]} == {STUDENT}
        assert people[STEPFATHER][0].student_id == SIBLING
        (name,) = {one.notification_id for one in people[MOTHER]}
        assert name != people[FATHER][0].notification_id
        for registered, title in (
            (phone(MOTHER), "Ana and Ben: lunch account"),
            (second, "Ana and Ben: lunch account"),
            (phone(FATHER), "Ana: lunch account"),
            (phone(STEPFATHER), "Ben: lunch account"),
            (phone(STUDENT), "Lunch account"),
        ):
            (push,) = service.sandbox.ledger.arrivals(token_of(registered))
            assert push.text[0] == title
            assert "-$5.50" in push.text[1]
            if registered.user_id == MOTHER:
                assert push.content["notification_id"] == name if registered is not second else True
        (of_fcm,) = service.sandbox.ledger.arrivals(token_of(second))
        assert name.encode() in of_fcm.payload
        detail = await notification(service, MOTHER, notification_id=name, locale="es")
        assert (detail.notification_id, detail.title) == (name, "Ana y Ben: cuenta del comedor")
        (change,) = detail.changes
        assert (change.student_id, list(change.shared_student_ids)) == (STUDENT, [SIBLING])
        assert (change.account_id, change.calendar_id) == ("family", "")
        of_step = await notification(
            service, STEPFATHER, delivery_id=people[STEPFATHER][0].delivery_id
        )
        (change,) = of_step.changes
        assert (change.student_id, list(change.shared_student_ids)) == (SIBLING, [])
        assert STUDENT not in str(of_step)


@databases()
async def test_two_changes_of_one_account_tell_their_mother_once(
    database: str, tmp_path: Path
) -> None:
    """Reproduced: each sibling's balance was a fact of its own, and she was told twice."""
    async with whole(tmp_path, database=database) as service:
        await live_together(service)
        await register(service, *map(phone, PEOPLE))
        await told(service, balance("b1"), count=3)
        async with following(service) as followed:
            await publish(service, balance("b2", student_id=SIBLING))
            await followed.until_states(ACCEPTED, ACCEPTED)
            assert {one.user_id for one in followed.deliveries.values()} == {SIBLING, STEPFATHER}
        async with service.client(access.ROLE_ADMINISTRATOR) as administrator:
            answer = await administrator.changes.ListDecisions(
                ListDecisionsRequest(
                    district_id=DISTRICT,
                    filter=DecisionFilter(change_keys=[balance("b2").key], user_ids=[MOTHER]),
                )
            )
        (decision,) = answer.decisions
        assert decision.recorded.reason == common_pb2.REFUSAL_REASON_ALREADY_TOLD
        assert decision.recorded.scope == common_pb2.GATE_SCOPE_DEVICE
        explained = await explain(service, about("b2", user_id=MOTHER))
        assert explained.recipients[0].devices[0].recorded.reason == decision.recorded.reason


@databases()
async def test_a_child_whom_the_mother_may_no_longer_see_is_not_named(
    database: str, tmp_path: Path
) -> None:
    async with whole(tmp_path, database=database) as service:
        await live_together(service)
        await register(service, phone(MOTHER))
        (delivery,) = (await told(service, BOTH, count=1))[MOTHER]
        await upsert(service, relationship(STUDENT, MOTHER, barred=True))
        detail = await notification(service, MOTHER, delivery_id=delivery.delivery_id)
        assert detail.title == "Ben: lunch account"
        (change,) = detail.changes
        assert (change.student_id, list(change.shared_student_ids)) == (SIBLING, [])
        await upsert(service, relationship(SIBLING, MOTHER, barred=True))
        with pytest.raises(NotFound) as refused:
            await notification(service, MOTHER, notification_id=delivery.notification_id)
        assert refused.value.reason == "NOTIFICATION_NOT_FOUND"


@databases()
async def test_one_subscription_among_the_siblings_is_enough(database: str, tmp_path: Path) -> None:
    async with whole(tmp_path, database=database) as service:
        await live_together(service)
        (device,) = await register(service, phone(MOTHER))
        off, below = (
            subscription_pb2.Subscription(
                student_id=student, kind=common_pb2.KIND_LUNCH_BALANCE, enabled=enabled
            )
            for student, enabled in ((STUDENT, False), (SIBLING, True))
        )
        below.condition.lunch_balance.below_balance.CopyFrom(Money(units=0))
        await subscribe(service, device, off, below)
        (delivery,) = (await told(service, BOTH, count=1))[MOTHER]
        detail = await notification(service, MOTHER, delivery_id=delivery.delivery_id)
        assert detail.title == "Ana and Ben: lunch account"


BAD_ACCOUNTS = [
    (balance("a", shared=(SIBLING, SIBLING)), "shared_student_ids[1]"),
    (balance("b", shared=(STUDENT,)), "shared_student_ids[0]"),
    (balance("c", shared=("",)), "shared_student_ids[0]"),
    (balance("d", shared=("a\nb",)), "shared_student_ids[0]"),
    (balance("e", shared=tuple(f"s{number}" for number in range(21))), "shared_student_ids"),
    (balance("f", currency="EUR"), "balance.currency_code"),
    (balance("g", units=-5, nanos=500_000_000), "balance"),
]


async def test_a_bad_account_is_refused_by_its_field(tmp_path: Path) -> None:
    async with whole(tmp_path) as service:
        await live_together(service)
        async with service.client(access.ROLE_PUBLISHER) as publisher:
            answer = await publisher.changes.BatchPublishChanges(
                BatchPublishChangesRequest(
                    district_id=DISTRICT, changes=[change for change, _ in BAD_ACCOUNTS]
                )
            )
        for ack, (change, field) in zip(answer.acks, BAD_ACCOUNTS, strict=True):
            assert ack.reason == ErrorReason.ERROR_REASON_INVALID_FIELD
            paths = [one.path for one in from_status(ack.error).fields]
            assert paths == [f"lunch_balance.{field}"], change.key.change_id
            with pytest.raises(InvalidArgument):
                await explain(service, ExplainChangeRequest(change=change))


@databases()
async def test_a_student_whom_the_roster_lacks_is_refused_and_leaves_no_trace(
    database: str, tmp_path: Path
) -> None:
    async with whole(tmp_path, database=database) as service:
        await live_together(service)
        await register(service, phone(MOTHER))
        bad = balance("b1", shared=(SIBLING, "of-another-district"))
        with pytest.raises(NotFound) as refused:
            await publish(service, bad)
        assert refused.value.reason == "STUDENT_NOT_FOUND"
        assert refused.value.metadata["student_id"] == "of-another-district"
        assert len((await told(service, BOTH, count=1))[MOTHER]) == 1


@databases()
async def test_an_explanation_says_by_whom_each_person_is_told(
    database: str, tmp_path: Path
) -> None:
    async with whole(tmp_path, database=database) as service:
        await live_together(service)
        await register(service, *map(phone, PEOPLE))
        await told(service, BOTH, count=5)
        answer = await explain(service, about("b1"))
        people = {one.user_id: one for one in answer.recipients}
        assert list(people) == [STUDENT, SIBLING, FATHER, MOTHER, STEPFATHER]
        assert [name for name, one in people.items() if one.is_student] == [STUDENT, SIBLING]
        relationships = {
            name: (one.relationship.student_id, one.relationship.relation)
            for name, one in people.items()
            if one.HasField("relationship")
        }
        assert relationships == {
            MOTHER: (STUDENT, ""),
            FATHER: (STUDENT, ""),
            STEPFATHER: (SIBLING, "parent"),
        }
        for one in people.values():
            assert "Told on one device." in one.summary
            (device,) = one.devices
            assert device.delivery.user_id == one.user_id
        assert {row.scope for row in answer.gates} == {common_pb2.GATE_SCOPE_CHANGE}
        assert [row.scope for row in people[MOTHER].gates] == [
            common_pb2.GATE_SCOPE_APP,
            common_pb2.GATE_SCOPE_RECIPIENT,
            common_pb2.GATE_SCOPE_RECIPIENT,
        ]
        might = await explain(service, ExplainChangeRequest(change=balance("", shared=(SIBLING,))))
        assert len(might.recipients) == 5


@databases()
async def test_decisions_on_a_siblings_people_are_found_by_person(
    database: str, tmp_path: Path
) -> None:
    async with whole(tmp_path, database=database) as service:
        await live_together(service)
        await register(service, phone(STEPFATHER))
        await told(service, BOTH, count=1)
        async with service.client(access.ROLE_ADMINISTRATOR) as administrator:
            answer = await administrator.changes.ListDecisions(
                ListDecisionsRequest(
                    district_id=DISTRICT, filter=DecisionFilter(user_ids=[STEPFATHER])
                )
            )
        (decision,) = answer.decisions
        assert (decision.change_key.change_id, bool(decision.delivery_id)) == ("b1", True)


@databases()
@pytest.mark.parametrize("user_id", [SIBLING, STEPFATHER])
async def test_nothing_of_an_erased_sharer_is_left_and_the_others_keep_the_account(
    database: str, tmp_path: Path, user_id: str
) -> None:
    async with whole(tmp_path, database=database) as service:
        await live_together(service)
        await register(service, *map(phone, PEOPLE))
        await told(service, BOTH, balance("b2", units=-6, student_id=SIBLING), count=8)
        async with service.client(access.ROLE_ADMINISTRATOR) as client:
            exported = await export(client, user_id)
        assert {one["change_id"] for one in exported["decision"]} == {"b1", "b2"}
        async with stored(service) as storage:
            assert await traces(storage, user_id)
            await erase(service, user_id)
            assert await traces(storage, user_id) == []
        async with service.client(access.ROLE_ADMINISTRATOR) as client:
            kept = await export(client, MOTHER)
        assert "b1" in {one["change_id"] for one in kept["delivery"]}
        async with following(service) as followed:
            await publish(service, balance("b3", units=-9))
            await followed.until_states(*[ACCEPTED] * 3)
