"""Dead device tokens: which are retired, since when, and when none is."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

from schoolbell_sandbox.apns_settings import ApnsSettings
from schoolbell_sandbox.devices import Death, Device
from schoolbell_sandbox.effect import Effect
from schoolbell_server.domain.kinds import Outcome, Platform, ProviderEnvironment
from schoolbell_server.gateways.common.mass_death import IN_A_ROW
from tests.faults.sending import BOTH, TOPIC, outcomes, reasons, sending

DEATH = dt.datetime(2026, 3, 1, 12, 0, 0, 500_000, tzinfo=dt.UTC)
DEAD = {Platform.IOS: (410, "Unregistered"), Platform.ANDROID: (404, "UNREGISTERED")}


async def test_apple_says_since_when_a_token_is_dead(tmp_path: Path) -> None:
    async with sending(Platform.IOS, tmp_path) as it:
        pushes = it.pushes(3)
        dead = Device(address=pushes[1].address, app=TOPIC, death=Death(time=DEATH.timestamp()))
        it.box.apns.devices.add(dead)
        results = await it.gateway.send(pushes)
        assert [one.outcome.name for one in results] == ["ACCEPTED", "TOKEN_DEAD", "ACCEPTED"]
        assert [one.token_dead_since for one in results] == [None, DEATH, None]


async def test_google_gives_no_time(tmp_path: Path) -> None:
    async with sending(Platform.ANDROID, tmp_path) as it:
        pushes = it.pushes(3)
        project = it.box.credentials.fcm_project_id
        it.box.fcm.devices.add(
            Device(address=pushes[1].address, app=project, death=Death(time=DEATH.timestamp()))
        )
        results = await it.gateway.send(pushes)
        assert [one.outcome.name for one in results] == ["ACCEPTED", "TOKEN_DEAD", "ACCEPTED"]
        assert results[1].token_dead_since is None


@pytest.mark.parametrize("platform", BOTH)
async def test_a_token_of_another_app_is_told_apart(platform: Platform, tmp_path: Path) -> None:
    async with sending(platform, tmp_path) as it:
        push = it.pushes(1)[0]
        devices = it.box.apns.devices if platform is Platform.IOS else it.box.fcm.devices
        devices.add(Device(address=push.address, app="somebody.else"))
        (result,) = await it.gateway.send([push])
        assert result.outcome is Outcome.TOKEN_OF_ANOTHER_APP


@pytest.mark.parametrize("platform", BOTH)
async def test_when_all_of_an_app_die_every_token_is_kept_and_it_shows(
    platform: Platform, tmp_path: Path
) -> None:
    async with sending(platform, tmp_path) as it:
        await it.warm()
        status, reason = DEAD[platform]
        it.suffer(Effect(status=status, reason=reason, timestamp=1))
        results = await it.send(300)
        assert outcomes(results) == {Outcome.TOKEN_OF_ANOTHER_APP: 300}
        assert reasons(results) == {reason}
        it.box.faults.clear()
        health = await it.gateway.probe()
        assert (health.connected, health.tokens_spared) == (True, True)
        assert outcomes(await it.send(1)) == {Outcome.ACCEPTED: 1}
        assert not (await it.gateway.probe()).tokens_spared


async def test_the_wrong_environment_costs_no_family_its_pushes(tmp_path: Path) -> None:
    settings = ApnsSettings(trusting=False)
    async with sending(Platform.IOS, tmp_path, apns=settings) as it:
        pushes = it.pushes(IN_A_ROW * 2)
        for push in pushes:
            device = Device(address=push.address, app=TOPIC, environment="production")
            it.box.apns.devices.add(device)
        results = await it.gateway.send(pushes)
        assert outcomes(results) == {Outcome.TOKEN_OF_ANOTHER_APP: IN_A_ROW * 2}
        assert reasons(results) == {"BadDeviceToken"}


async def test_both_environments_are_reached_from_one_gateway(tmp_path: Path) -> None:
    async with sending(Platform.IOS, tmp_path) as it:
        for environment in ProviderEnvironment:
            assert outcomes(await it.send(10, environment=environment)) == {Outcome.ACCEPTED: 10}
        assert len(it.listener.connections) == 2


@pytest.mark.parametrize("platform", BOTH)
@pytest.mark.parametrize("address", ["", "a/b?c#d", "../../v1", "é😀", "%2e%2e", "x" * 5000])
async def test_an_address_that_is_none_is_refused_and_leads_nowhere_else(
    platform: Platform, address: str, tmp_path: Path
) -> None:
    async with sending(platform, tmp_path) as it:
        odd, good = await it.gateway.send([*it.pushes(1, address=address), *it.pushes(1)])
        assert odd.outcome in (Outcome.TOKEN_DEAD, Outcome.PAYLOAD_BAD)
        assert good.outcome is Outcome.ACCEPTED
        assert it.box.ledger.totals().accepted == 1


@pytest.mark.parametrize("platform", BOTH)
async def test_what_a_phone_receives_is_what_was_sent(platform: Platform, tmp_path: Path) -> None:
    async with sending(platform, tmp_path) as it:
        text = "Größe 語 😀 " * 900
        expire = dt.datetime.now(dt.UTC) + dt.timedelta(hours=1)
        pushes = it.pushes(2, body=text, expire_time=expire, registration_ref="maple")
        assert outcomes(await it.gateway.send(pushes)) == {Outcome.ACCEPTED: 2}
        for push in pushes:
            (arrival,) = it.box.ledger.arrivals(push.address)
            title, body = arrival.text
            assert (title, body[-1]) == ("New grade", "…")
            assert text.startswith(body[:-1])
            assert arrival.delivery_id == push.delivery_id
            assert arrival.collapse_key == push.collapse_key
            assert arrival.expire_time is not None
            assert abs(arrival.expire_time - expire.timestamp()) < 60
