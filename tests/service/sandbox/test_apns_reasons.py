"""Every reason APNs gives, each over a real connection."""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass, field
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from schoolbell_sandbox.apns_settings import ApnsSettings
from schoolbell_sandbox.certificates import private_pem
from schoolbell_sandbox.devices import Death, Device
from schoolbell_sandbox.effect import Effect
from schoolbell_sandbox.faults import Fault
from schoolbell_sandbox.provider_token import ApnsKey
from schoolbell_sandbox.quotas import Quota
from schoolbell_sandbox.server import Sandbox
from tests.service.sandbox.wire import (
    ALERT,
    TOKEN,
    TOPIC,
    apns_headers,
    credentials,
    provider_token,
    push,
    sandbox,
    to_apns,
)


@dataclass(frozen=True, kw_only=True)
class Case:
    """A push that is refused."""

    status: int
    reason: str
    name: str = ""
    token: str = TOKEN
    method: str = "POST"
    path: str | None = None
    body: bytes = ALERT
    headers: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return "-".join(part for part in (self.reason, self.name) if part)


def signed_by_another() -> str:
    key = private_pem(ec.generate_private_key(ec.SECP256R1()))
    own = credentials()
    claims = {"iss": own.apns_team_id, "iat": int(time.time())}
    return jwt.encode(claims, key, "ES256", headers={"kid": own.apns_key_id})


CASES = [
    Case(status=405, reason="MethodNotAllowed", method="GET", body=b""),
    Case(status=404, reason="BadPath", path="/3/devices/" + TOKEN),
    Case(status=400, reason="MissingDeviceToken", token=""),
    Case(status=400, reason="BadDeviceToken", name="not hex", token="xyz" * 20),
    Case(status=400, reason="BadDeviceToken", name="odd", token="a" * 63),
    Case(status=400, reason="BadDeviceToken", name="short", token="abcdef"),
    Case(status=400, reason="BadDeviceToken", name="long", token="ab" * 101),
    Case(status=400, reason="BadDeviceToken", name="zeros", token="0" * 64),
    Case(status=400, reason="BadMessageId", headers={"apns_id": "not-a-uuid"}),
    Case(
        status=400,
        reason="BadMessageId",
        name="upper",
        headers={"apns_id": "DA965CB9-4C90-42E0-BC96-73E5B7316007"},
    ),
    Case(status=400, reason="BadPriority", headers={"apns_priority": "7"}),
    Case(
        status=400,
        reason="BadPriority",
        name="background",
        headers={"apns_push_type": "background", "apns_priority": "10"},
    ),
    Case(status=400, reason="BadExpirationDate", headers={"apns_expiration": "-1"}),
    Case(status=400, reason="BadCollapseId", headers={"apns_collapse_id": "é" * 33}),
    Case(status=400, reason="InvalidPushType", headers={"apns_push_type": "telegram"}),
    Case(status=403, reason="MissingProviderToken", headers={"authorization": None}),
    Case(
        status=403,
        reason="MissingProviderToken",
        name="scheme",
        headers={"authorization": "basic abc"},
    ),
    Case(
        status=403,
        reason="InvalidProviderToken",
        name="malformed",
        headers={"authorization": "bearer a.b.c"},
    ),
    Case(
        status=403,
        reason="InvalidProviderToken",
        name="signature",
        headers={"authorization": "bearer " + signed_by_another()},
    ),
    Case(
        status=403,
        reason="InvalidProviderToken",
        name="team",
        headers={"authorization": "bearer " + provider_token(iss="SOMEBODYEL")},
    ),
    Case(
        status=403,
        reason="ExpiredProviderToken",
        name="old",
        headers={"authorization": "bearer " + provider_token(issue_time=time.time() - 3700)},
    ),
    Case(
        status=403,
        reason="ExpiredProviderToken",
        name="future",
        headers={"authorization": "bearer " + provider_token(issue_time=time.time() + 9000)},
    ),
    Case(status=400, reason="MissingTopic", headers={"apns_topic": None}),
    Case(status=400, reason="BadTopic", headers={"apns_topic": "no spaces"}),
    Case(status=400, reason="BadTopic", name="suffix", headers={"apns_push_type": "voip"}),
    Case(
        status=400,
        reason="BadTopic",
        name="suffix that does not fit",
        headers={"apns_topic": TOPIC + ".voip"},
    ),
    Case(status=400, reason="PayloadEmpty", body=b""),
    Case(status=413, reason="PayloadTooLarge", body=b"x" * 4097),
    Case(
        status=413,
        reason="PayloadTooLarge",
        name="voip",
        body=b"x" * 5121,
        headers={"apns_push_type": "voip", "apns_topic": TOPIC + ".voip"},
    ),
]


@pytest.mark.parametrize("case", CASES, ids=str)
async def test_a_push_is_refused_for_its_reason(case: Case) -> None:
    async with sandbox() as box, to_apns(box) as wire:
        path = f"/3/device/{case.token}" if case.path is None else case.path
        headers = apns_headers(**case.headers)
        answer = await wire.answer(wire.send(path, headers, case.body, method=case.method))
        assert (answer.status, answer.reason) == (case.status, case.reason)
        assert answer.headers["content-type"] == "application/json"
        uuid.UUID(answer.headers["apns-id"])
        assert box.ledger.totals().accepted == 0
        assert box.ledger.totals().rejected == {case.reason: 1}


async def test_a_repeated_header_is_refused() -> None:
    async with sandbox() as box, to_apns(box) as wire:
        fields = [*apns_headers().items(), ("apns-topic", TOPIC)]
        answer = await wire.answer(wire.send_fields(f"/3/device/{TOKEN}", fields, ALERT))
        assert (answer.status, answer.reason) == (400, "DuplicateHeaders")


