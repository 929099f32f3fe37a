"""Bars over a real connection: sources, the district, and who may set and lift which."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import grpc
import pytest

from schoolbell.v1 import common_pb2, roster_pb2
from schoolbell.v1 import roster_service_pb2 as messages
from schoolbell.v1.roster_service_pb2_grpc import RosterServiceStub
from schoolbell_server.security.api_key import Right, Role, Tool
from schoolbell_storage.audit import AuditEntry
from tests.service.district_server import Service, refused, serving
from tests.service.middleware_server import DISTRICT
from tests.service.roster_parts import (
    DELTA,
    FULL,
    Record,
    bring,
    family,
    look_up,
    parts,
    relationship,
    school,
    user,
)
from tests.storage.engines import databases

NORTH = school("north")
ROSTER = [*NORTH, *family("a"), *family("b")]
SOURCE, OF_DISTRICT = roster_pb2.BAR_ORIGIN_SOURCE, roster_pb2.BAR_ORIGIN_DISTRICT


async def set_bar(
    service: Service, barred: bool = True, *, key: str | None = None, **fields: Any
) -> list[tuple[int, str]]:
    """Set or lift a bar as an administrator; return the origins and sources that stand."""
    values = {"student_id": "a", "guardian_id": "a-mother", "comment": "court order 7"} | fields
    request = messages.SetBarRequest(district_id=DISTRICT, barred=barred, **values)
    stub = service.stub(RosterServiceStub, key or service.administrator)
    return [(bar.origin, bar.source) for bar in (await stub.SetBar(request)).bars]


async def bars(service: Service, **fields: Any) -> list[roster_pb2.Bar]:
    stub = service.stub(RosterServiceStub, service.administrator)
    request = messages.ListBarsRequest(district_id=DISTRICT, **fields)
    return list((await stub.ListBars(request)).bars)


async def mother(service: Service) -> roster_pb2.Relationship:
    """Return the relationship of a student to their mother, as both readers answer it."""
    student = await service.roster.GetStudent(
        messages.GetStudentRequest(district_id=DISTRICT, student_id="a")
    )
    person = await service.roster.GetUser(
        messages.GetUserRequest(district_id=DISTRICT, user_id="a-mother")
    )
    found: roster_pb2.Relationship = student.student.relationships[0]
    assert list(person.relationships) == [found]
    return found


async def audited(service: Service) -> list[AuditEntry]:
    """Return what the audit log says of bars, newest first."""
    return [one for one in await service.audit() if one.target.startswith("bars/")]


async def upsert(service: Service, *records: Record, source: str = "sis") -> None:
    await service.roster.UpsertRecords(
        messages.UpsertRecordsRequest(district_id=DISTRICT, source=source, records=records)
    )


@databases()
async def test_no_other_source_lifts_a_bar(database: str, tmp_path: Path) -> None:
    async with serving(tmp_path, database) as service:
        await service.add_district()
        await bring(service, "1", ROSTER)
        await upsert(service, relationship("a", "a-mother", barred=True), source="court")
        # What lifted it before: another source that writes the relationship without it.
        await upsert(service, relationship("a", "a-mother"))
        await upsert(service, relationship("a", "a-mother", barred=False))
        await bring(service, "2", ROSTER)
        stands = await mother(service)
        assert stands.barred
        assert [(bar.origin, bar.source) for bar in stands.bars] == [(SOURCE, "court")]
        assert await set_bar(service) == [(OF_DISTRICT, ""), (SOURCE, "court")]
        await upsert(service, relationship("a", "a-mother", barred=False), source="court")
        assert (await mother(service)).barred
        assert await set_bar(service, False) == []
        assert not (await mother(service)).barred


@databases()
async def test_the_district_bars_whom_nothing_relates(database: str, tmp_path: Path) -> None:
    pair: dict[str, Any] = {"student_id": "a", "guardian_id": "b-mother"}
    async with serving(tmp_path, database) as service:
        await service.add_district()
        await bring(service, "1", ROSTER)
        version = await service.facts_version()
        service.clock.pass_seconds(1)
        assert await set_bar(service, **pair) == [(OF_DISTRICT, "")]
        service.clock.pass_seconds(1)
        again = await set_bar(service, **(pair | {"comment": "once more"}))
        assert again == [(OF_DISTRICT, "")]
        (bar,) = await bars(service, **pair)
        assert await service.facts_version() == version + 1
        await upsert(service, relationship("a", "b-mother"))
        entry, *_ = await audited(service)
        service.clock.pass_seconds(1)
        await set_bar(service, False, **(pair | {"comment": "order 9"}))
        lifted, *_ = await audited(service)
    assert bar.comment == "court order 7"
    assert bar.principal.type == common_pb2.PRINCIPAL_TYPE_API_KEY
    assert bar.principal.acting_user_id == "ada"
    assert (entry.actor.principal.acting_user_id, entry.target) == ("ada", "bars/a/b-mother")
    assert entry.action == "schoolbell.v1.RosterService/SetBar"
    assert (entry.before, entry.after) == (
        {"barred": False},
        {"barred": True, "comment": "court order 7"},
    )
    assert lifted.after == {"barred": False, "comment": "order 9"}


async def test_only_an_operator_lifts_the_bar_of_a_retired_source(tmp_path: Path) -> None:
    async with serving(tmp_path) as service:
        await service.add_district()
        await bring(service, "1", ROSTER)
        service.clock.pass_seconds(1)
        await upsert(service, relationship("a", "a-mother", barred=True), source="old-sis")
        service.clock.pass_seconds(1)
        with refused("PERMISSION_DENIED"):
            await set_bar(service, False, source="old-sis")
        with refused("INVALID_FIELD") as refusal:
            await set_bar(service, True, source="old-sis", key=service.operator)
        assert set(refusal.fields) == {"source"}
        assert await set_bar(service, False, source="sis", key=service.operator) == [
            (SOURCE, "old-sis")
        ]
        assert await set_bar(service, False, source="old-sis", key=service.operator) == []
        lifted, *_ = await audited(service)
    assert lifted.after == {"barred": False, "source": "old-sis", "comment": "court order 7"}


async def test_setting_bars_needs_a_right_and_two_people_of_the_roster(tmp_path: Path) -> None:
    async with serving(tmp_path) as service:
        await service.add_district()
        await bring(service, "1", ROSTER)
        reader = service.keys.new(Role.ADMINISTRATOR, user_id="bo", rights={Tool.BARS: Right.READ})
        for key in (reader, service.sis):
            with refused("PERMISSION_DENIED"):
                await set_bar(service, key=key)
        with refused("STUDENT_NOT_FOUND"):
            await set_bar(service, student_id="ghost")
        with refused("USER_NOT_FOUND"):
            await set_bar(service, guardian_id="ghost")
        stub = service.stub(RosterServiceStub, service.administrator)
        with refused("INVALID_FIELD") as refusal:
            await stub.SetBar(
                messages.SetBarRequest(
                    district_id=DISTRICT, student_id="a", guardian_id="a", comment=" "
                )
            )
        assert set(refusal.fields) == {"guardian_id", "barred", "comment"}
        with refused("INVALID_FIELD") as refusal:
            await set_bar(service, source="\0")
        assert set(refusal.fields) == {"source"}
        for comment in ("x" * 1025, "a\0b"):
            with refused("INVALID_FIELD") as refusal:
                await set_bar(service, comment=comment)
            assert set(refusal.fields) == {"comment"}
        assert await bars(service) == []


@databases()
async def test_bars_are_paged(database: str, tmp_path: Path) -> None:
    async with serving(tmp_path, database) as service:
        await service.add_district()
        await bring(service, "1", ROSTER)
        await upsert(service, relationship("b", "b-mother", barred=True))
        for student_id in ("a", "b"):
            for guardian_id in ("a-mother", "b-mother"):
                await set_bar(service, student_id=student_id, guardian_id=guardian_id)
        stub = service.stub(RosterServiceStub, service.administrator)
        request = messages.ListBarsRequest(district_id=DISTRICT, page_size=2)
        seen, pages = [], 0
        while True:
            page = await stub.ListBars(request)
            seen += [(one.student_id, one.guardian_id, one.source) for one in page.bars]
            pages += 1
            if not page.next_page_token:
                break
            request.page_token = page.next_page_token
        request.student_id = "a"
        with refused("PAGE_TOKEN_INVALID"):
            await stub.ListBars(request)
        assert len(await bars(service, guardian_id="b-mother")) == 3
        with refused("INVALID_FIELD"):
            await bars(service, guardian_id="b\0")
    assert pages == 3
    assert seen == [
        ("a", "a-mother", ""),
        ("a", "b-mother", ""),
        ("b", "a-mother", ""),
        ("b", "b-mother", ""),
        ("b", "b-mother", "sis"),
    ]


def _gone(**record: Any) -> Record:
    return Record(deactivate=True, **record)


GONE = [
    _gone(relationship=roster_pb2.Relationship(student_id="a", guardian_id="a-mother")),
    _gone(user=roster_pb2.User(user_id="a-mother")),
    _gone(user=roster_pb2.User(user_id="a")),
    relationship("a", "a-mother", barred=False),
]


@pytest.mark.parametrize("record", [*GONE, None])
async def test_an_import_loses_no_bar_unless_that_is_allowed(
    record: Record | None, tmp_path: Path
) -> None:
    sent = [*NORTH, *family("b")] if record is None else [record]
    mode = FULL if record is None else DELTA
    async with serving(tmp_path) as service:
        await service.add_district()
        await bring(service, "1", ROSTER)
        await upsert(service, relationship("a", "a-mother", barred=True))
        version = await service.facts_version()
        with refused("IMPORT_GUARD_EXCEEDED") as refusal:
            await bring(service, "2", sent, mode=mode)
        report = (await look_up(service, "2")).report
        assert await service.facts_version() == version
        assert (await mother(service)).barred
        allowed = messages.ImportGuards(allow_bar_loss=True)
        checked = await bring(service, "3", sent, mode=mode, guards=allowed, validate_only=True)
        assert len(await bars(service)) == 1
        done = await bring(service, "4", sent, mode=mode, guards=allowed)
        assert await bars(service) == []
    assert refusal.code is grpc.StatusCode.FAILED_PRECONDITION
    assert refusal.metadata == {
        "import_id": "2",
        "guard": "allow_bar_loss",
        "record_type": "RELATIONSHIP",
    }
    (problem,) = report.problems
    assert (problem.code, problem.record_id) == (
        roster_pb2.IMPORT_PROBLEM_CODE_BAR_LOST,
        "a/a-mother",
    )
    assert problem.severity == roster_pb2.IMPORT_PROBLEM_SEVERITY_ERROR
    assert problem.HasField("record_index") == (record is not None)
    assert report.counts
    assert checked.state == roster_pb2.IMPORT_STATE_VALIDATED
    assert done.state == roster_pb2.IMPORT_STATE_APPLIED
    assert [one.severity for one in done.report.problems] == [
        roster_pb2.IMPORT_PROBLEM_SEVERITY_WARNING
    ]


async def test_deactivating_by_hand_loses_no_bar_unless_that_is_allowed(tmp_path: Path) -> None:
    key = messages.RelationshipKey(student_id="a", guardian_id="a-mother")

    async def deactivate(**fields: Any) -> None:
        request = messages.DeactivateRecordsRequest(
            district_id=DISTRICT, **({"source": "sis"} | fields)
        )
        await service.roster.DeactivateRecords(request)

    async with serving(tmp_path) as service:
        await service.add_district()
        await bring(service, "1", ROSTER)
        await upsert(service, relationship("a", "a-mother", barred=True))
        await set_bar(service)
        named: dict[str, Any]
        for named in ({"relationships": [key]}, {"user_ids": ["a"]}, {"user_ids": ["a-mother"]}):
            for source in ("sis", "office"):
                with refused("IMPORT_GUARD_EXCEEDED") as refusal:
                    await deactivate(source=source, **named)
                assert refusal.code is grpc.StatusCode.FAILED_PRECONDITION
                assert refusal.metadata["guard"] == "allow_bar_loss"
        service.clock.pass_seconds(1)
        await deactivate(relationships=[key], allow_bar_loss=True, validate_only=True)
        assert len(await bars(service)) == 2
        await deactivate(relationships=[key], allow_bar_loss=True)
        assert [bar.source for bar in await bars(service)] == [""]
        await deactivate(user_ids=["a"])
        entry, *_ = await audited(service)
    assert entry.action == "schoolbell.v1.RosterService/DeactivateRecords"
    assert (entry.target, entry.after) == ("bars/a/a-mother", {"barred": False, "source": "sis"})


async def test_bars_of_records_written_by_hand_are_audited(tmp_path: Path) -> None:
    async with serving(tmp_path) as service:
        await service.add_district()
        await bring(service, "1", ROSTER)
        service.clock.pass_seconds(1)
        await upsert(
            service, relationship("a", "a-mother", barred=True), relationship("b", "b-mother")
        )
        service.clock.pass_seconds(1)
        await upsert(service, relationship("a", "a-mother", barred=False))
        lifted, set_, *_ = await audited(service)
    assert (set_.target, set_.before, set_.after) == (
        "bars/a/a-mother",
        {"barred": False, "source": "sis"},
        {"barred": True, "source": "sis"},
    )
    assert lifted.after == {"barred": False, "source": "sis"}


async def test_a_bar_is_set_while_an_import_is_received_and_outlives_it(tmp_path: Path) -> None:
    async with serving(tmp_path) as service:
        await service.add_district()
        await bring(service, "1", ROSTER)
        service.finishing.clear()
        with pytest.raises(grpc.aio.AioRpcError):
            await service.stub(RosterServiceStub, service.sis).ImportRoster(
                _stream("2", [*ROSTER, user("c")]), timeout=1
            )
        await set_bar(service)
        service.finishing.set()
        await service.finisher.drain()
        assert (await look_up(service, "2")).state == roster_pb2.IMPORT_STATE_APPLIED
        assert (await mother(service)).barred


async def _stream(import_id: str, sent: list[Record]) -> Any:
    for part in parts(import_id, sent):
        yield part
