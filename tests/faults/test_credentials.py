"""Credentials that expire, are refused, are replaced, or cannot be had."""

from __future__ import annotations

import asyncio
import json
import os
import time
from pathlib import Path

import pytest

from schoolbell_sandbox.apns_settings import ApnsSettings
from schoolbell_sandbox.effect import Effect
from schoolbell_sandbox.faults import Endpoint, Fault
from schoolbell_sandbox.provider_token import ApnsKey
from schoolbell_server.domain.kinds import Outcome, Platform
from schoolbell_server.gateways.apns.provider_token import ProviderToken
from tests.faults.sending import (
    BOTH,
    PATIENCE,
    SHORT,
    TOPIC,
    Sending,
    apns_gateway,
    app_config,
    outcomes,
    reasons,
    sending,
)
from tests.service.sandbox.wire import sandbox
from tests.unit.gateways.keys import write_key

MINUTE = 60


def break_oauth(it: Sending, effect: Effect) -> None:
    it.box.faults.add(Fault(endpoint=Endpoint.OAUTH, effect=effect))


@pytest.mark.parametrize("wedge", [False, True])
async def test_an_expired_provider_token_is_renewed_once_for_everybody(
    wedge: bool, tmp_path: Path
) -> None:
    """Our token is 25 minutes old to us and 65 to Apple, whose clock is 40 minutes ahead."""
    async with sandbox(apns=ApnsSettings(wedge_on_expired_token=wedge)) as box:
        config = app_config(box, tmp_path).ios
        assert config is not None and config.key_file is not None
        behind = 25 * MINUTE
        token = ProviderToken(
            config.key_file, config.key_id, config.team_id, lambda: time.time() - behind
        )
        old = token.get_header()
        gateway = apns_gateway(config, token)
        it = Sending(box, gateway, Platform.IOS, tmp_path)
        box.clock.advance(40 * MINUTE)
        behind = 0
        results = await it.send(100)
        assert outcomes(results) == {Outcome.ACCEPTED: 100}
        it.check_honest(results)
        assert token.get_header() != old
        assert set(box.ledger.totals().rejected) == {"ExpiredProviderToken"}
        await gateway.close()


@pytest.mark.parametrize("wedge", [False, True])
async def test_a_young_token_that_is_called_expired_opens_the_circuit(
    wedge: bool, tmp_path: Path
) -> None:
    settings = ApnsSettings(wedge_on_expired_token=wedge)
    async with sending(Platform.IOS, tmp_path, apns=settings) as it:
        await it.warm()
        it.box.clock.advance(2 * 60 * MINUTE)
        results = await it.send(100)
        assert set(outcomes(results)) == {Outcome.CREDENTIAL_BAD}
        assert reasons(results) <= {"ExpiredProviderToken", "circuit open"}
        it.box.clock.reset()
        health = await it.gateway.probe()
        assert (health.connected, health.circuit_open) == (True, False), "on a new connection"
        assert outcomes(await it.send(10)) == {Outcome.ACCEPTED: 10}


async def test_a_revoked_key_opens_the_circuit_and_kills_no_token(tmp_path: Path) -> None:
    async with sending(Platform.IOS, tmp_path) as it:
        await it.warm()
        key_id = it.box.credentials.apns_key_id
        it.box.apns.keys.remove_key(key_id)
        assert outcomes(await it.send(200)) == {Outcome.CREDENTIAL_BAD: 200}
        asked = sum(it.box.ledger.totals().rejected.values())
        held = await it.send(200)
        assert reasons(held) == {"circuit open"}
        assert sum(it.box.ledger.totals().rejected.values()) == asked, "nothing left"
        health = await it.gateway.probe()
        assert (health.connected, health.circuit_open) == (False, True)
        assert health.reason == "InvalidProviderToken"


