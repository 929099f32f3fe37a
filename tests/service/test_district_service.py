"""DistrictService over a real connection: created once, changed by mask and etag, paged."""

from __future__ import annotations

from pathlib import Path

import grpc
from google.protobuf.field_mask_pb2 import FieldMask
from sqlalchemy import select

from schoolbell.v1 import common_pb2
from schoolbell.v1 import district_service_pb2 as messages
from schoolbell.v1.district_service_pb2_grpc import DistrictServiceStub
from schoolbell_server.domain.change import ChangeKey
from schoolbell_server.domain.kinds import Kind
from schoolbell_server.security.api_key import Role
from schoolbell_storage.changes import ChangeRow, insert_changes
from schoolbell_storage.tables import district
from tests.service.district_server import APPS, Service, refused, serving
from tests.service.middleware_server import DISTRICT
from tests.service.paging import pages


def update(etag: str = "", paths: tuple[str, ...] = (), **fields: object) -> object:
    return messages.UpdateDistrictRequest(
        district_id=DISTRICT,
        district=messages.District(etag=etag, **fields),  # type: ignore[arg-type]
        update_mask=FieldMask(paths=paths),
    )


async def test_a_new_district_is_answered_as_stored(tmp_path: Path) -> None:
    async with serving(tmp_path) as service:
        created = await service.add_district()
        request = messages.GetDistrictRequest(district_id=DISTRICT)
        assert (await service.districts.GetDistrict(request)).district == created
    assert created.district_id == DISTRICT
    assert (created.locale, created.currency_code) == ("en", "USD")
    assert created.active_school_year == 0
    assert list(created.licensed_kinds) == [common_pb2.KIND_GRADE, common_pb2.KIND_ATTENDANCE]
    assert tuple(created.app_ids) == APPS
    assert created.etag


async def test_its_collapse_secret_is_random_and_sealed(tmp_path: Path) -> None:
    async with serving(tmp_path) as service:
        await service.add_district()
        await service.add_district("elm-district")
        async with service.storage.read() as connection:
            found = await connection.execute(
                select(district.c.district_id, district.c.collapse_secret)
            )
            opened = [
                service.sealer.unseal(row.collapse_secret, row.district_id.encode())
                for row in found
            ]
    assert [len(secret) for secret in opened] == [32, 32]
    assert opened[0] != opened[1]


async def test_created_again_it_answers_the_same_and_other_content_is_refused(
    tmp_path: Path,
) -> None:
    async with serving(tmp_path) as service:
        created = await service.add_district()
        assert await service.add_district() == created
        with refused("DISTRICT_EXISTS") as refusal:
            await service.add_district(time_zone="America/Denver")
        assert len(await service.audit()) == 1
    assert refusal.code is grpc.StatusCode.ALREADY_EXISTS
    assert refusal.metadata == {"district_id": DISTRICT}


async def test_every_bad_field_is_named_in_one_pass(tmp_path: Path) -> None:
    async with serving(tmp_path) as service:
        with refused("INVALID_FIELD") as refusal:
            await service.add_district(
                display_name="",
                time_zone="Chicago",
                locale="english please",
                currency_code="dollars",
                licensed_kinds=[common_pb2.KIND_GRADE, common_pb2.KIND_GRADE],
                app_ids=["maple-parent", "unknown"],
            )
    assert set(refusal.fields) == {
        "district.display_name",
        "district.time_zone",
        "district.locale",
        "district.currency_code",
        "district.licensed_kinds",
        "district.app_ids[1]",
    }


async def test_an_update_changes_the_masked_fields_only(tmp_path: Path) -> None:
    async with serving(tmp_path) as service:
        created = await service.add_district()
        before = await service.facts_version()
        service.clock.pass_seconds(1)
        changed = (
            await service.districts.UpdateDistrict(
                update(
                    created.etag,
                    ("licensed_kinds", "create_time"),
                    display_name="ignored",
                    licensed_kinds=[common_pb2.KIND_LUNCH_BALANCE],
                )
            )
        ).district
        assert await service.facts_version() == before + 1
        entry = (await service.audit())[0]
    assert changed.display_name == created.display_name
    assert list(changed.licensed_kinds) == [common_pb2.KIND_LUNCH_BALANCE]
    assert changed.etag != created.etag
    assert entry.target == "district"
    assert entry.before == {"licensed_kinds": ["KIND_GRADE", "KIND_ATTENDANCE"]}
    assert entry.after == {"licensed_kinds": ["KIND_LUNCH_BALANCE"]}


