"""Many pushes, many senders, long times: nothing hangs, is lost, sent twice, or piles up.

`LONG=1` sends 50,000 through flapping stream limits instead of a few thousand.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import itertools
import os
from pathlib import Path

import pytest

from schoolbell_sandbox.apns_settings import ApnsSettings
from schoolbell_sandbox.effect import Effect
from schoolbell_sandbox.server import Sandbox
from schoolbell_server.domain.kinds import Outcome, Platform
from schoolbell_server.gateways.apns.provider_token import ProviderToken
from schoolbell_server.gateways.common.circuits import one_circuit
from schoolbell_server.gateways.common.push import Gateway
from schoolbell_server.gateways.common.rate import TokenBucket
from schoolbell_server.gateways.fcm.access_token import AccessToken
from schoolbell_server.gateways.fcm.gateway import FcmGateway
from tests.faults.sending import (
    BOTH,
    PATIENCE,
    Sending,
    apns_gateway,
    app_config,
    memory,
    outcomes,
    reasons,
    sending,
)
from tests.service.sandbox.struck import until_struck
from tests.service.sandbox.wire import sandbox

MEGABYTE = 2**20
FLAPPED = 50_000 if os.environ.get("LONG") else 3_000
BATCH = 500
MINUTE = 60.0


@pytest.mark.parametrize("platform", BOTH)
async def test_ten_thousand_rejections_pass_through_one_connection(
    platform: Platform, tmp_path: Path
) -> None:
    settings = ApnsSettings(trusting=False, bad_token_limit=None)
    async with sending(platform, tmp_path, apns=settings) as it:
        reason = "BadDeviceToken"
        if platform is Platform.ANDROID:
            reason = "UNREGISTERED"
            await it.warm()
            it.suffer(Effect(status=404, reason=reason))
        seen, early = set(it.listener.connections), 0
        for number in range(10):
            async with asyncio.timeout(PATIENCE):
                results = await it.send(1000)
            assert reasons(results) == {reason}
            seen |= set(it.listener.connections)
            if number == 3:
                early = memory()
        most = 1 if platform is Platform.IOS else 2  # the other one fetched the access token
        assert len(seen) <= most
        assert memory() - early < 24 * MEGABYTE, "over 6,000 rejections"


@pytest.mark.parametrize("platform", BOTH)
async def test_stream_limits_that_flap_under_load_lose_and_double_nothing(
    platform: Platform, tmp_path: Path
) -> None:
    async with sending(platform, tmp_path) as it:
        await it.warm()
        flapping = asyncio.create_task(_flap(it))
        early = 0
        for number in range(FLAPPED // BATCH):
            await it.send_all(it.pushes(BATCH))
            if number == 2:
                early = memory()
        flapping.cancel()
        totals = it.box.ledger.totals()
        assert (totals.accepted, totals.duplicates) == (FLAPPED + 1, 0)
        # The sandbox keeps a few kilobytes of each push that it accepted.
        assert memory() - early < 24 * MEGABYTE + (FLAPPED - 3 * BATCH) * 4096
        it.listener.change_settings({"MAX_CONCURRENT_STREAMS": 1000})
        assert outcomes(await it.send(BATCH)) == {Outcome.ACCEPTED: BATCH}


async def _flap(it: Sending) -> None:
    """Let the stream limit go up and down for ever."""
    for limit in itertools.cycle([1000, 1, 100, 0, 10]):
        it.listener.change_settings({"MAX_CONCURRENT_STREAMS": limit})
        await asyncio.sleep(0.01)


@pytest.mark.parametrize("platform", BOTH)
@pytest.mark.parametrize("in_flight", [1000, 100])
async def test_a_thousand_senders_bear_that_all_connections_die(
    in_flight: int, platform: Platform, tmp_path: Path
) -> None:
    async with sending(platform, tmp_path, in_flight=in_flight) as it:
        await it.warm()
        it.suffer(Effect(silent=True, processed=False))
        batches = [asyncio.create_task(it.gateway.send([push])) for push in it.pushes(1000)]
        await until_struck(it.box.faults, 100)
        it.box.faults.clear()
        it.listener.cut()
        async with asyncio.timeout(PATIENCE):
            answered = await asyncio.gather(*batches)
        results = [result for (result,) in answered]
        it.check_honest(results)
        found = outcomes(results)
        assert set(found) <= {Outcome.ACCEPTED, Outcome.ANSWER_LOST, Outcome.NOT_SENT}
        # Of those that waited for room none was under way: they go on by a new connection.
        assert found[Outcome.ANSWER_LOST] + found[Outcome.NOT_SENT] <= 2 * in_flight
        assert outcomes(await it.send(10)) == {Outcome.ACCEPTED: 10}


@pytest.mark.parametrize("platform", BOTH)
async def test_hours_of_renewals_refuse_no_push(platform: Platform, tmp_path: Path) -> None:
    """The provider and we share a virtual clock, which three hours pass on."""
    async with sandbox() as box:
        gateway = _timed(box, platform, tmp_path)
        it = Sending(box, gateway, platform, tmp_path)
        connections = set()
        for _ in range(180):
            assert outcomes(await it.send(5)) == {Outcome.ACCEPTED: 5}
            connections |= set(it.listener.connections)
            box.clock.advance(MINUTE)
        totals = box.ledger.totals()
        assert (totals.accepted, totals.rejected, totals.duplicates) == (900, {}, 0)
        if platform is Platform.IOS:
            assert len(connections) == 1
        else:
            assert box.fcm.oauth.calls == 4
        await gateway.close()


def _timed(box: Sandbox, platform: Platform, folder: Path) -> Gateway:
    """Return a gateway whose tokens age by the sandbox's clock."""
    app, clock = app_config(box, folder), box.clock.now
    if platform is Platform.IOS:
        assert app.ios is not None
        assert app.ios.key_file is not None
        provider = ProviderToken(app.ios.key_file, app.ios.key_id, app.ios.team_id, clock)
        return apns_gateway(app.ios, provider)
    assert app.android is not None
    deadline = dt.timedelta(seconds=PATIENCE)
    account = AccessToken(app.android.service_account_file, app.android.ca_file, deadline, clock)
    return FcmGateway(
        app.android,
        account,
        rate=TokenBucket(10_000),
        in_flight=100,
        deadline=deadline,
        circuits=one_circuit(),
        clock=lambda: dt.datetime.now(dt.UTC),
    )


async def test_an_answer_after_eleven_seconds_is_waited_for_on_the_same_connection(
    tmp_path: Path,
) -> None:
    """Both providers at once, to wait only once."""
    async with (
        sending(Platform.IOS, tmp_path / "a") as apple,
        sending(Platform.ANDROID, tmp_path / "g") as google,
    ):
        await asyncio.gather(*(_wait_long(it) for it in (apple, google)))


async def _wait_long(it: Sending) -> None:
    await it.warm()
    before = set(it.listener.connections)
    it.suffer(Effect(delay=11.0))
    assert outcomes(await it.send(2)) == {Outcome.ACCEPTED: 2}
    assert set(it.listener.connections) == before
    assert it.box.ledger.totals().accepted == 3
