"""A person's data: all of it is handed out to who may see it, and erased without a trace."""

from __future__ import annotations

import asyncio
import re
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.json_format import MessageToDict
from sqlalchemy import select, text

from schoolbell import AsyncClient
from schoolbell.errors import NotFound
from schoolbell.v1 import access_service_pb2 as access
from schoolbell.v1 import (
    common_pb2,
    delivery_pb2,
    device_service_pb2,
    roster_pb2,
    roster_service_pb2,
    status_service_pb2,
    subscription_pb2,
    subscription_service_pb2,
)
from schoolbell.v1.change_service_pb2 import (
    DecisionFilter,
    ListDecisionsRequest,
    PublishChangeRequest,
)
from schoolbell_server.security.fingerprint import TokenFingerprints
from schoolbell_storage.decision_records import decode_record
from schoolbell_storage.engine import Storage
from schoolbell_storage.tables import change, metadata
from tests.service.following import PATIENCE, Followed, following
from tests.service.held import hold_grades
from tests.service.scene import (
    FATHER,
    MOTHER,
    SIBLING,
    STUDENT,
    absence,
    deliveries,
    grade,
    lunch,
    phone,
    populate,
    publish,
    register,
    subscribe,
    token_of,
    upsert,
)
from tests.service.stored import stored
from tests.service.whole import DISTRICT, Whole, whole
from tests.storage.engines import databases

CANCELLED = delivery_pb2.DELIVERY_STATE_CANCELLED
TOPICS: list[int] = [
    status_service_pb2.WATCH_TOPIC_DELIVERIES,
    status_service_pb2.WATCH_TOPIC_CHANGES,
]


async def live(service: Whole) -> dict[str, str]:
    """Let everything that can be stored of the scene's people be stored; return device ids."""
    await populate(service)
    await hold_grades(service)
    phones = await register(service, *(phone(name) for name in (STUDENT, SIBLING, MOTHER, FATHER)))
    devices = {one.user_id: one.device_id for one in phones}
    for one in phones:
        if one.user_id in (MOTHER, FATHER):
            wanted = subscription_pb2.Subscription(
                student_id=STUDENT, kind=common_pb2.KIND_ATTENDANCE, enabled=True
            )
            await subscribe(service, one, wanted)
    async with following(service) as followed:
        await publish(service, absence("a1"), lunch("l1", 4), lunch("l2", 4, SIBLING))
        await publish(service, grade("g1", 80), grade("g2", 80, SIBLING))
        await followed.until(_all_left)
    async with service.client() as operator:
        tool = {"tool": access.TOOL_ACCESS, "right": access.RIGHT_WRITE}
        await operator.access.GrantRights(
            access.GrantRightsRequest(
                district_id=DISTRICT,
                rights=[
                    access.ToolRight(grantee_type=access.GRANTEE_TYPE_USER, grantee_id=name, **tool)  # type: ignore[arg-type]
                    for name in (MOTHER, FATHER)
                ],
            )
        )
        for name in (MOTHER, FATHER):
            key = access.ApiKey(
                display_name=f"key of {name}", role=access.ROLE_ADMINISTRATOR, user_id=name
            )
            await operator.access.CreateApiKey(
                access.CreateApiKeyRequest(district_id=DISTRICT, api_key=key)
            )
        await operator.status.CancelDeliveries(
            status_service_pb2.CancelDeliveriesRequest(
                district_id=DISTRICT,
                comment=f"asked for by {MOTHER}.",
                filter=delivery_pb2.DeliveryFilter(device_ids=["none"]),
            )
        )
    barred = roster_pb2.Relationship(student_id=SIBLING, guardian_id=FATHER, barred=True)
    await upsert(service, roster_pb2.RosterRecord(relationship=barred))
    async with service.client(access.ROLE_ADMINISTRATOR) as administrator:
        for student_id, guardian_id in ((SIBLING, MOTHER), (SIBLING, FATHER)):
            await administrator.roster.SetBar(
                roster_service_pb2.SetBarRequest(
                    district_id=DISTRICT,
                    student_id=student_id,
                    guardian_id=guardian_id,
                    barred=True,
                    comment=f"asked for by {MOTHER}.",
                )
            )
    return devices


