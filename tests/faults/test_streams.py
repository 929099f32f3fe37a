"""What happens to single requests: resets, slow answers, none at all, odd framing."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path

import pytest

from schoolbell_sandbox.effect import ApnsId, Closing, Effect
from schoolbell_server.domain.kinds import Outcome, Platform
from tests.faults.sending import BOTH, PATIENCE, SHORT, outcomes, reasons, sending

REFUSED, INTERNAL, CANCEL = 7, 2, 8


@pytest.mark.parametrize("platform", BOTH)
async def test_a_burst_on_a_cold_connection_is_accepted_on_one(
    platform: Platform, tmp_path: Path
) -> None:
    async with sending(platform, tmp_path) as it:
        results = await it.send(500)
        assert outcomes(results) == {Outcome.ACCEPTED: 500}
        it.check_honest(results)
        most = 1 if platform is Platform.IOS else 2  # the other one fetched the access token
        assert len(it.listener.connections) <= most


@pytest.mark.parametrize("platform", BOTH)
async def test_a_refused_stream_was_never_seen(platform: Platform, tmp_path: Path) -> None:
    async with sending(platform, tmp_path) as it:
        await it.warm()
        it.suffer(Effect(reset=REFUSED, processed=False))
        results = await it.send(10)
        assert outcomes(results) == {Outcome.NOT_SENT: 10}
        it.check_honest(results)


@pytest.mark.parametrize("platform", BOTH)
async def test_now_and_then_a_refused_stream_is_tried_again_without_a_duplicate(
    platform: Platform, tmp_path: Path
) -> None:
    async with sending(platform, tmp_path) as it:
        await it.warm()
        it.suffer(Effect(reset=REFUSED, processed=False), every=3)
        results = await it.send(300)
        found = outcomes(results)
        assert found[Outcome.ACCEPTED] + found[Outcome.NOT_SENT] == 300
        assert found[Outcome.ACCEPTED] > 200
        it.check_honest(results)


@pytest.mark.parametrize("platform", BOTH)
@pytest.mark.parametrize("code", [INTERNAL, CANCEL])
@pytest.mark.parametrize("processed", [True, False])
async def test_any_other_reset_leaves_the_outcome_unknown_and_nobody_else_suffers(
    platform: Platform, code: int, processed: bool, tmp_path: Path
) -> None:
    async with sending(platform, tmp_path) as it:
        await it.warm()
        before = set(it.listener.connections)
        it.suffer(Effect(reset=code, processed=processed), every=3)
        results = await it.send(60)
        assert outcomes(results) == {Outcome.ACCEPTED: 40, Outcome.ANSWER_LOST: 20}
        it.check_honest(results)
        lost = [one for one in results if one.outcome is Outcome.ANSWER_LOST]
        assert sum(it.box.ledger.count(one.delivery_id) for one in lost) == 20 * processed
        assert set(it.listener.connections) == before


@pytest.mark.parametrize("platform", BOTH)
async def test_a_reset_after_the_headers_is_no_answer(platform: Platform, tmp_path: Path) -> None:
    async with sending(platform, tmp_path) as it:
        await it.warm()
        it.suffer(Effect(reset=INTERNAL, reset_after_headers=True), times=5)
        results = await it.send(10)
        assert outcomes(results) == {Outcome.ACCEPTED: 5, Outcome.ANSWER_LOST: 5}


@pytest.mark.parametrize("platform", BOTH)
async def test_a_slow_answer_is_waited_for(platform: Platform, tmp_path: Path) -> None:
    async with sending(platform, tmp_path) as it:
        await it.warm()
        it.suffer(Effect(delay=1.0), every=2)
        results = await it.send(20)
        assert outcomes(results) == {Outcome.ACCEPTED: 20}
        it.check_honest(results)


@pytest.mark.parametrize("platform", BOTH)
async def test_an_answer_that_never_comes_ends_at_the_deadline_and_nobody_else_suffers(
    platform: Platform, tmp_path: Path
) -> None:
    async with sending(platform, tmp_path, deadline=3) as it:
        await it.warm()
        before = set(it.listener.connections)
        it.suffer(Effect(silent=True), every=3)
        async with asyncio.timeout(PATIENCE):
            results = await it.send(60)
        assert outcomes(results) == {Outcome.ACCEPTED: 40, Outcome.ANSWER_LOST: 20}
        it.check_honest(results)
        it.box.faults.clear()
        assert outcomes(await it.send(20)) == {Outcome.ACCEPTED: 20}
        assert set(it.listener.connections) == before, "one silent stream is no dead connection"


@pytest.mark.parametrize("platform", BOTH)
async def test_an_answer_that_comes_too_late_harms_nobody(
    platform: Platform, tmp_path: Path
) -> None:
    async with sending(platform, tmp_path, deadline=3) as it:
        await it.warm()
        it.suffer(Effect(delay=4), times=1)
        (late,) = await it.send(1)
        assert late.outcome is Outcome.ANSWER_LOST
        for _ in range(20):
            results = await it.send(5)
            assert outcomes(results) == {Outcome.ACCEPTED: 5}
        assert it.box.ledger.totals().duplicates == 0


@pytest.mark.parametrize("platform", BOTH)
async def test_a_provider_that_answers_nobody_holds_a_large_batch_no_longer_than_the_deadline(
    platform: Platform, tmp_path: Path
) -> None:
    async with sending(platform, tmp_path, deadline=SHORT, in_flight=10) as it:
        it.suffer(Effect(silent=True))
        loop = asyncio.get_running_loop()
        start = loop.time()
        results = await it.send(500)
        assert loop.time() - start < PATIENCE / 2, "one deadline, not one for every ten"
        assert len(results) == 500
        assert set(outcomes(results)) <= {Outcome.ANSWER_LOST, Outcome.NOT_SENT}
        it.check_honest(results)


@pytest.mark.parametrize("platform", BOTH)
@pytest.mark.parametrize("frames", [2, 7])
async def test_an_error_in_pieces_is_read_whole(
    platform: Platform, frames: int, tmp_path: Path
) -> None:
    async with sending(platform, tmp_path) as it:
        reason = "PayloadTooLarge" if platform is Platform.IOS else "SENDER_ID_MISMATCH"
        status = 413 if platform is Platform.IOS else 403
        effect = Effect(
            status=status,
            reason=reason,
            body_frames=frames,
            padding=40,
            trailers=True,
            informational=True,
        )
        it.suffer(effect)
        results = await it.send(30)
        assert reasons(results) == {reason}
        assert len(outcomes(results)) == 1


@pytest.mark.parametrize("form", [ApnsId.ABSENT, ApnsId.UPPER])
async def test_an_answer_belongs_to_its_stream_whatever_id_it_shows(
    form: ApnsId, tmp_path: Path
) -> None:
    async with sending(Platform.IOS, tmp_path) as it:
        it.suffer(Effect(apns_id=form), every=2)
        it.suffer(Effect(status=410, reason="Unregistered", timestamp=1, apns_id=form), times=3)
        results = await it.send(20)
        assert outcomes(results) == {Outcome.ACCEPTED: 17, Outcome.TOKEN_DEAD: 3}
        it.check_honest(results)


@pytest.mark.parametrize("platform", BOTH)
@pytest.mark.parametrize("end", [Closing.ABORT, Closing.IN_BODY])
async def test_a_connection_that_breaks_leaves_outcomes_unknown_and_the_next_one_works(
    platform: Platform, end: Closing, tmp_path: Path
) -> None:
    async with sending(platform, tmp_path) as it:
        await it.warm()
        it.suffer(Effect(close=end), first=30, times=1)
        results = await it.send(60)
        assert set(outcomes(results)) <= {Outcome.ACCEPTED, Outcome.ANSWER_LOST, Outcome.NOT_SENT}
        assert Outcome.ANSWER_LOST in outcomes(results)
        it.check_honest(results)
        assert outcomes(await it.send(60)) == {Outcome.ACCEPTED: 60}


@pytest.mark.parametrize("platform", BOTH)
async def test_closing_waits_for_what_is_under_way(platform: Platform, tmp_path: Path) -> None:
    async with sending(platform, tmp_path) as it:
        await it.warm()
        it.suffer(Effect(delay=0.5))
        under_way = asyncio.create_task(it.send(20))
        async with asyncio.timeout(PATIENCE):
            await it.accepted(21)
            await it.gateway.close()
        assert outcomes(await under_way) == {Outcome.ACCEPTED: 20}


async def test_a_silent_apple_delays_no_google(tmp_path: Path) -> None:
    async with (
        sending(Platform.IOS, tmp_path / "a", deadline=5) as apple,
        sending(Platform.ANDROID, tmp_path / "g") as google,
    ):
        await apple.warm()
        apple.suffer(Effect(silent=True))
        stuck = asyncio.create_task(apple.send(100))
        assert outcomes(await google.send(300)) == {Outcome.ACCEPTED: 300}
        assert not stuck.done()
        assert outcomes(await stuck) == {Outcome.ANSWER_LOST: 100}


@pytest.mark.parametrize("platform", BOTH)
async def test_who_hangs_up_at_once_takes_no_room_along(platform: Platform, tmp_path: Path) -> None:
    async with sending(platform, tmp_path, in_flight=2) as there:
        await there.warm()
        for _ in range(5):
            task = asyncio.create_task(there.send(2))
            await asyncio.sleep(0)
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        assert set(outcomes(await there.send(2))) == {Outcome.ACCEPTED}
