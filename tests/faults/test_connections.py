"""What happens to connections: GOAWAY, SETTINGS, flow control, TLS, and peers that are gone."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from schoolbell_sandbox.certificates import CertificateFlaw
from schoolbell_sandbox.effect import (
    Closing,
    Effect,
    GoAway,
    LastStream,
    SettingsStep,
)
from schoolbell_sandbox.listener import PortMode
from schoolbell_server.domain.kinds import Outcome, Platform
from tests.faults.sending import BOTH, PATIENCE, SHORT, outcomes, reasons, sending


@pytest.mark.parametrize("platform", BOTH)
@pytest.mark.parametrize("reason", ["", "Shutdown"])
@pytest.mark.parametrize("last_stream", LastStream)
async def test_goaway_amid_a_burst_loses_nothing_and_sends_nothing_twice(
    platform: Platform, last_stream: LastStream, reason: str, tmp_path: Path
) -> None:
    async with sending(platform, tmp_path) as it:
        await it.warm()
        goaway = GoAway(last_stream=last_stream, reason=reason)
        it.suffer(Effect(goaway=goaway), first=50, times=1)
        pushes = it.pushes(200)
        results = await it.gateway.send(pushes)
        assert set(outcomes(results)) <= {Outcome.ACCEPTED, Outcome.NOT_SENT, Outcome.ANSWER_LOST}
        it.check_honest(results)
        again = [
            push
            for push, result in zip(pushes, results, strict=True)
            if result.outcome is not Outcome.ACCEPTED
        ]
        assert outcomes(await it.gateway.send(again)) == (
            {Outcome.ACCEPTED: len(again)} if again else {}
        )
        lost = {one.delivery_id for one in results if one.outcome is Outcome.ANSWER_LOST}
        assert set(it.box.ledger.duplicates()) <= lost


@pytest.mark.parametrize("platform", BOTH)
async def test_a_provider_may_say_goaway_to_every_connection_it_gets(
    platform: Platform, tmp_path: Path
) -> None:
    async with sending(platform, tmp_path) as it:
        await it.warm()
        it.suffer(Effect(goaway=GoAway(last_stream=LastStream.AT)), every=20)
        for _ in range(10):
            it.check_honest(await it.send(50))


@pytest.mark.parametrize("platform", BOTH)
@pytest.mark.parametrize(
    "steps",
    [
        (
            SettingsStep(values={"INITIAL_WINDOW_SIZE": 0}),
            SettingsStep(values={"INITIAL_WINDOW_SIZE": 65_535}, after=0.2),
        ),
        (SettingsStep(values={"HEADER_TABLE_SIZE": 0}),),
    ],
    ids=["window", "table"],
)
async def test_other_settings_are_obeyed(
    platform: Platform, steps: tuple[SettingsStep, ...], tmp_path: Path
) -> None:
    async with sending(platform, tmp_path) as it:
        await it.warm()
        it.suffer(Effect(settings=steps), times=1)
        for _ in range(2):
            assert outcomes(await it.send(200)) == {Outcome.ACCEPTED: 200}


@pytest.mark.parametrize("platform", BOTH)
async def test_a_window_that_is_not_given_back_ends_at_the_deadline(
    platform: Platform, tmp_path: Path
) -> None:
    async with sending(platform, tmp_path, deadline=2) as it:
        await it.warm()
        it.suffer(Effect(withhold_window=True), times=1)
        body = "x" * 2000
        results = await it.send(200, body=body)
        assert set(outcomes(results)) == {Outcome.ACCEPTED, Outcome.ANSWER_LOST}
        it.check_honest(results)
        for _ in range(5):
            # A connection that is silent for a whole deadline is given up.
            results = await it.send(20, body=body)
        assert outcomes(results) == {Outcome.ACCEPTED: 20}


@pytest.mark.parametrize("platform", BOTH)
@pytest.mark.parametrize(
    "flaw", [CertificateFlaw.WRONG_NAME, CertificateFlaw.EXPIRED, CertificateFlaw.UNKNOWN_CA]
)
async def test_a_certificate_that_is_not_the_providers_gets_no_push(
    platform: Platform, flaw: CertificateFlaw, tmp_path: Path
) -> None:
    async with sending(platform, tmp_path) as it:
        it.listener.use_certificate(flaw)
        results = await it.send(10)
        assert outcomes(results) == {Outcome.NOT_SENT: 10}
        assert any("certificate" in reason for reason in reasons(results))
        it.listener.use_certificate()
        await it.recover()


@pytest.mark.parametrize("platform", BOTH)
async def test_old_tls_gets_no_push(platform: Platform, tmp_path: Path) -> None:
    async with sending(platform, tmp_path) as it:
        it.listener.offer_tls_1_1(only=True)
        await it.listener.set_mode(PortMode.SERVING)
        assert outcomes(await it.send(10)) == {Outcome.NOT_SENT: 10}


@pytest.mark.parametrize("platform", BOTH)
async def test_a_providers_new_certificate_goes_unnoticed(
    platform: Platform, tmp_path: Path
) -> None:
    async with sending(platform, tmp_path) as it:
        await it.warm()
        it.listener.use_certificate()
        it.listener.go_away(GoAway())
        assert outcomes(await it.send(50)) == {Outcome.ACCEPTED: 50}


@pytest.mark.parametrize("platform", BOTH)
async def test_nobody_listening_is_not_sent(platform: Platform, tmp_path: Path) -> None:
    async with sending(platform, tmp_path) as it:
        await it.listener.set_mode(PortMode.REFUSING)
        results = await it.send(10)
        assert outcomes(results) == {Outcome.NOT_SENT: 10}
        assert any("refused" in reason.lower() for reason in reasons(results))
        await it.listener.set_mode(PortMode.SERVING)
        await it.recover()


@pytest.mark.parametrize("platform", BOTH)
async def test_a_connection_without_tls_is_not_sent(platform: Platform, tmp_path: Path) -> None:
    async with sending(platform, tmp_path, deadline=SHORT) as it:
        await it.listener.set_mode(PortMode.SILENT)
        async with asyncio.timeout(PATIENCE):
            results = await it.send(10)
        # Whether the connection or the whole push times out first is a matter of milliseconds.
        assert set(outcomes(results)) <= {Outcome.NOT_SENT, Outcome.ANSWER_LOST}
        it.check_honest(results)


@pytest.mark.parametrize("platform", BOTH)
async def test_a_peer_that_says_nothing_after_tls_ends_at_the_deadline(
    platform: Platform, tmp_path: Path
) -> None:
    async with sending(platform, tmp_path, deadline=SHORT) as it:
        await it.listener.set_mode(PortMode.SILENT_TLS)
        async with asyncio.timeout(PATIENCE):
            results = await it.send(10)
        assert len(outcomes(results)) == 1
        assert set(outcomes(results)) <= {Outcome.NOT_SENT, Outcome.ANSWER_LOST}
        await it.listener.set_mode(PortMode.SERVING)


@pytest.mark.parametrize("platform", BOTH)
async def test_a_peer_that_is_gone_without_a_word_is_left_for_a_new_connection(
    platform: Platform, tmp_path: Path
) -> None:
    async with sending(platform, tmp_path, deadline=3) as it:
        await it.warm()
        it.suffer(Effect(close=Closing.HALF_OPEN), times=1)
        async with asyncio.timeout(PATIENCE):
            lost = await it.send(30)
        assert outcomes(lost) == {Outcome.ANSWER_LOST: 30}
        assert outcomes(await it.send(30)) == {Outcome.ACCEPTED: 30}
        assert it.box.ledger.totals().duplicates == 0


@pytest.mark.parametrize("platform", BOTH)
async def test_idle_connections_that_were_cut_are_replaced(
    platform: Platform, tmp_path: Path
) -> None:
    async with sending(platform, tmp_path) as it:
        for _ in range(5):
            await it.warm()
            it.listener.cut()
            await it.recover()  # the next push may still meet the end of the old connection
        assert it.box.ledger.totals().duplicates == 0
