"""What APNs binds to a connection, allows on it and punishes it for."""

from __future__ import annotations

import asyncio
import base64
import ssl
import time
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from h2.settings import SettingCodes

from schoolbell_sandbox.apns_settings import ApnsSettings
from schoolbell_sandbox.certificates import private_pem
from schoolbell_sandbox.devices import Death, Device
from schoolbell_sandbox.provider_token import ApnsKey
from schoolbell_sandbox.server import Sandbox
from tests.service.sandbox.wire import (
    ALERT,
    TOKEN,
    TOPIC,
    Wire,
    apns_headers,
    client_context,
    credentials,
    provider_token,
    push,
    sandbox,
    to_apns,
)

STREAMS = int(SettingCodes.MAX_CONCURRENT_STREAMS)


def limits(wire: Wire) -> list[int]:
    return [change[STREAMS] for change in wire.settings if STREAMS in change]


def add_key(box: Sandbox, **facts: Any) -> str:
    """Add a key and return a token signed with it."""
    private = ec.generate_private_key(ec.SECP256R1())
    facts = {"key_id": "OTHERKEY00", "team_id": credentials().apns_team_id} | facts
    box.apns.keys.add_key(ApnsKey(public_key=private.public_key(), **facts))
    claims = {"iss": facts["team_id"], "iat": int(time.time())}
    headers = {"kid": facts["key_id"]}
    return "bearer " + jwt.encode(claims, private_pem(private), "ES256", headers=headers)


async def test_one_stream_is_allowed_until_a_token_is_accepted() -> None:
    async with sandbox() as box, to_apns(box) as wire:
        await wire.until(lambda: limits(wire) == [1])
        await push(wire, authorization="bearer a.b.c")
        assert limits(wire) == [1]
        await push(wire)
        await wire.until(lambda: limits(wire) == [1, 1000])


async def test_streams_beyond_an_acknowledged_limit_are_refused() -> None:
    async with sandbox() as box, to_apns(box) as wire:
        await wire.until(lambda: limits(wire) == [1])
        wire.h2.remote_settings[SettingCodes.MAX_CONCURRENT_STREAMS] = 100
        wire.h2.remote_settings.acknowledge()
        headers = list(apns_headers().items())
        open_stream = wire.h2.get_next_available_stream_id()
        pseudo = [(":method", "POST"), (":path", f"/3/device/{TOKEN}"), (":scheme", "https")]
        wire.h2.send_headers(open_stream, [*pseudo, (":authority", "localhost"), *headers])
        over = await wire.answer(wire.send(f"/3/device/{TOKEN}", apns_headers(), ALERT))
        assert over.reset == 7
        assert box.ledger.totals().accepted == 0


async def test_a_second_token_within_twenty_minutes_is_refused_on_its_connection() -> None:
    async with sandbox() as box:
        now = time.time()
        box.clock.set(now, frozen=True)
        first, second = (f"bearer {provider_token(issue_time=now - age)}" for age in (60, 0))
        async with to_apns(box) as wire, to_apns(box) as other:
            assert (await push(wire, authorization=first)).status == 200
            refused = await push(wire, authorization=second)
            assert (refused.status, refused.reason) == (429, "TooManyProviderTokenUpdates")
            assert (await push(wire, authorization=first)).status == 200
            assert (await push(other, authorization=second)).status == 200
            box.clock.advance(1201)
            assert (await push(wire, authorization=second)).status == 200


async def test_a_der_signature_is_as_good_as_a_raw_one() -> None:
    def part(data: bytes) -> bytes:
        return base64.urlsafe_b64encode(data).rstrip(b"=")

    own = credentials()
    header = b'{"alg":"ES256","kid":"%s"}' % own.apns_key_id.encode()
    claims = b'{"iss":"%s","iat":%d}' % (own.apns_team_id.encode(), time.time())
    signed = part(header) + b"." + part(claims)
    key = serialization.load_pem_private_key(own.apns_p8.encode(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    token = signed + b"." + part(key.sign(signed, ec.ECDSA(hashes.SHA256())))
    async with sandbox() as box, to_apns(box) as wire:
        assert (await push(wire, authorization="bearer " + token.decode())).status == 200


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        ({"team_id": "OTHERTEAM0"}, "InvalidProviderToken"),
        ({"team_id": "OTHERTEAM0", "account": "other"}, "Forbidden"),
        ({"family": "topic"}, "UnrelatedKeyIdInToken"),
    ],
    ids=["team", "account", "family"],
)
async def test_a_connection_is_bound_to_its_first_key(facts: dict[str, str], reason: str) -> None:
    async with sandbox() as box, to_apns(box) as wire, to_apns(box) as other:
        foreign = add_key(box, **facts)
        assert (await push(wire)).status == 200
        refused = await push(wire, authorization=foreign)
        assert (refused.status, refused.reason) == (403, reason)
        assert (await push(other, authorization=foreign)).status == 200