async def test_an_accepted_push_is_answered_without_a_body() -> None:
    async with sandbox() as box, to_apns(box) as wire:
        own = str(uuid.uuid4())
        answer = await push(wire, apns_id=own)
        assert answer.status == 200
        assert answer.body == b"" and answer.data_frames == []
        assert answer.headers["apns-id"] == own
        assert "content-type" not in answer.headers
        uuid.UUID(answer.headers["apns-unique-id"])


async def test_production_names_no_unique_id() -> None:
    async with sandbox(apns=ApnsSettings(environment="production")) as box, to_apns(box) as wire:
        assert "apns-unique-id" not in (await push(wire)).headers


async def test_a_push_without_an_id_gets_one() -> None:
    async with sandbox() as box, to_apns(box) as wire:
        answer = await push(wire, apns_id=None)
        uuid.UUID(answer.headers["apns-id"])
        assert box.ledger.count(answer.headers["apns-id"]) == 1


async def test_a_voip_payload_may_be_larger() -> None:
    async with sandbox() as box, to_apns(box) as wire:
        body = b'{"aps":{}}' + b" " * 5000
        answer = await push(wire, body=body, apns_push_type="voip", apns_topic=TOPIC + ".voip")
        assert answer.status == 200


async def test_invalid_json_is_accepted_and_counted() -> None:
    async with sandbox() as box, to_apns(box) as wire:
        assert (await push(wire, body=b"{")).status == 200
        assert box.ledger.totals().invalid_json == 1


async def test_an_unknown_token_is_bad_unless_the_sandbox_trusts() -> None:
    async with sandbox(apns=ApnsSettings(trusting=False)) as box, to_apns(box) as wire:
        assert (await push(wire)).reason == "BadDeviceToken"
        box.apns.devices.add(Device(address=TOKEN, app=TOPIC))
        assert (await push(wire)).status == 200


async def test_a_token_of_another_app_is_not_for_the_topic() -> None:
    async with sandbox() as box, to_apns(box) as wire:
        box.apns.devices.add(Device(address=TOKEN, app="org.schoolbell.student"))
        assert (await push(wire)).reason == "DeviceTokenNotForTopic"


async def test_a_token_of_the_other_environment_is_bad() -> None:
    async with sandbox() as box, to_apns(box) as wire:
        box.apns.devices.add(Device(address=TOKEN, app=TOPIC, environment="production"))
        assert (await push(wire)).reason == "BadDeviceToken"


@pytest.mark.parametrize("reason", ["Unregistered", "ExpiredToken"])
async def test_a_dead_token_says_since_when(reason: str) -> None:
    async with sandbox() as box, to_apns(box) as wire:
        death = Death(reason=reason, time=1795438690.143)
        box.apns.devices.add(Device(address=TOKEN, app=TOPIC, death=death))
        answer = await push(wire)
        assert answer.status == 410
        assert answer.body == b'{"reason":"%s","timestamp":1795438690143}' % reason.encode()


async def test_too_many_pushes_to_one_token_are_refused_until_the_clock_moves_on() -> None:
    async with sandbox(apns=ApnsSettings(token_quota=Quota.per(60, 2))) as box:
        box.clock.set(time.time(), frozen=True)
        async with to_apns(box) as wire:
            statuses = [(await push(wire)).status for _ in range(3)]
            assert statuses == [200, 200, 429]
            box.clock.advance(30)
            assert (await push(wire)).status == 200


async def test_a_key_reaches_only_its_topics() -> None:
    async with sandbox() as box, to_apns(box) as wire:
        limit_key(box, topics=frozenset({"org.schoolbell.student"}))
        assert (await push(wire)).reason == "TopicDisallowed"
        assert (await push(wire, apns_topic="org.schoolbell.student")).status == 200


@pytest.mark.parametrize("reason", ["BadEnvironmentKeyIdInToken", "BadEnvironmentKeyInToken"])
async def test_a_key_reaches_only_its_environment(reason: str) -> None:
    async with (
        sandbox(apns=ApnsSettings(environment_reason=reason)) as box,
        to_apns(box) as wire,
    ):
        limit_key(box, environment="production")
        assert (await push(wire)).reason == reason


async def test_a_removed_key_is_invalid_at_once() -> None:
    async with sandbox() as box, to_apns(box) as wire:
        assert (await push(wire)).status == 200
        assert box.apns.keys.remove_key(credentials().apns_key_id)
        assert (await push(wire)).reason == "InvalidProviderToken"


def limit_key(box: Sandbox, **limits: Any) -> None:
    own = credentials()
    box.apns.keys.add_key(
        ApnsKey(
            key_id=own.apns_key_id,
            team_id=own.apns_team_id,
            public_key=own.apns_public_key,
            **limits,
        )
    )


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (400, "IdleTimeout"),
        (403, "BadCertificate"),
        (403, "BadCertificateEnvironment"),
        (500, "InternalServerError"),
        (503, "ServiceUnavailable"),
        (503, "Shutdown"),
    ],
)
async def test_what_no_push_brings_about_can_be_scripted(status: int, reason: str) -> None:
    async with sandbox() as box, to_apns(box) as wire:
        box.faults.add(Fault(effect=Effect(status=status, reason=reason), times=1))
        refused = await push(wire)
        assert (refused.status, refused.json) == (status, {"reason": reason})
        assert refused.headers["content-type"] == "application/json"
        assert box.ledger.totals().accepted == 0
        assert (await push(wire)).status == 200
