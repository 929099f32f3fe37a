"""What was done to the roster, to phones and with a look at persons is on record, bounded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from google.protobuf.json_format import MessageToDict

from schoolbell.errors import NotFound, PermissionDenied
from schoolbell.v1 import access_service_pb2 as access
from schoolbell.v1 import (
    change_service_pb2,
    common_pb2,
    device_service_pb2,
    roster_service_pb2,
)
from tests.service.granting import (
    ACCESS,
    READ,
    SETTINGS,
    WRITE,
    add_district,
    administrator,
    create,
    entries,
    right,
)
from tests.service.held import hold_grades
from tests.service.scene import (
    FATHER,
    MOTHER,
    SOURCE,
    STUDENT,
    grade,
    phone,
    populate,
    publish,
    register,
    upsert,
)
from tests.service.test_person_data import erase
from tests.service.test_sources import an_import, user
from tests.service.whole import DISTRICT, whole
from tests.storage.engines import databases

SYSTEM = common_pb2.PRINCIPAL_TYPE_SYSTEM


def told(entry: access.AuditEntry) -> tuple[str, str, dict[str, Any]]:
    return entry.method.rpartition("/")[2], entry.subject, MessageToDict(entry.after)


@databases()
async def test_records_and_imports_of_the_roster_are_on_record(
    database: str, tmp_path: Path
) -> None:
    async with whole(tmp_path, database=database) as service:
        await populate(service)
        async with service.client(access.ROLE_PUBLISHER) as publisher:
            key_id = service.key(access.ROLE_PUBLISHER).split("_")[1]
            await upsert(service, *(user(f"u-{number:03}") for number in range(30)))
            await publisher.roster.DeactivateRecords(
                roster_service_pb2.DeactivateRecordsRequest(
                    district_id=DISTRICT,
                    source=SOURCE,
                    enrollment_ids=[f"stay-of-{STUDENT}"],
                    relationships=[
                        roster_service_pb2.RelationshipKey(student_id=STUDENT, guardian_id=FATHER)
                    ],
                )
            )
            await publisher.roster.ImportRoster(an_import(user("pupil")))
            await publisher.roster.UpsertRecords(
                roster_service_pb2.UpsertRecordsRequest(
                    district_id=DISTRICT, source=SOURCE, records=[user("x")], validate_only=True
                )
            )
        async with service.client() as operator:
            applied, received, deactivated, upserted = (await entries(operator))[:4]
        names = [f"u-{number:03}" for number in range(20)]
        what = {"source": SOURCE, "user_ids": names, "user_ids_count": 30}
        assert told(upserted) == ("UpsertRecords", "roster", what)
        assert told(deactivated) == (
            "DeactivateRecords",
            "roster",
            {
                "source": SOURCE,
                "enrollments": [{"student_id": STUDENT}],
                "relationships": [{"student_id": STUDENT, "guardian_id": FATHER}],
            },
        )
        header = {"source": "lunch-system", "mode": "delta"}
        assert told(received) == ("ImportRoster", "imports/import-1", {**header, "record_count": 1})
        counts = {"user": {"created": 1, "updated": 0, "deactivated": 0}}
        method, subject, after = told(applied)
        assert (method, subject) == ("ImportRoster", "imports/import-1")
        assert {**header, "state": "applied"}.items() <= after.items()
        assert after["counts"]["user"] == counts["user"]
        assert (applied.principal.type, applied.principal.id) == (SYSTEM, "imports")
        assert {one.principal.id for one in (received, deactivated, upserted)} == {key_id}


@databases()
async def test_a_look_at_persons_and_a_test_are_on_record(database: str, tmp_path: Path) -> None:
    async with whole(tmp_path, database=database) as service:
        await populate(service)
        (device,) = await register(service, phone(STUDENT))
        await publish(service, grade("g1", 61))
        async with service.client(access.ROLE_ADMINISTRATOR) as client:
            before = len(await entries(client))
            await client.changes.ExplainChange(
                change_service_pb2.ExplainChangeRequest(
                    district_id=DISTRICT, change_key=grade("g1", 61).key, user_id=MOTHER
                )
            )
            thought = grade("g2", 33)
            await client.changes.ExplainChange(
                change_service_pb2.ExplainChangeRequest(district_id=DISTRICT, change=thought)
            )
            await client.changes.ListDecisions(
                change_service_pb2.ListDecisionsRequest(
                    district_id=DISTRICT,
                    filter=change_service_pb2.DecisionFilter(user_ids=[MOTHER]),
                )
            )
            await client.devices.SendTestNotification(
                device_service_pb2.SendTestNotificationRequest(
                    district_id=DISTRICT, user_id=STUDENT, device_id=device.device_id
                )
            )
            found = (await entries(client))[: -before or None]
        about = {"student_id": STUDENT, "kind": "GRADE"}
        assert [told(one) for one in reversed(found)] == [
            (
                "ExplainChange",
                "explanations",
                {"change_key": {"source": SOURCE, "change_id": "g1"}, **about, "user_id": MOTHER},
            ),
            ("ExplainChange", "explanations", about),
            ("ListDecisions", "decisions", {"user_ids": [MOTHER]}),
            (
                "SendTestNotification",
                f"devices/{device.device_id}",
                {"user_id": STUDENT, "app_id": device.app_id},
            ),
        ]
        assert {one.principal.acting_user_id for one in found} == {"principal"}


@databases()
async def test_signing_a_person_out_is_on_record_and_takes_the_right_to_write(
    database: str, tmp_path: Path
) -> None:
    async with whole(tmp_path, database=database) as service:
        await populate(service)
        await add_district(service, "oak")
        await hold_grades(service)
        await register(service, phone(MOTHER), phone(MOTHER, ios=False, number=2), phone(FATHER))
        await publish(service, grade("g1", 61))
        reader = await administrator(service, "reader", right("reader", SETTINGS, READ))
        request = device_service_pb2.SignOutRequest(district_id=DISTRICT, user_id=MOTHER)
        elsewhere = device_service_pb2.SignOutRequest(district_id="oak", user_id=MOTHER)
        async with service.client(access.ROLE_ADMINISTRATOR) as client:
            before = len(await entries(client))
            async with service.client_of(reader) as reading:
                for refused, asked in ((reading, request), (client, elsewhere)):
                    with pytest.raises(PermissionDenied):
                        await refused.devices.SignOut(asked)
            assert len(await entries(client)) == before
            for _ in range(2):  # the second changes nothing
                left = (await client.devices.SignOut(request)).devices
                assert [one.stay_logged_in for one in left] == [False, False]
            (entry,) = (await entries(client))[:-before]
            what = {"step": 1.0, "devices": 2.0, "cancelled": 2.0}
            assert told(entry) == ("SignOut", f"persons/{MOTHER}", what)
            assert entry.principal.acting_user_id == "principal"
            async with service.client(access.ROLE_MOBILE_BACKEND) as backend:
                request.user_id = FATHER
                await backend.devices.SignOut(request)
            assert len(await entries(client)) == before + 1
            await erase(service, MOTHER)
            (entry,) = await entries(client, methods=["schoolbell.v1.DeviceService/SignOut"])
            assert MOTHER not in str(entry)


@databases()
async def test_an_erasure_hides_no_deed(database: str, tmp_path: Path) -> None:
    async with whole(tmp_path, database=database) as service:
        await populate(service)
        operator_id = service.key(access.ROLE_OPERATOR).split("_")[1]
        await upsert(service, user("clerk"), user("WRITE"), user("PUBLISHER"), user(operator_id))
        rights = [right("clerk", tool, WRITE) for tool in access.Tool.values()[1:]]
        secret = await administrator(service, "clerk", *rights)
        async with service.client_of(secret) as clerk:
            deed = right("accomplice", ACCESS, WRITE)
            await clerk.access.GrantRights(
                access.GrantRightsRequest(district_id=DISTRICT, rights=[deed])
            )
            before = await entries(clerk)
            for nobody in (operator_id, secret.split("_")[1], "start", "accomplice", "nobody"):
                with pytest.raises(NotFound) as refused:
                    await clerk.access.ErasePersonData(
                        access.ErasePersonDataRequest(district_id=DISTRICT, user_id=nobody)
                    )
                assert refused.value.reason == "USER_NOT_FOUND"
            assert await entries(clerk) == before
        for word in ("WRITE", "PUBLISHER"):
            assert await erase(service, word) > 0
        async with service.client() as operator:
            after = {one.audit_entry_id: one for one in await entries(operator)}
            for old in before:
                if old.method.endswith("UpsertRecords"):
                    continue
                assert after[old.audit_entry_id] == old
        async with service.client_of(secret) as clerk:
            await clerk.access.ErasePersonData(
                access.ErasePersonDataRequest(district_id=DISTRICT, user_id="clerk")
            )
        async with service.client() as operator:
            (kept,) = await entries(operator, subjects=["rights/user/accomplice/ACCESS"])
            pseudonym = kept.principal.acting_user_id
            assert pseudonym.startswith("erased-")
            assert kept.principal.id == secret.split("_")[1]
            assert MessageToDict(kept.after) == {"right": "WRITE"}
            erasures = await entries(operator, subjects=[f"persons/{pseudonym}"])
            assert {one.principal.acting_user_id for one in erasures} == {pseudonym}
            assert await entries(operator, subjects=[f"rights/user/{pseudonym}/ACCESS"])
        assert await erase(service, "clerk") == 0, "a repeat answers OK"


@databases()
async def test_what_an_erasure_would_erase_is_what_it_erases(database: str, tmp_path: Path) -> None:
    from tests.service.test_person_data import live

    async with whole(tmp_path, database=database) as service:
        await live(service)
        async with service.client(access.ROLE_ADMINISTRATOR) as client:
            for user_id in (MOTHER, STUDENT):
                request = access.ErasePersonDataRequest(
                    district_id=DISTRICT, user_id=user_id, validate_only=True
                )
                would = (await client.access.ErasePersonData(request)).record_count
                assert (await client.access.ErasePersonData(request)).record_count == would
                assert await erase(service, user_id) == would > 10


async def test_a_key_of_several_districts_loses_the_one_in_which_its_person_is_erased(
    tmp_path: Path,
) -> None:
    from tests.service.granting import add_district

    async with whole(tmp_path) as service:
        await populate(service)
        await add_district(service, "oak-county")
        async with service.client() as operator:
            made = await create(
                operator,
                role=access.ROLE_ADMINISTRATOR,
                user_id=MOTHER,
                district_ids=[DISTRICT, "oak-county"],
            )
        await erase(service, MOTHER)
        async with service.client_of(made.secret) as client:
            caller = await client.access.GetCaller(access.GetCallerRequest())
        assert list(caller.district_ids) == ["oak-county"]