def _all_left(found: Sequence[delivery_pb2.Delivery]) -> bool:
    """Return whether the lunch and attendance deliveries are accepted and the grades wait."""
    states = sorted(one.state for one in found)
    return states == [2] * 5 + [4] * 8


async def erase(service: Whole, user_id: str) -> int:
    async with service.client(access.ROLE_ADMINISTRATOR) as administrator:
        answer = await administrator.access.ErasePersonData(
            access.ErasePersonDataRequest(district_id=DISTRICT, user_id=user_id)
        )
    return answer.record_count


async def export(client: AsyncClient, user_id: str) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    request = access.ExportPersonDataRequest(district_id=DISTRICT, user_id=user_id)
    stream = client.access.ExportPersonData(request)
    async for part in stream:
        found[part.record_type] += [MessageToDict(record) for record in part.records]
    return found


async def traces(storage: Storage, *words: str) -> list[tuple[str, str]]:
    """Return every place in the database that holds one of the words, packed or not."""
    found = []
    async with storage.read() as connection:
        for table in metadata.sorted_tables:
            for row in await connection.execute(select(table)):
                for name, value in row._mapping.items():
                    texts = [value] if isinstance(value, bytes) else [str(value).encode()]
                    if table is change and name == "decision":
                        texts.append(repr(decode_record(value)).encode())
                    found += [
                        (f"{table.name}.{name}", word)
                        for word in words
                        if any(word.encode() in text for text in texts)
                    ]
    return found


@databases()
@pytest.mark.parametrize("user_id", [STUDENT, MOTHER])
async def test_nothing_of_an_erased_person_is_left_anywhere(
    database: str, tmp_path: Path, user_id: str
) -> None:
    async with whole(tmp_path, database=database) as service:
        devices = await live(service)
        request = phone(user_id)
        registered = request.device
        fingerprints = TokenFingerprints.load(service.config.server.data_dir / "keys")
        words = (
            user_id,
            devices[user_id],
            token_of(request),
            registered.installation_id,
            fingerprints.token_fingerprint(registered.app_id, token_of(request)),
        )
        async with stored(service) as storage:
            assert len({place for place, _ in await traces(storage, *words)}) > 15
            async with following(service, topics=TOPICS) as followed:
                assert await erase(service, user_id) > 10
                await _cancels_are_told(followed, user_id)
            assert await traces(storage, *words) == []
            assert await traces(storage, FATHER), "what is others' stays"
        assert await erase(service, user_id) == 0


@databases()
async def test_two_who_are_named_together_may_be_erased_at_once(
    database: str, tmp_path: Path
) -> None:
    async with whole(tmp_path, database=database) as service:
        await live(service)
        await asyncio.gather(erase(service, MOTHER), erase(service, FATHER))
        async with stored(service) as storage:
            assert await traces(storage, MOTHER, FATHER) == []


async def _cancels_are_told(followed: Followed, user_id: str) -> None:
    """Wait until a watcher saw the end of what had not left."""

    def seen(found: Sequence[delivery_pb2.Delivery]) -> bool:
        return bool(found) and all(
            one.state == CANCELLED and user_id in (one.user_id, one.student_id) for one in found
        )

    await followed.until(seen)


@databases()
async def test_others_keep_what_is_theirs(database: str, tmp_path: Path) -> None:
    async with whole(tmp_path, database=database) as service:
        await live(service)
        async with service.client(access.ROLE_ADMINISTRATOR) as client:
            before = await export(client, FATHER)
            await erase(service, MOTHER)
            after = await export(client, FATHER)
            for name in ("user", "device", "delivery", "decision", "relationship", "tool_right"):
                assert after[name] == before[name] != [], name
            assert [one["comment"] for one in before["bar"]] == [f"asked for by {MOTHER}.", ""]
            assert [one["comment"] for one in after["bar"]] == ["erased", ""]
            found = await client.changes.ListDecisions(
                ListDecisionsRequest(
                    district_id=DISTRICT, filter=DecisionFilter(change_keys=[absence("a1").key])
                )
            )
            assert {one.user_id for one in found.decisions} == {STUDENT, FATHER}
        assert [one.state for one in await deliveries(service, SIBLING)]