async def test_a_retried_update_is_fine_and_a_lost_one_is_refused(tmp_path: Path) -> None:
    async with serving(tmp_path) as service:
        old = (await service.add_district()).etag
        first = await service.districts.UpdateDistrict(update(old, display_name="Maple"))
        again = await service.districts.UpdateDistrict(update(old, display_name="Maple"))
        assert again == first
        with refused("ETAG_MISMATCH") as refusal:
            await service.districts.UpdateDistrict(update(old, display_name="Oak"))
        assert len(await service.audit()) == 2
    assert refusal.code is grpc.StatusCode.ABORTED
    assert refusal.metadata == {"etag": first.district.etag}


async def test_what_an_update_cannot_mean_is_refused(tmp_path: Path) -> None:
    async with serving(tmp_path) as service:
        await service.add_district()
        with refused("INVALID_FIELD") as refusal:
            await service.districts.UpdateDistrict(update(paths=("colour",)))
        assert set(refusal.fields) == {"update_mask.paths[0]"}
        with refused("INVALID_FIELD") as refusal:
            await service.districts.UpdateDistrict(update(paths=("time_zone",)))
        assert set(refusal.fields) == {"district.time_zone"}
        with refused("INVALID_FIELD") as refusal:
            empty = messages.UpdateDistrictRequest(district_id=DISTRICT)
            await service.districts.UpdateDistrict(empty)
        assert set(refusal.fields) == {"district"}
        with refused("INVALID_FIELD") as refusal:
            await service.districts.UpdateDistrict(update(district_id="another"))
        assert set(refusal.fields) == {"district.district_id"}


async def test_the_currency_stands_once_a_balance_is_known(tmp_path: Path) -> None:
    async with serving(tmp_path) as service:
        await service.add_district()
        await service.districts.UpdateDistrict(update(currency_code="CAD"))
        await _publish_balance(service)
        with refused("CURRENCY_IN_USE") as refusal:
            await service.districts.UpdateDistrict(update(currency_code="USD"))
        await service.districts.UpdateDistrict(update(currency_code="CAD", locale="fr"))
    assert refusal.code is grpc.StatusCode.FAILED_PRECONDITION
    assert refusal.metadata == {"currency_code": "CAD"}


async def _publish_balance(service: Service) -> None:
    now = service.clock()
    row = ChangeRow(
        district_id=DISTRICT,
        key=ChangeKey(source="lunch", change_id="1"),
        student_id="s",
        kind=Kind.LUNCH_BALANCE,
        occur_time=now,
        accept_time=now,
        position=0,
        token_revision=1,
        deliveries=0,
        content=b"",
        decision=b"",
    )
    async with service.storage.write() as connection:
        await insert_changes(connection, [row])


async def test_an_unknown_district_is_not_found(tmp_path: Path) -> None:
    async with serving(tmp_path) as service:
        with refused("DISTRICT_NOT_FOUND") as refusal:
            await service.districts.GetDistrict(messages.GetDistrictRequest(district_id="elm"))
        with refused("DISTRICT_NOT_FOUND"):
            await service.districts.UpdateDistrict(update(display_name="x"))
        # Fields come before existence.
        with refused("INVALID_FIELD"):
            await service.districts.UpdateDistrict(update(time_zone="nowhere"))
    assert refusal.metadata == {"district_id": "elm"}


async def test_districts_are_paged_by_id_within_what_the_caller_may_read(tmp_path: Path) -> None:
    async with serving(tmp_path) as service:
        for name in ("oak", "elm", DISTRICT):
            await service.add_district(name)
        request = messages.ListDistrictsRequest(district_id="-", page_size=2)
        seen = [
            one.district_id
            async for page in pages(service.districts.ListDistricts, request)
            for one in page.districts
        ]
        one = messages.ListDistrictsRequest(district_id="oak")
        assert [
            row.district_id for row in (await service.districts.ListDistricts(one)).districts
        ] == ["oak"]
        monitor = service.stub(DistrictServiceStub, service.keys.new(Role.MONITOR))
        own = await monitor.ListDistricts(messages.ListDistrictsRequest(district_id="-"))
    assert seen == ["elm", DISTRICT, "oak"]
    assert [row.district_id for row in own.districts] == [DISTRICT]


async def test_bad_pages_are_refused(tmp_path: Path) -> None:
    async with serving(tmp_path) as service:
        for name in ("oak", "elm"):
            await service.add_district(name)
        first = await service.districts.ListDistricts(
            messages.ListDistrictsRequest(district_id="-", page_size=1)
        )
        for size in (-1, 1001):
            with refused("INVALID_FIELD") as refusal:
                await service.districts.ListDistricts(
                    messages.ListDistrictsRequest(district_id="-", page_size=size)
                )
            assert set(refusal.fields) == {"page_size"}
        for district_id, token in (("oak", first.next_page_token), ("-", "x"), ("-", "é\n")):
            with refused("PAGE_TOKEN_INVALID"):
                await service.districts.ListDistricts(
                    messages.ListDistrictsRequest(district_id=district_id, page_token=token)
                )
