"""Every error FCM gives, each over a real connection and in Google's shape."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

import pytest

from schoolbell_sandbox.devices import Death, Device
from schoolbell_sandbox.fcm import FcmSettings, Project
from schoolbell_sandbox.fcm_quotas import FcmQuotaSettings
from schoolbell_sandbox.quotas import Quota
from schoolbell_sandbox.server import Sandbox
from tests.service.sandbox.wire import (
    FCM_TOKEN,
    Wire,
    access_token,
    credentials,
    detail,
    sandbox,
    send,
    to_fcm,
)

TO = {"token": FCM_TOKEN}


@dataclass(frozen=True, kw_only=True)
class Case:
    """A message that is refused for itself."""

    name: str
    message: Any
    field: str
    fcm_code: bool = True
    """Google adds an FcmError where the message's meaning is at fault, not its form."""

    def __str__(self) -> str:
        return self.name


CASES = [
    Case(name="unknown", message=TO | {"colour": 1}, field="message", fcm_code=False),
    Case(
        name="unknown inside",
        message=TO | {"android": {"notification": {"emoji": "x"}}},
        field="message.android.notification",
        fcm_code=False,
    ),
    Case(
        name="data value",
        message=TO | {"data": {"a": "1", "b": 12}},
        field="message.data[1].value",
        fcm_code=False,
    ),
    Case(
        name="enum",
        message=TO | {"android": {"priority": "URGENT"}},
        field="message.android.priority",
        fcm_code=False,
    ),
    Case(
        name="boolean",
        message=TO | {"android": {"direct_boot_ok": "yes"}},
        field="message.android.direct_boot_ok",
        fcm_code=False,
    ),
    Case(
        name="number",
        message=TO | {"android": {"notification": {"notification_count": "many"}}},
        field="message.android.notification.notification_count",
        fcm_code=False,
    ),
    Case(
        name="duration",
        message=TO | {"android": {"ttl": 60}},
        field="message.android.ttl",
        fcm_code=False,
    ),
    Case(
        name="list",
        message=TO | {"android": {"notification": {"title_loc_args": "a"}}},
        field="message.android.notification.title_loc_args",
        fcm_code=False,
    ),
    Case(name="object", message=TO | {"data": []}, field="message.data", fcm_code=False),
    Case(name="no object", message="hello", field="message", fcm_code=False),
    Case(name="two targets", message=TO | {"topic": "t"}, field="message", fcm_code=False),
    Case(name="no target", message={"data": {}}, field="message.token"),
    Case(name="reserved", message=TO | {"data": {"from": "x"}}, field="message.data.from"),
    Case(
        name="reserved prefix",
        message=TO | {"android": {"data": {"google.x": "x"}}},
        field="message.android.data.google.x",
    ),
    Case(name="ttl", message=TO | {"android": {"ttl": "2419201s"}}, field="message.android.ttl"),
    Case(name="negative", message=TO | {"android": {"ttl": "-1s"}}, field="message.android.ttl"),
    Case(
        name="both androids",
        message=TO | {"android": {}, "android_v2": {}},
        field="message.android_v2",
    ),
    Case(
        name="arguments",
        message=TO | {"android": {"notification": {"body_loc_args": ["a"]}}},
        field="message.android.notification.body_loc_args",
    ),
    Case(name="size", message=TO | {"data": {"a": "x" * 4096}}, field="message"),
    Case(name="topic size", message={"topic": "t", "data": {"a": "x" * 2048}}, field="message"),
    Case(name="topic", message={"topic": "a b"}, field="message.topic"),
]


@pytest.mark.parametrize("case", CASES, ids=str)
async def test_a_wrong_message_is_refused_at_its_field(case: Case) -> None:
    async with sandbox() as box, to_fcm(box) as wire:
        answer = await send(wire, await access_token(wire, box), case.message)
        assert (answer.status, answer.json["error"]["status"]) == (400, "INVALID_ARGUMENT")
        bad = detail(answer, "BadRequest")
        assert bad is not None
        assert [violation["field"] for violation in bad["fieldViolations"]] == [case.field]
        assert (detail(answer, "FcmError") is not None) is case.fcm_code
        assert box.ledger.totals().accepted == 0


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """An answer to a message that is right."""

    status: int
    rpc: str
    fcm_error: str | None = None
    error_info: str | None = None
    device: dict[str, Any] = field(default_factory=dict)
    project: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.status}-{self.fcm_error or self.error_info}-{len(self.device)}"


DEAD = Death(time=1.0)
REFUSALS = [
    Refusal(status=404, rpc="NOT_FOUND", fcm_error="UNREGISTERED", device={"death": DEAD}),
    Refusal(
        status=404, rpc="NOT_FOUND", fcm_error="UNREGISTERED", device={"death": DEAD, "ios": True}
    ),
    Refusal(
        status=403,
        rpc="PERMISSION_DENIED",
        fcm_error="SENDER_ID_MISMATCH",
        device={"app": "another"},
    ),
    Refusal(
        status=401,
        rpc="UNAUTHENTICATED",
        fcm_error="THIRD_PARTY_AUTH_ERROR",
        device={"ios": True},
        project={"apns_key": False},
    ),
    Refusal(
        status=403,
        rpc="PERMISSION_DENIED",
        error_info="SERVICE_DISABLED",
        project={"enabled": False},
    ),
]