@databases()
async def test_an_erased_student_is_not_known_and_positions_stay_good(
    database: str, tmp_path: Path
) -> None:
    async with whole(tmp_path, database=database) as service:
        await populate(service)
        async with service.client(access.ROLE_MONITOR) as monitor:
            listed = await monitor.status.ListDeliveries(
                status_service_pb2.ListDeliveriesRequest(district_id=DISTRICT)
            )
        await register(service, phone(STUDENT), phone(SIBLING))
        await publish(service, grade("g1", 80), lunch("l2", 4, SIBLING))
        await erase(service, STUDENT)
        await service.stop()
        await service.start()
        async with following(service, listed.resume_token) as followed:
            await followed.until(lambda found: [one.state for one in found] == [4])
        async with service.client(access.ROLE_PUBLISHER) as publisher:
            with pytest.raises(NotFound) as refused:
                await publisher.changes.PublishChange(
                    PublishChangeRequest(district_id=DISTRICT, change=grade("g1", 80))
                )
            assert refused.value.reason == "STUDENT_NOT_FOUND"


@databases()
async def test_an_export_has_everything_and_no_secret(database: str, tmp_path: Path) -> None:
    async with whole(tmp_path, database=database) as service:
        devices = await live(service)
        async with service.client(access.ROLE_ADMINISTRATOR) as client:
            student, mother = await export(client, STUDENT), await export(client, MOTHER)
            audit = await client.access.ListAuditEntries(
                access.ListAuditEntriesRequest(district_id=DISTRICT, page_size=2)
            )
        assert set(student) == {
            "user",
            "enrollment",
            "relationship",
            "subscription",
            "device",
            "delivery",
            "fact",
            "change",
            "decision",
            "audit_entry",
        }
        assert {one["change_id"] for one in student["change"]} == {"a1", "l1", "g1"}
        (score,) = [one for one in student["change"] if one["change_id"] == "g1"]
        assert score["content"]["grade"]["percent"] == 80
        assert len(student["delivery"]) == 9
        assert len(student["fact"]) == 3
        assert {one["user_id"] for one in student["delivery"]} == {STUDENT, MOTHER, FATHER}
        assert {one["student_id"] for one in mother["decision"]} == {STUDENT, SIBLING}
        assert [one["device_id"] for one in mother["device"]] == [devices[MOTHER]]
        assert mother["device"][0]["platform"] == "IOS"
        assert [one["display_name"] for one in mother["api_key"]] == [f"key of {MOTHER}"]
        assert {one["subject"] for one in mother["audit_entry"]} >= {
            f"rights/user/{MOTHER}/ACCESS",
            "deliveries",
        }
        assert [one.subject for one in audit.audit_entries] == [
            f"persons/{MOTHER}",
            f"persons/{STUDENT}",
        ]
        (bar,) = mother["bar"]
        assert (bar["student_id"], bar["acting_user_id"]) == (SIBLING, "principal")
        token = token_of(phone(MOTHER))
        assert token not in str(mother)
        assert "secret_hash" not in str(mother)


async def test_the_audit_log_keeps_that_it_was_done_and_not_whom(tmp_path: Path) -> None:
    async with whole(tmp_path) as service:
        await live(service)
        count = await erase(service, MOTHER)
        async with service.client(access.ROLE_ADMINISTRATOR) as client:
            audit = await client.access.ListAuditEntries(
                access.ListAuditEntriesRequest(district_id=DISTRICT, page_size=1)
            )
            (entry,) = audit.audit_entries
            assert entry.method == "schoolbell.v1.AccessService/ErasePersonData"
            assert entry.principal.acting_user_id == "principal"
            assert re.fullmatch("persons/erased-[0-9a-f]{32}", entry.subject)
            found = await client.access.ListAuditEntries(
                access.ListAuditEntriesRequest(
                    district_id=DISTRICT, filter=access.AuditFilter(subjects=[entry.subject])
                )
            )
            done = [MessageToDict(one.after) for one in reversed(found.audit_entries)]
            assert [one["step"] for one in done] == list(range(1, len(done) + 1))
            assert sum(one.get("records", 0) for one in done) == count
            with pytest.raises(NotFound) as refused:
                await export(client, MOTHER)
            assert refused.value.reason == "USER_NOT_FOUND"


