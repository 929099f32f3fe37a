"""What providers answer in trouble: throttling, errors in every dress, and Retry-After."""

from __future__ import annotations

import datetime as dt
from email.utils import format_datetime
from pathlib import Path

import pytest

from schoolbell_sandbox.apns_settings import ApnsSettings
from schoolbell_sandbox.effect import Effect
from schoolbell_sandbox.fcm import FcmSettings
from schoolbell_sandbox.fcm_quotas import FcmQuotaSettings
from schoolbell_sandbox.quotas import Quota
from schoolbell_server.domain.kinds import Outcome, Platform
from schoolbell_server.gateways.common.retry_after import MOST
from tests.faults.sending import BOTH, outcomes, reasons, sending

HTML = "<html><title>Service Unavailable</title></html>"
THROTTLE = {
    Platform.IOS: ("TooManyRequests", Outcome.THROTTLED_DEVICE),
    Platform.ANDROID: ("QUOTA_EXCEEDED", Outcome.THROTTLED_DEVICE),
}
BROKEN = {
    Platform.IOS: {500: "InternalServerError", 503: "ServiceUnavailable"},
    Platform.ANDROID: {500: "INTERNAL", 503: "UNAVAILABLE"},
}


@pytest.mark.parametrize("platform", BOTH)
@pytest.mark.parametrize(
    ("headers", "least", "most"),
    [
        ({}, None, None),
        ({"retry-after": "17"}, 17, 17),
        ({"retry-after": "soon"}, None, None),
        ({"retry-after": "99999999"}, MOST.total_seconds(), MOST.total_seconds()),
    ],
    ids=["absent", "seconds", "nonsense", "huge"],
)
async def test_throttling_is_told_with_its_wish(
    platform: Platform,
    headers: dict[str, str],
    least: float | None,
    most: float | None,
    tmp_path: Path,
) -> None:
    reason, outcome = THROTTLE[platform]
    async with sending(platform, tmp_path) as it:
        it.suffer(Effect(status=429, reason=reason, headers=headers))
        for result in await it.send(5):
            assert (result.outcome, result.provider_reason) == (outcome, reason)
            wait = result.retry_after and result.retry_after.total_seconds()
            assert wait == least == most


@pytest.mark.parametrize("platform", BOTH)
async def test_a_retry_date_is_read_too(platform: Platform, tmp_path: Path) -> None:
    reason, _ = THROTTLE[platform]
    when = dt.datetime.now(dt.UTC) + dt.timedelta(minutes=10)
    async with sending(platform, tmp_path) as it:
        headers = {"retry-after": format_datetime(when, usegmt=True)}
        it.suffer(Effect(status=429, reason=reason, headers=headers))
        (result,) = await it.send(1)
        assert result.retry_after is not None
        assert dt.timedelta(minutes=5) < result.retry_after <= dt.timedelta(minutes=10)


async def test_one_throttled_phone_throttles_no_other(tmp_path: Path) -> None:
    quota = ApnsSettings(token_quota=Quota(burst=2, refill_seconds=3600))
    async with sending(Platform.IOS, tmp_path, apns=quota) as it:
        one = it.pushes(1)[0].address
        results = await it.send(6, address=one)
        assert outcomes(results) == {Outcome.ACCEPTED: 2, Outcome.THROTTLED_DEVICE: 4}
        assert outcomes(await it.send(20)) == {Outcome.ACCEPTED: 20}


async def test_a_projects_quota_slows_down_and_stops_nobody_for_good(tmp_path: Path) -> None:
    quotas = FcmQuotaSettings(project=Quota(burst=50, refill_seconds=0.001))
    async with sending(Platform.ANDROID, tmp_path, fcm=FcmSettings(quotas=quotas)) as it:
        results = await it.send(500)
        found = outcomes(results)
        assert found[Outcome.ACCEPTED] + found[Outcome.THROTTLED_PROJECT] == 500
        it.check_honest(results)
        it.box.clock.advance(60)
        assert outcomes(await it.send(5)) == {Outcome.ACCEPTED: 5}


@pytest.mark.parametrize("platform", BOTH)
@pytest.mark.parametrize("status", [500, 503])
async def test_the_providers_own_error_is_its_being_down(
    platform: Platform, status: int, tmp_path: Path
) -> None:
    reason = BROKEN[platform][status]
    async with sending(platform, tmp_path) as it:
        await it.warm()
        it.suffer(Effect(status=status, reason=reason), every=2)
        results = await it.send(40)
        assert outcomes(results) == {Outcome.ACCEPTED: 20, Outcome.PROVIDER_DOWN: 20}
        assert reasons(results) == {"", reason}
        it.check_honest(results)


@pytest.mark.parametrize("platform", BOTH)
@pytest.mark.parametrize("status", [301, 400, 403, 404, 407, 410, 413, 429, 500, 502, 503])
async def test_a_foreign_answer_is_the_provider_being_down_and_kills_no_token(
    platform: Platform, status: int, tmp_path: Path
) -> None:
    async with sending(platform, tmp_path) as it:
        for body in (HTML, "", "[]", '{"reason":7,"error":7}', '{"rea'):
            await it.warm()
            it.suffer(Effect(status=status, body=body))
            results = await it.send(3)
            assert outcomes(results) == {Outcome.PROVIDER_DOWN: 3}
            assert reasons(results) == {f"HTTP {status}"}
            it.box.faults.clear()


@pytest.mark.parametrize("platform", BOTH)
async def test_an_outage_opens_the_circuit_and_its_end_closes_it(
    platform: Platform, tmp_path: Path
) -> None:
    async with sending(platform, tmp_path) as it:
        await it.warm()
        it.suffer(Effect(status=503, body=HTML))
        for _ in range(5):
            assert outcomes(await it.send(10)) == {Outcome.PROVIDER_DOWN: 10}
        seen = it.box.faults.counts()[0][1]
        held = await it.send(100)
        assert outcomes(held) == {Outcome.NOT_SENT: 100}
        assert reasons(held) == {"circuit open"}
        assert all(one.held for one in held)
        assert it.box.faults.counts()[0][1] == seen, "nothing left"
        it.box.faults.clear()
        health = await it.gateway.probe()
        assert (health.connected, health.circuit_open) == (True, False)
        assert outcomes(await it.send(100)) == {Outcome.ACCEPTED: 100}


@pytest.mark.parametrize("platform", BOTH)
async def test_a_provider_that_falls_silent_costs_one_attempt_of_what_was_under_way(
    platform: Platform, tmp_path: Path
) -> None:
    async with sending(platform, tmp_path, deadline=1) as it:
        await it.warm()
        it.suffer(Effect(silent=True))
        assert outcomes(await it.send(50)) == {Outcome.ANSWER_LOST: 50}
        found_out = await it.send(50)
        tried = [one for one in found_out if not one.held]
        assert len(tried) == 1, "one finds out for all"
        assert all(one.outcome is Outcome.NOT_SENT for one in found_out if one.held)
        assert reasons(await it.send(50)) <= {"circuit open"}
        it.box.faults.clear()
        await it.recover(probing=True)