@pytest.mark.parametrize("wedge", [True, False])
async def test_an_expired_token_may_wedge_the_connection(wedge: bool) -> None:
    async with sandbox(apns=ApnsSettings(wedge_on_expired_token=wedge)) as box:
        old = f"bearer {provider_token(issue_time=time.time() - 4000)}"
        async with to_apns(box) as wire, to_apns(box) as fresh:
            assert (await push(wire, authorization=old)).reason == "ExpiredProviderToken"
            assert (await push(wire)).status == (403 if wedge else 200)
            assert (await push(fresh)).status == 200


async def test_a_token_expires_by_the_clock() -> None:
    async with sandbox() as box, to_apns(box) as wire:
        assert (await push(wire)).status == 200
        box.clock.advance(3700)
        assert (await push(wire)).reason == "ExpiredProviderToken"


async def test_many_bad_tokens_end_the_connection() -> None:
    settings = ApnsSettings(trusting=False, bad_token_limit=3)
    async with sandbox(apns=settings) as box, to_apns(box) as wire:
        reasons = [(await push(wire)).reason for _ in range(3)]
        assert reasons == ["BadDeviceToken"] * 3
        await wire.until_closed()
        (goaway,) = wire.goaways
        assert goaway.additional_data == b'{"reason":"BadDeviceToken"}'
        assert goaway.last_stream_id == 5


async def test_dead_tokens_and_a_switched_off_limit_cost_nothing() -> None:
    async with sandbox(apns=ApnsSettings(bad_token_limit=3)) as box, to_apns(box) as wire:
        box.apns.devices.add(Device(address=TOKEN, app=TOPIC, death=Death(time=1.0)))
        assert [(await push(wire)).status for _ in range(5)] == [410] * 5
    settings = ApnsSettings(trusting=False, bad_token_limit=None)
    async with sandbox(apns=settings) as box, to_apns(box) as wire:
        assert [(await push(wire)).status for _ in range(150)] == [400] * 150


async def test_a_client_certificate_stands_for_its_topic(tmp_path: Path) -> None:
    async with sandbox() as box:
        pem = credentials().authority.client(TOPIC)
        file = tmp_path / "client.pem"
        file.write_bytes(pem.certificate + pem.key)
        context = client_context(box)
        context.load_cert_chain(file)
        async with Wire(box.apns_port, context) as wire:
            await wire.until(lambda: limits(wire)[-1:] == [1000])
            assert (await push(wire, authorization=None, apns_topic=None)).status == 200
            foreign = await push(wire, authorization=None, apns_topic="org.other")
            assert foreign.reason == "TopicDisallowed"


async def test_alpn_may_be_required() -> None:
    async with sandbox() as box, Wire(box.apns_port, client_context(box, alpn=None)) as wire:
        assert (await push(wire)).status == 200
    strict = sandbox(require_alpn=True)
    async with strict as box, Wire(box.apns_port, client_context(box, alpn=None)) as wire:
        await wire.until_closed()
        assert wire.settings == []


async def test_tls_1_1_is_refused() -> None:
    async with sandbox() as box:
        context = client_context(box)
        context.set_ciphers("ALL:@SECLEVEL=0")
        with pytest.warns(DeprecationWarning, match="TLSv1_1"):
            context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await asyncio.open_connection(
                "127.0.0.1", box.apns_port, ssl=context, server_hostname="localhost"
            )


async def test_a_ping_is_answered() -> None:
    async with sandbox() as box, to_apns(box) as wire:
        reply = await push(wire)
        assert reply.status == 200
        wire.h2.ping(b"schoolbl")
        assert (await push(wire)).status == 200
        assert wire.pings == [b"schoolbl"]


async def test_data_of_a_stream_that_ended_in_the_same_input_breaks_no_connection() -> None:
    """h2 forgets an ended stream as soon as another begins, before its data are looked at."""
    async with sandbox() as box, to_apns(box) as wire:
        await push(wire)
        await wire.until(lambda: 1000 in limits(wire))
        pieces = []
        for _ in range(3):
            lost = wire.h2.get_next_available_stream_id()
            fields = [(":method", "POST"), (":path", "/x"), (":scheme", "https")]
            wire.h2.send_headers(lost, [*fields, (":authority", "localhost")])
            wire.h2.send_data(lost, b"x" * 100)
            wire.h2.reset_stream(lost)
            pieces.append(wire.h2.data_to_send())
        wire.write(b"".join(pieces))
        assert (await push(wire)).status == 200
        assert not wire.closed