async def test_a_key_replaced_under_load_fails_nothing(tmp_path: Path) -> None:
    """Apple knows both keys for a while; the link is moved from the old one to the new one."""
    async with sandbox() as box:
        own = box.credentials
        public = write_key(tmp_path / "AuthKey_NEWKEY1234.p8")
        box.apns.keys.add_key(
            ApnsKey(key_id="NEWKEY1234", team_id=own.apns_team_id, public_key=public)
        )
        old = tmp_path / f"AuthKey_{own.apns_key_id}.p8"
        link = tmp_path / "current.p8"
        link.symlink_to(old)
        config = app_config(box, tmp_path, key_file=link, team_id=own.apns_team_id).ios
        old.write_text(own.apns_p8)
        assert config is not None
        gateway = apns_gateway(config, ProviderToken(link, "", own.apns_team_id))
        it = Sending(box, gateway, Platform.IOS, tmp_path)
        await it.warm()
        before = set(it.listener.connections)
        under_way = [asyncio.create_task(it.send(200)) for _ in range(3)]
        await it.accepted(10)
        (tmp_path / "next").symlink_to(tmp_path / "AuthKey_NEWKEY1234.p8")
        os.replace(tmp_path / "next", link)
        results = [*await it.send(200), *await it.send(200)]
        for task in under_way:
            results += await task
        assert outcomes(results) == {Outcome.ACCEPTED: 1000}
        it.check_honest(results)
        assert it.box.ledger.totals().rejected == {}
        assert set(it.listener.connections) - before
        box.apns.keys.remove_key(own.apns_key_id)
        assert outcomes(await it.send(10)) == {Outcome.ACCEPTED: 10}, "signed with the new key"
        await gateway.close()


async def test_a_certificate_stands_in_for_a_key_and_is_replaced_under_load(
    tmp_path: Path,
) -> None:
    certificate = tmp_path / "push.pem"
    certificate.write_bytes(b"")
    async with sandbox() as box:
        authority = box.credentials.authority

        def issue() -> None:
            pem = authority.client(TOPIC)
            certificate.write_bytes(pem.certificate + pem.key)

        issue()
        config = app_config(box, tmp_path, certificate_file=certificate).ios
        assert config is not None
        gateway = apns_gateway(config, None)
        it = Sending(box, gateway, Platform.IOS, tmp_path)
        assert outcomes(await it.send(100)) == {Outcome.ACCEPTED: 100}
        assert (await gateway.probe()).connected
        before = set(it.listener.connections)
        under_way = asyncio.create_task(it.send(500))
        await it.accepted(101)
        issue()
        assert outcomes(await it.send(100)) == {Outcome.ACCEPTED: 100}
        assert set(it.listener.connections) - before, "with the new certificate"
        certificate.write_bytes(b"-----BEGIN CERTIFICATE-----")
        assert outcomes(await it.send(100)) == {Outcome.ACCEPTED: 100}, "still with the last good"
        assert outcomes(await under_way) == {Outcome.ACCEPTED: 500}
        await gateway.close()


async def test_without_a_client_certificate_nothing_is_accepted(tmp_path: Path) -> None:
    async with sandbox() as box:
        config = app_config(box, tmp_path).ios
        assert config is not None
        gateway = apns_gateway(config, None)
        (result,) = await Sending(box, gateway, Platform.IOS, tmp_path).send(1)
        assert result.provider_reason == "MissingProviderToken"
        assert result.outcome is Outcome.CREDENTIAL_BAD
        await gateway.close()


async def test_an_access_token_is_fetched_once_for_everybody(tmp_path: Path) -> None:
    async with sending(Platform.ANDROID, tmp_path) as it:
        assert outcomes(await it.send(500)) == {Outcome.ACCEPTED: 500}
        assert it.box.fcm.oauth.calls == 1


async def test_a_revoked_access_token_is_renewed_once_for_everybody(tmp_path: Path) -> None:
    async with sending(Platform.ANDROID, tmp_path) as it:
        await it.warm()
        it.box.fcm.oauth.revoke_tokens()
        results = await it.send(300)
        assert outcomes(results) == {Outcome.ACCEPTED: 300}
        it.check_honest(results)
        assert it.box.fcm.oauth.calls == 2