@pytest.mark.parametrize("case", REFUSALS, ids=str)
async def test_a_right_message_is_refused_for_its_device_or_project(case: Refusal) -> None:
    async with sandbox() as box, to_fcm(box) as wire:
        own = credentials()
        facts = {"address": FCM_TOKEN, "app": own.fcm_project_id} | case.device
        box.fcm.devices.add(Device(**facts))
        numbers = {"project_id": own.fcm_project_id, "number": own.fcm_project_number}
        box.fcm.add_project(Project(**(numbers | case.project)))
        answer = await send(wire, await access_token(wire, box), TO)
        error = answer.json["error"]
        assert (answer.status, error["code"], error["status"]) == (
            case.status,
            case.status,
            case.rpc,
        )
        assert (detail(answer, "FcmError") or {}).get("errorCode") == case.fcm_error
        assert (detail(answer, "ErrorInfo") or {}).get("reason") == case.error_info
        apns = detail(answer, "ApnsError")
        assert (apns is not None) is bool(case.device.get("ios"))
        assert answer.headers["content-type"] == "application/json; charset=UTF-8"
        assert box.ledger.totals().accepted == 0


@pytest.mark.parametrize(
    ("token", "reason"),
    [("", "CREDENTIALS_MISSING"), ("made-up", "ACCESS_TOKEN_TYPE_UNSUPPORTED")],
)
async def test_a_wrong_access_token_is_unauthenticated(token: str, reason: str) -> None:
    async with sandbox() as box, to_fcm(box) as wire:
        answer = await send(wire, token, TO)
        assert answer.status == 401
        info = detail(answer, "ErrorInfo")
        assert info is not None and info["reason"] == reason
        assert info["metadata"]["service"] == "fcm.googleapis.com"


async def test_an_access_token_expires_by_the_clock() -> None:
    async with sandbox() as box, to_fcm(box) as wire:
        token = await access_token(wire, box)
        box.clock.advance(3598)
        assert (await send(wire, token, TO)).status == 200
        box.clock.advance(2)
        answer = await send(wire, token, TO)
        info = detail(answer, "ErrorInfo")
        assert answer.status == 401 and info is not None
        assert info["reason"] == "ACCESS_TOKEN_EXPIRED"


async def test_a_token_without_the_scope_may_not_send() -> None:
    async with sandbox() as box, to_fcm(box) as wire:
        token = await access_token(wire, box, scope="https://www.googleapis.com/auth/drive")
        answer = await send(wire, token, TO)
        info = detail(answer, "ErrorInfo")
        assert answer.status == 403 and info is not None
        assert info["reason"] == "ACCESS_TOKEN_SCOPE_INSUFFICIENT"


async def test_another_project_is_denied_and_an_unknown_one_not_found() -> None:
    async with sandbox() as box, to_fcm(box) as wire:
        box.fcm.add_project(Project(project_id="other", number="7"))
        token = await access_token(wire, box)
        denied = await send(wire, token, TO, project="other")
        info = detail(denied, "ErrorInfo")
        assert denied.status == 403 and info is not None
        assert info["reason"] == "IAM_PERMISSION_DENIED"
        unknown = await send(wire, token, TO, project="nowhere")
        assert unknown.status == 404
        assert "details" not in unknown.json["error"]


@pytest.mark.parametrize("address", ["short", "with space " * 4])
async def test_a_malformed_address_is_invalid(address: str) -> None:
    async with sandbox() as box, to_fcm(box) as wire:
        answer = await send(wire, await access_token(wire, box), {"token": address})
        assert answer.status == 400
        assert detail(answer, "FcmError") is not None and detail(answer, "BadRequest") is None


async def test_an_unknown_address_is_invalid_unless_the_sandbox_trusts() -> None:
    async with sandbox(fcm=FcmSettings(trusting=False)) as box, to_fcm(box) as wire:
        answer = await send(wire, await access_token(wire, box), TO)
        assert answer.status == 400 and detail(answer, "FcmError") is not None


async def test_a_body_that_is_no_json_is_refused() -> None:
    async with sandbox() as box, to_fcm(box) as wire:
        headers = {"authorization": f"Bearer {await access_token(wire, box)}"}
        path = f"/v1/projects/{credentials().fcm_project_id}/messages:send"
        answer = await wire.answer(wire.send(path, headers, b"{"))
        assert answer.status == 400 and detail(answer, "BadRequest") is not None


async def statuses(box: Sandbox, wire: Wire, message: Any, count: int) -> list[int]:
    token = await access_token(wire, box)
    return [(await send(wire, token, message)).status for _ in range(count)]


NO_QUOTAS: dict[str, Any] = dict.fromkeys(
    ("project", "device_minute", "device_hour", "collapsible")
)


@pytest.mark.parametrize("name", ["project", "device_minute", "device_hour"])
async def test_a_quota_is_kept_by_the_clock(name: str) -> None:
    quotas = FcmQuotaSettings(**NO_QUOTAS | {name: Quota.per(60, 2)})
    async with sandbox(fcm=FcmSettings(quotas=quotas)) as box, to_fcm(box) as wire:
        box.clock.set(time.time(), frozen=True)
        assert await statuses(box, wire, TO, 3) == [200, 200, 429]
        answer = await send(wire, await access_token(wire, box), TO)
        assert answer.json["error"]["status"] == "RESOURCE_EXHAUSTED"
        assert (detail(answer, "FcmError") or {})["errorCode"] == "QUOTA_EXCEEDED"
        assert detail(answer, "QuotaFailure") is not None
        assert 29 <= int(answer.headers["retry-after"]) <= 31
        box.clock.advance(31)
        assert await statuses(box, wire, TO, 2) == [200, 429]


async def test_collapsible_messages_have_a_quota_of_their_own() -> None:
    async with sandbox() as box, to_fcm(box) as wire:
        box.clock.set(time.time(), frozen=True)
        collapsible = TO | {"android": {"collapse_key": "k"}}
        assert await statuses(box, wire, collapsible, 21) == [200] * 20 + [429]
        assert await statuses(box, wire, TO, 1) == [200]
        box.clock.advance(180)
        assert await statuses(box, wire, collapsible, 2) == [200, 429]