async def test_an_erased_person_is_in_no_file_of_the_database(tmp_path: Path) -> None:
    """Neither in freed pages nor in the log, which is emptied beside the erasure."""
    data, person = tmp_path / "data", "somebody-to-be-erased"

    def held() -> list[str]:
        files = data.glob("schoolbell.db*")
        return [file.name for file in files if person.encode() in file.read_bytes()]

    async with whole(tmp_path) as service:
        await populate(service)
        await upsert(
            service,
            roster_pb2.RosterRecord(user=roster_pb2.User(user_id=person, enabled=True)),
            roster_pb2.RosterRecord(
                relationship=roster_pb2.Relationship(
                    student_id=STUDENT, guardian_id=person, portal_enabled=True
                )
            ),
        )
        await register(service, phone(person))
        assert await asyncio.to_thread(held)
        await erase(service, person)
        async with asyncio.timeout(PATIENCE):
            while await asyncio.to_thread(held):  # noqa: ASYNC110 - only the files tell it
                await asyncio.sleep(0.1)


@databases()
async def test_choices_and_test_requests_are_exported_and_erased(
    database: str, tmp_path: Path
) -> None:
    async with whole(tmp_path, database=database) as service:
        await populate(service)
        (tablet,) = await register(service, phone(MOTHER))
        await subscribe(service, tablet, wanted_grades(enabled=False))
        await choose(service, MOTHER)
        await choose(service, FATHER)
        async with service.client(access.ROLE_MOBILE_BACKEND) as backend:
            await backend.devices.SendTestNotification(
                device_service_pb2.SendTestNotificationRequest(
                    district_id=DISTRICT,
                    user_id=MOTHER,
                    device_id=tablet.device_id,
                    request_id="r1",
                )
            )
        async with service.client(access.ROLE_ADMINISTRATOR) as client:
            mother, student = await export(client, MOTHER), await export(client, STUDENT)
        chosen = [
            (one["app_type"], one["device_id"], one["enabled"]) for one in mother["subscription"]
        ]
        assert chosen == [("PARENT", "", True), ("PARENT", tablet.device_id, False)]
        assert [one["request_id"] for one in mother["test_notification"]] == ["r1"]
        assert {one["user_id"] for one in student["subscription"]} == {MOTHER, FATHER}
        await erase(service, MOTHER)
        assert await kept(service) == [FATHER]
        await erase(service, STUDENT)
        assert await kept(service) == []


@databases()
async def test_what_is_saved_while_its_person_is_erased_does_not_stay(
    database: str, tmp_path: Path
) -> None:
    async with whole(tmp_path, database=database) as service:
        await populate(service)
        for _ in range(3):
            await populate_again(service)
            saves = [choose(service, MOTHER) for _ in range(8)]
            results = await asyncio.gather(*saves, erase(service, MOTHER), return_exceptions=True)
            errors = [one for one in results if isinstance(one, BaseException)]
            assert all(isinstance(one, NotFound) for one in errors), errors
            assert await kept(service) == []


async def populate_again(service: Whole) -> None:
    """Let the mother be there again, with her child."""
    user = roster_pb2.User(user_id=MOTHER, enabled=True)
    relationship = roster_pb2.Relationship(
        student_id=STUDENT, guardian_id=MOTHER, portal_enabled=True
    )
    record = roster_pb2.RosterRecord
    await upsert(service, record(user=user), record(relationship=relationship))


def wanted_grades(*, enabled: bool = True) -> subscription_pb2.Subscription:
    return subscription_pb2.Subscription(
        student_id=STUDENT, kind=common_pb2.KIND_GRADE, enabled=enabled
    )


async def choose(service: Whole, user_id: str) -> None:
    """Save a choice of a guardian."""
    async with service.client(access.ROLE_MOBILE_BACKEND) as backend:
        await backend.subscriptions.UpdateSubscriptions(
            subscription_service_pb2.UpdateSubscriptionsRequest(
                district_id=DISTRICT,
                user_id=user_id,
                app_type=common_pb2.APP_TYPE_PARENT,
                subscriptions=[wanted_grades()],
            )
        )


async def kept(service: Whole) -> list[str]:
    """Return whose choices and test requests are stored."""
    found: list[str] = []
    async with stored(service) as storage, storage.read() as connection:
        for table in ("subscription", "test_notification"):
            rows = await connection.execute(text(f"SELECT user_id FROM {table} ORDER BY user_id"))  # noqa: S608
            found += rows.scalars()
    return found