async def test_access_tokens_that_are_always_refused_are_not_fetched_in_a_loop(
    tmp_path: Path,
) -> None:
    async with sending(Platform.ANDROID, tmp_path) as it:
        it.suffer(Effect(status=401, reason="ACCESS_TOKEN_EXPIRED"))
        assert outcomes(await it.send(200)) == {Outcome.CREDENTIAL_BAD: 200}
        assert it.box.fcm.oauth.calls == 2
        assert reasons(await it.send(200)) == {"circuit open"}
        assert it.box.fcm.oauth.calls == 2


async def test_a_service_account_that_is_gone_opens_the_circuit(tmp_path: Path) -> None:
    async with sending(Platform.ANDROID, tmp_path) as it:
        await it.warm()
        it.box.fcm.oauth.remove_account(it.box.credentials.fcm_client_email)
        results = await it.send(200)
        assert outcomes(results) == {Outcome.CREDENTIAL_BAD: 200}
        assert "invalid_grant" in reasons(results)
        assert it.box.fcm.oauth.calls == 2
        health = await it.gateway.probe()
        assert (health.connected, health.circuit_open) == (False, True)


@pytest.mark.parametrize(
    "effect",
    [
        Effect(status=503, body="<html>"),
        Effect(status=500, body=""),
        Effect(status=200, body="<html>"),
        Effect(reset=2),
    ],
    ids=["html", "empty", "captive", "reset"],
)
async def test_a_token_endpoint_in_trouble_is_asked_once_for_everybody(
    effect: Effect, tmp_path: Path
) -> None:
    async with sending(Platform.ANDROID, tmp_path) as it:
        break_oauth(it, effect)
        results = await it.send(200)
        assert outcomes(results) == {Outcome.NOT_SENT: 200}
        assert it.box.faults.counts()[0][1] <= 2
        assert it.box.ledger.totals().accepted == 0


async def test_a_silent_token_endpoint_is_given_up_at_the_deadline(tmp_path: Path) -> None:
    async with sending(Platform.ANDROID, tmp_path, deadline=SHORT) as it:
        break_oauth(it, Effect(silent=True))
        async with asyncio.timeout(PATIENCE):
            results = await it.send(100)
        assert outcomes(results) == {Outcome.NOT_SENT: 100}


@pytest.mark.parametrize("content", [None, "", "{}", "[]", '{"client_email":', "key"])
async def test_a_service_account_file_that_is_none_holds_everything(
    content: str | None, tmp_path: Path
) -> None:
    async with sending(Platform.ANDROID, tmp_path) as it:
        path = it.folder / "service-account.json"
        if content is None:
            path.unlink()
        elif content == "key":
            path.write_text(json.dumps({**it.box.service_account, "private_key": "no key"}))
        else:
            path.write_text(content)
        assert set(outcomes(await it.send(20))) == {Outcome.CREDENTIAL_BAD}
        path.write_text(json.dumps(it.box.service_account))
        await it.recover(probing=True)


@pytest.mark.parametrize("platform", BOTH)
async def test_a_probe_shows_nobody_anything(platform: Platform, tmp_path: Path) -> None:
    async with sending(platform, tmp_path) as it:
        for _ in range(3):
            health = await it.gateway.probe()
            assert (health.connected, health.reason) == (True, "")
        assert it.box.ledger.totals().accepted == 0
        assert it.box.ledger.phones() == []


@pytest.mark.parametrize("platform", BOTH)
async def test_a_probe_sees_an_outage_while_nothing_is_sent(
    platform: Platform, tmp_path: Path
) -> None:
    async with sending(platform, tmp_path, deadline=SHORT) as it:
        it.suffer(Effect(silent=True))
        lost = await it.gateway.probe()
        assert not lost.connected
        assert lost.reason
        it.box.faults.clear()
        assert (await it.gateway.probe()).connected
