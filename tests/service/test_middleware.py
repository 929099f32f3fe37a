"""The middleware of every RPC, over a real server and real TLS."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import logging
from collections.abc import Awaitable
from functools import partial
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import Message
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2

from schoolbell.v1 import (
    change_pb2,
    change_service_pb2,
    roster_service_pb2,
    settings_service_pb2,
    status_service_pb2,
)
from schoolbell.v1.error_reason_pb2 import ErrorReason
from schoolbell_server.observability.log import JsonFormatter
from schoolbell_server.rpc.errors import SchoolbellError
from schoolbell_server.rpc.validation import Violations
from schoolbell_server.security.api_key import Right, Role, Tool
from schoolbell_storage.errors import OutcomeUnknown
from tests.service.middleware_server import DISTRICT, SERVICE, Service, running

GET = "/schoolbell.v1.SettingsService/GetSettings"
UPDATE = "/schoolbell.v1.SettingsService/UpdateSettings"
TALLIES = "/schoolbell.v1.StatusService/GetTallies"
BATCH = "/schoolbell.v1.ChangeService/BatchPublishChanges"
STREAM = "/schoolbell.v1.ChangeService/StreamPublishChanges"
IMPORT = "/schoolbell.v1.RosterService/ImportRoster"
WATCH = "/schoolbell.v1.StatusService/WatchStatus"
ASK = settings_service_pb2.GetSettingsRequest(district_id=DISTRICT).SerializeToString()
SOON = dt.timedelta(milliseconds=20)


class Refused:
    """A refusal as a caller sees it."""

    def __init__(self, error: grpc.aio.AioRpcError) -> None:
        trailers = dict(error.trailing_metadata() or ())
        self.code = error.code()
        self.text = error.details() or ""
        self.request_id = trailers.get("x-request-id")
        raw = trailers["grpc-status-details-bin"]
        assert isinstance(raw, bytes)
        self.size = len(raw)
        self.status = Status.FromString(raw)
        infos = self._details(ErrorInfo)
        assert len(infos) == 1, "there is exactly one ErrorInfo"
        assert infos[0].domain == "schoolbell"
        self.reason = infos[0].reason
        self.metadata = dict(infos[0].metadata)
        self.fields = {
            v.field: v.description for b in self._details(BadRequest) for v in b.field_violations
        }
        self.retry = [one.retry_delay.ToTimedelta() for one in self._details(RetryInfo)]

    def _details(self, kind: type[Any]) -> list[Any]:
        found = []
        for detail in self.status.details:
            message: Message = kind()
            if detail.Unpack(message):
                found.append(message)
        return found


async def refused(call: Awaitable[object]) -> Refused:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return Refused(caught.value)


async def stream_end(call: Any) -> Refused:
    """Read a stream to its end, which must be a refusal."""

    async def read() -> None:
        while await call.read() is not grpc.aio.EOF:
            pass
        error = grpc.aio.AioRpcError(
            await call.code(),
            await call.initial_metadata(),
            await call.trailing_metadata(),
            await call.details(),
        )
        raise error

    return await refused(read())


def batch(number: int, *, wait: bool = False, district_id: str = DISTRICT) -> bytes:
    return change_service_pb2.StreamPublishChangesRequest(
        district_id=district_id, batch_number=number, validate_only=wait
    ).SerializeToString()


def part(**one: Any) -> bytes:
    return roster_service_pb2.ImportRosterRequest(district_id=DISTRICT, **one).SerializeToString()


async def settle(event: asyncio.Event) -> None:
    await asyncio.wait_for(event.wait(), 20)


async def test_a_call_is_answered_and_knows_its_caller(tmp_path: Path) -> None:
    async with running(tmp_path) as service:
        key = service.keys.new(Role.ADMINISTRATOR)
        assert await service.raw(GET, ASK, key, x_request_id="abc-1") == b""
        (caller,) = service.script.callers
        assert caller.role is Role.ADMINISTRATOR
        assert caller.request_id == "abc-1"
        assert caller.name == key.split("_")[1]


async def test_every_error_carries_its_request_id(tmp_path: Path) -> None:
    async with running(tmp_path) as service:
        for sent, kept in (("good.id_1", True), ("no spaces", False), ("x" * 65, False)):
            found = await refused(service.raw(GET, ASK, x_request_id=sent))
            assert found.request_id
            assert (found.request_id == sent) is kept


@pytest.mark.parametrize(
    "authorization", [None, "", "Bearer", "Bearer sb_x_y", "Basic sb_x_y", "sb_x_y"]
)
async def test_without_good_credentials_nothing_else_is_looked_at(
    tmp_path: Path, authorization: str | None
) -> None:
    async with running(tmp_path) as service:
        metadata = {} if authorization is None else {"authorization": authorization}
        for data in (ASK, b"\xff", b""):
            found = await refused(service.raw(GET, data, **metadata))
            assert (found.code, found.reason) == (
                grpc.StatusCode.UNAUTHENTICATED,
                "UNAUTHENTICATED",
            )
        assert service.script.callers == []


async def test_a_wrong_secret_and_an_unknown_key_look_the_same(tmp_path: Path) -> None:
    async with running(tmp_path) as service:
        key = service.keys.new(Role.ADMINISTRATOR)
        wrong = await refused(service.raw(GET, ASK, key[:-2] + "zz"))
        unknown = await refused(service.raw(GET, ASK, "sb_nobody_" + "z" * 43))
        assert wrong.status.message == unknown.status.message
        assert wrong.reason == unknown.reason == "UNAUTHENTICATED"


async def test_revoked_and_expired_keys_say_so(tmp_path: Path) -> None:
    async with running(tmp_path) as service:
        past = dt.datetime(2020, 1, 2, 3, tzinfo=dt.UTC)
        expired = service.keys.new(Role.ADMINISTRATOR, expire_time=past)
        found = await refused(service.raw(GET, ASK, expired))
        assert found.reason == "KEY_EXPIRED"
        assert found.metadata == {"expire_time": "2020-01-02T03:00:00Z"}
        revoked = service.keys.new(Role.ADMINISTRATOR)
        service.keys.revoke(revoked)
        assert (await refused(service.raw(GET, ASK, revoked))).reason == "KEY_REVOKED"


@pytest.mark.parametrize("data", [b"\xff", b"\x0a\x05ab", b"\x0a\x02\xff\xfe"])
async def test_bytes_that_are_no_message_are_malformed(tmp_path: Path, data: bytes) -> None:
    async with running(tmp_path) as service:
        found = await refused(service.raw(GET, data, service.keys.new(Role.ADMINISTRATOR)))
        assert found.code is grpc.StatusCode.INVALID_ARGUMENT
        assert found.reason == "MALFORMED_MESSAGE"


@pytest.mark.parametrize("district_id", ["", "ab", "Maple", "maple!", "x" * 64, "-", "má-ple"])
async def test_a_district_id_must_be_well_formed(tmp_path: Path, district_id: str) -> None:
    async with running(tmp_path) as service:
        ask = settings_service_pb2.GetSettingsRequest(district_id=district_id)
        key = service.keys.new(Role.MONITOR)
        found = await refused(service.raw(GET, ask.SerializeToString(), key))
        assert (found.reason, list(found.fields)) == ("INVALID_FIELD", ["district_id"])
        assert found.metadata == {"total": "1"}


async def test_role_district_and_tool_right_are_checked(tmp_path: Path) -> None:
    async with running(tmp_path) as service:
        new = service.keys.new
        readers = {Tool.PUSH_NOTIFICATIONS: Right.READ}
        method = "schoolbell.v1.SettingsService/"
        for key, rpc, metadata in (
            (new(Role.PUBLISHER), GET, {"method": method + "GetSettings"}),
            (new(Role.ADMINISTRATOR, "oak"), GET, {"method": method + "GetSettings"}),
            (
                new(Role.ADMINISTRATOR, rights=readers),
                UPDATE,
                {
                    "method": method + "UpdateSettings",
                    "tool": "PUSH_NOTIFICATIONS",
                    "right": "WRITE",
                },
            ),
        ):
            found = await refused(service.raw(rpc, ASK, key))
            assert found.code is grpc.StatusCode.PERMISSION_DENIED
            assert (found.reason, found.metadata) == ("PERMISSION_DENIED", metadata)


async def test_an_rpc_without_a_rule_is_refused(tmp_path: Path) -> None:
    async with running(tmp_path, rules={}) as service:
        found = await refused(service.raw(GET, ASK, service.keys.new(Role.OPERATOR, "-")))
        assert found.reason == "PERMISSION_DENIED"


async def test_what_is_not_done_yet_says_so(tmp_path: Path) -> None:
    async with running(tmp_path) as service:
        key = service.keys.new(Role.ADMINISTRATOR)
        for method in (UPDATE, "/schoolbell.v1.Other/Thing"):
            found = await refused(service.raw(method, ASK, key))
            assert found.code is grpc.StatusCode.UNIMPLEMENTED
            assert (found.reason, found.metadata) == ("NOT_IMPLEMENTED", {"method": method[1:]})
        assert (await refused(service.raw(UPDATE, ASK))).reason == "UNAUTHENTICATED"


async def test_a_fault_is_internal_with_a_fixed_text_and_is_logged_without_the_input(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(_: object) -> object:
        raise ValueError("Ada Lovelace scored 12")

    async with running(tmp_path) as service:
        service.script.settings = fail
        key = service.keys.new(Role.ADMINISTRATOR)
        found = await refused(service.raw(GET, ASK, key, x_request_id="find-me"))
    assert (found.code, found.reason) == (grpc.StatusCode.INTERNAL, "INTERNAL")
    assert found.metadata == {"request_id": "find-me"} and found.request_id == "find-me"
    (record,) = [r for r in caplog.records if r.levelno == logging.ERROR]
    line = JsonFormatter().format(record)
    entry = json.loads(line)
    assert entry["request_id"] == "find-me"
    assert entry["method"] == GET
    assert entry["exception"][0] == "builtins.ValueError"
    assert any("middleware_server.py" in frame for frame in entry["exception"])
    secret = key.split("_", 2)[2]
    for text in (line, found.text, found.status.SerializeToString().decode("latin-1")):
        assert "Lovelace" not in text and secret not in text


async def test_storage_faults_ask_to_come_back(tmp_path: Path) -> None:
    async def fail() -> None:
        raise OutcomeUnknown("the commit's answer was lost")

    async with running(tmp_path) as service:
        service.script.settings = lambda _: fail()
        found = await refused(service.raw(GET, ASK, service.keys.new(Role.ADMINISTRATOR)))
        assert (found.code, found.reason) == (
            grpc.StatusCode.UNAVAILABLE,
            "STORAGE_UNAVAILABLE",
        )
        assert found.retry == [dt.timedelta(seconds=1)]


async def test_all_bad_fields_are_named_up_to_a_cap(tmp_path: Path) -> None:
    def complain(count: int, text: str, _: object) -> None:
        violations = Violations()
        for index in range(count):
            violations.add(f"changes[{index}].percent", text)
        violations.refuse()

    async with running(tmp_path) as service:
        key = service.keys.new(Role.ADMINISTRATOR)
        for count, text, named in ((3, "x", 3), (500, "x", 20), (50, "é" * 10_000, 6)):
            service.script.settings = partial(complain, count, text)
            found = await refused(service.raw(GET, ASK, key))
            assert found.code is grpc.StatusCode.INVALID_ARGUMENT
            assert len(found.fields) == named
            assert found.metadata == {"total": str(count)}
            assert found.size <= 4096


async def test_an_error_of_a_servicer_arrives_whole(tmp_path: Path) -> None:
    def fail(_: object) -> object:
        raise SchoolbellError(
            ErrorReason.ERROR_REASON_ETAG_MISMATCH, "read it again", metadata={"etag": "7"}
        )

    async with running(tmp_path) as service:
        service.script.settings = fail
        found = await refused(service.raw(GET, ASK, service.keys.new(Role.ADMINISTRATOR)))
        assert (found.code, found.reason, found.metadata, found.text) == (
            grpc.StatusCode.ABORTED,
            "ETAG_MISMATCH",
            {"etag": "7"},
            "read it again",
        )


async def test_a_servicer_that_answers_nothing_is_a_fault_not_unknown(tmp_path: Path) -> None:
    async with running(tmp_path) as service:
        service.script.settings = lambda _: None
        found = await refused(service.raw(GET, ASK, service.keys.new(Role.ADMINISTRATOR)))
        assert found.code is grpc.StatusCode.INTERNAL


async def test_unknown_enum_numbers_are_refused_by_name(tmp_path: Path) -> None:
    async with running(tmp_path) as service:
        loose: Any = 77
        ask = status_service_pb2.GetTalliesRequest(district_id=DISTRICT, kinds=[loose])
        monitor = service.keys.new(Role.MONITOR)
        found = await refused(service.raw(TALLIES, ask.SerializeToString(), monitor))
        assert found.fields == {"kinds[0]": "kinds[0] has no member with the number 77."}


async def test_an_unknown_enum_number_in_a_change_does_not_spoil_its_batch(tmp_path: Path) -> None:
    async with running(tmp_path) as service:
        loose: Any = 77
        change = change_pb2.Change(attendance=change_pb2.AttendanceChange(status=loose))
        many = change_service_pb2.BatchPublishChangesRequest(district_id=DISTRICT, changes=[change])
        await service.raw(BATCH, many.SerializeToString(), service.keys.new(Role.PUBLISHER))


async def test_too_large_a_message_is_refused_with_a_reason(tmp_path: Path) -> None:
    async with running(tmp_path) as service:
        key = service.keys.new(Role.ADMINISTRATOR)
        large = settings_service_pb2.GetSettingsRequest(district_id="x" * 2**20)
        found = await refused(service.raw(GET, large.SerializeToString(), key))
        assert (found.code, found.reason) == (
            grpc.StatusCode.RESOURCE_EXHAUSTED,
            "MESSAGE_TOO_LARGE",
        )


async def test_a_message_beyond_grpcs_own_limit_is_no_malformed_one(tmp_path: Path) -> None:
    async with running(tmp_path) as service:
        key = service.keys.new(Role.ADMINISTRATOR)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await service.raw(GET, b"x" * 3 * 2**20, key)
        assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        name = "grpc_server_call_duration_seconds_count"
        labels = {"grpc_method": GET[1:], "grpc_status": "CANCELLED"}
        async with asyncio.timeout(20):
            while service.metrics.registry.get_sample_value(name, labels) != 1:  # noqa: ASYNC110
                await asyncio.sleep(0.005)


async def test_too_many_calls_at_once_are_refused_but_health_is_answered(tmp_path: Path) -> None:
    async with running(tmp_path, concurrent_calls=1, reserved_calls=0) as service:
        key = service.keys.new(Role.ADMINISTRATOR)
        started, release = asyncio.Event(), asyncio.Event()

        async def hold() -> object:
            started.set()
            await release.wait()
            return settings_service_pb2.GetSettingsResponse()

        service.script.settings = lambda _: hold()
        first = asyncio.create_task(service.raw(GET, ASK, key))
        await settle(started)
        found = await refused(service.raw(GET, ASK, key))
        assert (found.reason, len(found.retry)) == ("TOO_MANY_CALLS", 1)
        await service.raw("/grpc.health.v1.Health/Check", b"")
        release.set()
        await first
        await service.raw(GET, ASK, key)


async def test_a_deadline_stops_the_work(tmp_path: Path) -> None:
    async with running(tmp_path) as service:
        stopped = asyncio.Event()

        async def work() -> None:
            try:
                await asyncio.Event().wait()
            finally:
                stopped.set()

        service.script.settings = lambda _: work()
        multi: Any = service.channel.unary_unary(GET)
        key = service.keys.new(Role.ADMINISTRATOR)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await multi(ASK, metadata=service.metadata(key), timeout=0.2)
        assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        await settle(stopped)


async def test_a_stream_answers_each_request_in_order(tmp_path: Path) -> None:
    async with running(tmp_path) as service:
        call = service.stream(STREAM, "stream_stream", service.keys.new(Role.PUBLISHER))
        for number in range(5):
            await call.write(batch(number))
            answer = change_service_pb2.StreamPublishChangesResponse.FromString(await call.read())
            assert answer.batch_number == number
        await call.done_writing()
        assert await call.read() is grpc.aio.EOF
        assert await call.code() is grpc.StatusCode.OK


@pytest.mark.parametrize(
    ("request_bytes", "reason"),
    [
        (b"\xff", "MALFORMED_MESSAGE"),
        (batch(1, district_id="oak"), "PERMISSION_DENIED"),
        (batch(1, district_id="-"), "INVALID_FIELD"),
    ],
)
async def test_a_bad_request_in_mid_stream_ends_it_after_the_good_ones(
    tmp_path: Path, request_bytes: bytes, reason: str
) -> None:
    async with running(tmp_path) as service:
        call = service.stream(STREAM, "stream_stream", service.keys.new(Role.PUBLISHER))
        await call.write(batch(7))
        answer = change_service_pb2.StreamPublishChangesResponse.FromString(await call.read())
        assert answer.batch_number == 7
        await call.write(request_bytes)
        assert (await stream_end(call)).reason == reason
        assert service.script.batches == [7]
        await settle(service.script.left)


async def test_streams_need_credentials_and_permission_at_their_start(tmp_path: Path) -> None:
    async with running(tmp_path) as service:
        nobody = service.stream(STREAM, "stream_stream", "")
        assert (await stream_end(nobody)).reason == "UNAUTHENTICATED"
        monitor = service.stream(STREAM, "stream_stream", service.keys.new(Role.MONITOR))
        assert (await stream_end(monitor)).reason == "PERMISSION_DENIED"
        assert service.script.batches == []


async def test_a_bad_part_of_an_import_is_named_through_the_servicers_tasks(
    tmp_path: Path,
) -> None:
    async with running(tmp_path) as service:
        call = service.stream(IMPORT, "stream_unary", service.keys.new(Role.PUBLISHER))
        await call.write(part())
        await settle(service.script.entered)
        await call.write(b"\xff")
        assert (await refused(call)).reason == "MALFORMED_MESSAGE"


async def watch(service: Service, key: str) -> Any:
    multi: Any = service.channel.unary_stream(WATCH)
    request = status_service_pb2.WatchStatusRequest(district_id=DISTRICT).SerializeToString()
    call = multi(request, metadata=service.metadata(key), timeout=20)
    first = status_service_pb2.WatchStatusResponse.FromString(await call.read())
    assert first.resume_token == "1"
    await settle(service.script.entered)
    return call


async def test_a_revoked_key_ends_its_idle_streams_and_no_others(tmp_path: Path) -> None:
    async with running(tmp_path, check_again=SOON) as service:
        gone, kept = (service.keys.new(Role.MONITOR) for _ in range(2))
        ended, open_one = await watch(service, gone), await watch(service, kept)
        service.keys.revoke(gone)
        found = await stream_end(ended)
        assert (found.code, found.reason) == (grpc.StatusCode.UNAUTHENTICATED, "KEY_REVOKED")
        await settle(service.script.left)
        service.script.release.set()
        assert await open_one.read() is grpc.aio.EOF
        assert await open_one.code() is grpc.StatusCode.OK


async def test_a_revoked_key_ends_a_stream_that_publishes(tmp_path: Path) -> None:
    async with running(tmp_path, check_again=SOON) as service:
        key = service.keys.new(Role.PUBLISHER)
        call = service.stream(STREAM, "stream_stream", key)
        await call.write(batch(1))
        await call.read()
        service.keys.revoke(key)
        assert (await stream_end(call)).reason == "KEY_REVOKED"
        await settle(service.script.left)


async def test_a_watcher_that_leaves_ends_its_servicer(tmp_path: Path) -> None:
    async with running(tmp_path) as service:
        call = await watch(service, service.keys.new(Role.MONITOR))
        call.cancel()
        await settle(service.script.left)


async def test_a_drain_ends_watchers(tmp_path: Path) -> None:
    async with running(tmp_path) as service:
        key = service.keys.new(Role.MONITOR)
        call = await watch(service, key)
        service.middleware.drain()
        found = await stream_end(call)
        assert (found.code, found.reason) == (grpc.StatusCode.UNAVAILABLE, "DRAINING")
        await settle(service.script.left)
        assert (await refused(service.raw(GET, ASK, key))).reason == "DRAINING"
        await service.raw("/grpc.health.v1.Health/Check", b"")


async def test_a_drain_lets_a_publisher_have_its_answers_first(tmp_path: Path) -> None:
    async with running(tmp_path) as service:
        call = service.stream(STREAM, "stream_stream", service.keys.new(Role.PUBLISHER))
        await call.write(batch(1, wait=True))
        await settle(service.script.entered)
        service.middleware.drain()
        service.script.release.set()
        answer = change_service_pb2.StreamPublishChangesResponse.FromString(await call.read())
        assert answer.batch_number == 1
        assert (await stream_end(call)).reason == "DRAINING"


async def test_a_drain_ends_idle_publishers_and_unfinished_imports(tmp_path: Path) -> None:
    async with running(tmp_path) as service:
        publisher = service.stream(STREAM, "stream_stream", service.keys.new(Role.PUBLISHER))
        await publisher.write(batch(1))
        await publisher.read()
        service.script.entered.clear()
        importer = service.stream(IMPORT, "stream_unary", service.keys.new(Role.PUBLISHER))
        await importer.write(part())
        await settle(service.script.entered)
        service.middleware.drain()
        assert (await stream_end(publisher)).reason == "DRAINING"
        assert (await refused(importer)).reason == "DRAINING"
        await settle(service.script.left)


async def test_health_needs_no_credentials_and_takes_no_nonsense(tmp_path: Path) -> None:
    async with running(tmp_path) as service:
        ask = health_pb2.HealthCheckRequest(service=SERVICE).SerializeToString()
        answer = await service.raw("/grpc.health.v1.Health/Check", ask)
        serving = health_pb2.HealthCheckResponse.SERVING
        assert health_pb2.HealthCheckResponse.FromString(answer).status == serving
        found = await refused(service.raw("/grpc.health.v1.Health/Check", b"\xff"))
        assert found.reason == "MALFORMED_MESSAGE"
        other = health_pb2.HealthCheckRequest(service="other").SerializeToString()
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await service.raw("/grpc.health.v1.Health/Check", other)
        assert caught.value.code() is grpc.StatusCode.NOT_FOUND


async def test_health_watchers_are_told_and_ended_by_a_drain(tmp_path: Path) -> None:
    async with running(tmp_path) as service:
        multi: Any = service.channel.unary_stream("/grpc.health.v1.Health/Watch")
        call = multi(b"", timeout=20)
        parse = health_pb2.HealthCheckResponse.FromString
        assert parse(await call.read()).status == health_pb2.HealthCheckResponse.SERVING
        await service.health.enter_graceful_shutdown()
        assert parse(await call.read()).status == health_pb2.HealthCheckResponse.NOT_SERVING
        service.middleware.drain()
        assert (await stream_end(call)).reason == "DRAINING"


@pytest.mark.parametrize("version", ["v1", "v1alpha"])
async def test_reflection_names_the_services(tmp_path: Path, version: str) -> None:
    async with running(tmp_path) as service:
        method = f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo"
        call = service.stream(method, "stream_stream", "")
        await call.write(
            reflection_pb2.ServerReflectionRequest(list_services="").SerializeToString()
        )
        answer = reflection_pb2.ServerReflectionResponse.FromString(await call.read())
        names = {one.name for one in answer.list_services_response.service}
        assert {SERVICE, "grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection"} <= names
        await call.done_writing()
        assert await call.read() is grpc.aio.EOF


async def test_calls_are_counted_by_method_and_status(tmp_path: Path) -> None:
    async with running(tmp_path) as service:
        key = service.keys.new(Role.ADMINISTRATOR)
        await service.raw(GET, ASK, key)
        await refused(service.raw(GET, ASK))
        await refused(service.raw("/made.up/Name", b"", key))
        value = service.metrics.registry.get_sample_value
        method = {"grpc_method": GET[1:]}
        assert value("grpc_server_call_started_total", method) == 2
        name = "grpc_server_call_duration_seconds_count"
        assert value(name, {**method, "grpc_status": "OK"}) == 1
        assert value(name, {**method, "grpc_status": "UNAUTHENTICATED"}) == 1
        assert value("grpc_server_call_started_total", {"grpc_method": "other"}) == 1
        received = "grpc_server_call_rcvd_total_compressed_message_size_bytes_sum"
        assert value(received, {**method, "grpc_status": "OK"}) == len(ASK)


async def ask_reflection(service: Service, version: str, **question: Any) -> Any:
    method = f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo"
    call = service.stream(method, "stream_stream", "")
    await call.write(reflection_pb2.ServerReflectionRequest(**question).SerializeToString())
    answer = reflection_pb2.ServerReflectionResponse.FromString(await call.read())
    await call.done_writing()
    assert await call.read() is grpc.aio.EOF
    return answer


SYMBOLS = {
    "schoolbell.v1.ChangeService.PublishChange": "schoolbell/v1/change_service.proto",
    "schoolbell.v1.ChangeService": "schoolbell/v1/change_service.proto",
    "schoolbell.v1.Change.key": "schoolbell/v1/change.proto",
    "schoolbell.v1.Change.payload": "schoolbell/v1/change.proto",
    "grpc.reflection.v1.ServerReflection": "grpc/reflection/v1/reflection.proto",
    "grpc.reflection.v1.ServerReflection.ServerReflectionInfo": (
        "grpc/reflection/v1/reflection.proto"
    ),
    "grpc.reflection.v1.ServerReflectionRequest.host": "grpc/reflection/v1/reflection.proto",
    "grpc.health.v1.Health.List": "grpc_health/v1/health.proto",
}


@pytest.mark.parametrize("version", ["v1", "v1alpha"])
async def test_reflection_finds_services_methods_fields_and_itself(
    tmp_path: Path, version: str
) -> None:
    async with running(tmp_path) as service:
        for symbol, file in SYMBOLS.items():
            answer = await ask_reflection(service, version, file_containing_symbol=symbol)
            found = [
                FileDescriptorProto.FromString(data)
                for data in answer.file_descriptor_response.file_descriptor_proto
            ]
            assert file in {one.name for one in found}, symbol
        for missing in ("", ".", "schoolbell.v1.ChangeService.Nothing", "schoolbell.v1.Change.no"):
            answer = await ask_reflection(service, version, file_containing_symbol=missing)
            assert answer.error_response.error_code == grpc.StatusCode.NOT_FOUND.value[0], missing


async def test_reflections_own_file_is_whole(tmp_path: Path) -> None:
    async with running(tmp_path) as service:
        answer = await ask_reflection(
            service, "v1", file_by_filename="grpc/reflection/v1/reflection.proto"
        )
        pool = DescriptorPool()
        for data in answer.file_descriptor_response.file_descriptor_proto:
            pool.AddSerializedFile(data)
        found = pool.FindServiceByName("grpc.reflection.v1.ServerReflection")
        (method,) = found.methods
        assert method.input_type.full_name == "grpc.reflection.v1.ServerReflectionRequest"


async def test_health_is_listed(tmp_path: Path) -> None:
    async with running(tmp_path) as service:
        answer = await service.raw("/grpc.health.v1.Health/List", b"")
        messages: Any = health_pb2  # the published stubs do not know `List`
        found = messages.HealthListResponse.FromString(answer).statuses
        serving = health_pb2.HealthCheckResponse.SERVING
        assert {name: one.status for name, one in found.items()} == {"": serving, SERVICE: serving}


async def test_an_unknown_services_health_is_not_found_in_log_and_metric_too(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    async with running(tmp_path) as service:
        other = health_pb2.HealthCheckRequest(service="other").SerializeToString()
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await service.raw("/grpc.health.v1.Health/Check", other)
        assert caught.value.code() is grpc.StatusCode.NOT_FOUND
        labels = {"grpc_method": "grpc.health.v1.Health/Check", "grpc_status": "NOT_FOUND"}
        name = "grpc_server_call_duration_seconds_count"
        assert service.metrics.registry.get_sample_value(name, labels) == 1
    calls = [one for one in caplog.records if one.getMessage() == "call"]
    assert [(one.levelno, vars(one)["code"]) for one in calls] == [(logging.INFO, "NOT_FOUND")]
