"""Every fault, seen from the client's side of the connection."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from h2.settings import SettingCodes

from schoolbell_sandbox.effect import (
    ApnsId,
    Closing,
    Effect,
    GoAway,
    LastStream,
    SettingsStep,
)
from schoolbell_sandbox.faults import Endpoint, Fault
from schoolbell_sandbox.server import Sandbox
from tests.service.sandbox.wire import (
    ALERT,
    TOKEN,
    Stream,
    Wire,
    apns_headers,
    push,
    sandbox,
    to_apns,
)

REFUSED, INTERNAL, CANCEL = 7, 2, 8


def break_apns(box: Sandbox, effect: Effect, **conditions: Any) -> None:
    box.faults.add(Fault(endpoint=Endpoint.APNS, effect=effect, **conditions))


def start(wire: Wire, count: int, body: bytes = ALERT) -> list[int]:
    return [wire.send(f"/3/device/{TOKEN}", apns_headers(), body) for _ in range(count)]


async def trust(wire: Wire) -> None:
    """Have one push accepted, so that many may be sent at once."""
    assert (await push(wire)).status == 200
    code = int(SettingCodes.MAX_CONCURRENT_STREAMS)
    await wire.until(lambda: wire.settings[-1].get(code) == 1000)


async def accepted(box: Sandbox, count: int) -> None:
    """Wait until so many pushes were accepted."""
    async with asyncio.timeout(20):
        async for batch in box.ledger.follow_shown():
            count -= len(batch)
            if count <= 0:
                return


@pytest.mark.parametrize("reason", ["", "Shutdown"])
async def test_goaway_below_drops_the_request_and_all_later_ones(reason: str) -> None:
    async with sandbox() as box, to_apns(box) as wire:
        await trust(wire)
        goaway = GoAway(last_stream=LastStream.BELOW, reason=reason)
        break_apns(box, Effect(goaway=goaway), first=3)
        streams = start(wire, 5)
        await wire.until_closed()
        (frame,) = wire.goaways
        assert frame.last_stream_id == streams[1]
        assert frame.additional_data == (b'{"reason":"Shutdown"}' if reason else b"")
        assert [wire.streams[s].ended for s in streams] == [True, True, False, False, False]
        assert box.ledger.totals().accepted == 3


async def test_goaway_at_answers_the_request_and_drops_later_ones() -> None:
    async with sandbox() as box, to_apns(box) as wire:
        await trust(wire)
        break_apns(box, Effect(goaway=GoAway(last_stream=LastStream.AT)), first=3)
        streams = start(wire, 5)
        await wire.until_closed()
        assert wire.goaways[0].last_stream_id == streams[2]
        assert [wire.streams[s].ended for s in streams] == [True, True, True, False, False]
        assert box.ledger.totals().accepted == 4


async def test_goaway_above_answers_everything() -> None:
    async with sandbox() as box, to_apns(box) as wire:
        await trust(wire)
        goaway = GoAway(last_stream=LastStream.ABOVE, close=False)
        break_apns(box, Effect(goaway=goaway), first=1, times=1)
        streams = start(wire, 5)
        for stream_id in streams:
            assert (await wire.answer(stream_id)).status == 200
        assert wire.goaways[0].last_stream_id == 2**31 - 1
        assert not wire.closed


async def test_goaway_waits_for_a_slow_answer_before_it_closes() -> None:
    async with sandbox() as box, to_apns(box) as wire:
        await trust(wire)
        break_apns(box, Effect(delay=0.05), times=1)
        break_apns(box, Effect(goaway=GoAway(last_stream=LastStream.BELOW)))
        slow, lost = start(wire, 2)
        assert (await wire.answer(slow)).status == 200
        await wire.until_closed()
        assert not wire.streams[lost].ended


@pytest.mark.parametrize("code", [REFUSED, INTERNAL, CANCEL])
@pytest.mark.parametrize("processed", [True, False])
async def test_a_reset_gives_no_answer_and_frees_the_stream(code: int, processed: bool) -> None:
    async with sandbox() as box, to_apns(box) as wire:
        break_apns(box, Effect(reset=code, processed=processed), times=1)
        lost = await push(wire)
        assert (lost.reset, lost.headers) == (code, {})
        assert (await push(wire)).status == 200
        assert box.ledger.totals().accepted == 1 + processed


async def test_a_reset_may_come_after_the_headers() -> None:
    async with sandbox() as box, to_apns(box) as wire:
        break_apns(box, Effect(reset=INTERNAL, reset_after_headers=True))
        lost = await push(wire)
        assert (lost.reset, lost.status) == (INTERNAL, 200)


async def test_a_slow_answer_holds_up_no_other() -> None:
    async with sandbox() as box, to_apns(box) as wire:
        await trust(wire)
        break_apns(box, Effect(delay=0.05), times=1)
        slow, quick = start(wire, 2)
        assert (await wire.answer(slow)).status == 200
        assert wire.finished[1:] == [quick, slow]


async def test_an_answer_may_never_come() -> None:
    async with sandbox() as box, to_apns(box) as wire:
        await trust(wire)
        break_apns(box, Effect(silent=True), times=1)
        lost, *others = start(wire, 3)
        for stream_id in others:
            assert (await wire.answer(stream_id)).status == 200
        assert not wire.streams[lost].ended
        assert box.ledger.totals().accepted == 4


async def test_a_late_answer_to_a_request_given_up_is_harmless() -> None:
    async with sandbox() as box, to_apns(box) as wire:
        await trust(wire)
        break_apns(box, Effect(delay=0.05), times=1)
        break_apns(box, Effect(delay=0.06), times=1)
        given_up, later = start(wire, 2)
        wire.h2.reset_stream(given_up, CANCEL)
        wire.ping()
        assert (await wire.answer(later)).status == 200
        assert (await push(wire)).status == 200
        assert given_up not in wire.finished


@pytest.mark.parametrize("retry_after", ["30", "Wed, 21 Oct 2026 07:28:00 GMT", "", "99999999"])
async def test_throttling_may_name_a_time(retry_after: str) -> None:
    headers = {"Retry-After": retry_after} if retry_after else {}
    async with sandbox() as box, to_apns(box) as wire:
        break_apns(box, Effect(status=429, reason="TooManyRequests", headers=headers))
        answer = await push(wire)
        assert (answer.status, answer.reason) == (429, "TooManyRequests")
        assert answer.headers.get("retry-after", "") == retry_after
        assert box.ledger.totals().accepted == 0


async def test_an_error_may_have_an_html_body_or_none() -> None:
    async with sandbox() as box, to_apns(box) as wire:
        break_apns(box, Effect(status=503, body="<h1>Busy</h1>"), times=1)
        break_apns(box, Effect(status=500, body=""), times=1)
        page = await push(wire)
        assert (page.status, page.body) == (503, b"<h1>Busy</h1>")
        assert page.headers["content-type"] == "text/html"
        empty = await push(wire)
        assert (empty.status, empty.body, empty.data_frames) == (500, b"", [])


async def test_a_scripted_death_says_since_when() -> None:
    async with sandbox() as box, to_apns(box) as wire:
        break_apns(box, Effect(status=410, reason="Unregistered", timestamp=1795438690143))
        answer = await push(wire)
        assert answer.json == {"reason": "Unregistered", "timestamp": 1795438690143}


async def test_a_body_may_come_in_several_frames_with_padding_and_trailers() -> None:
    effect = Effect(status=400, reason="BadDeviceToken", body_frames=3, padding=9, trailers=True)
    async with sandbox() as box, to_apns(box) as wire:
        break_apns(box, effect)
        answer = await push(wire)
        assert answer.reason == "BadDeviceToken"
        assert len(answer.data_frames) == 3
        assert sum(answer.data_frames) == len(answer.body) + 3 * 10
        assert answer.trailers == {"x-trailer": "1"}


async def test_an_informational_answer_may_come_first() -> None:
    async with sandbox() as box, to_apns(box) as wire:
        break_apns(box, Effect(informational=True))
        answer = await push(wire)
        assert (answer.informational, answer.status) == (1, 200)


async def test_the_id_may_be_missing_or_in_upper_case() -> None:
    async with sandbox() as box, to_apns(box) as wire:
        break_apns(box, Effect(apns_id=ApnsId.ABSENT), times=1)
        break_apns(box, Effect(apns_id=ApnsId.UPPER), times=1)
        own = "da965cb9-4c90-42e0-bc96-73e5b7316007"
        assert "apns-id" not in (await push(wire, apns_id=own)).headers
        assert (await push(wire, apns_id=own)).headers["apns-id"] == own.upper()


async def test_the_limit_of_streams_may_flap() -> None:
    steps = tuple(SettingsStep(values={"MAX_CONCURRENT_STREAMS": n}) for n in (1, 1000, 0))
    async with sandbox() as box, to_apns(box) as wire:
        await trust(wire)
        break_apns(
            box,
            Effect(
                settings=(*steps, SettingsStep(values={"MAX_CONCURRENT_STREAMS": 5}, after=0.02))
            ),
            times=1,
        )
        await push(wire)
        code = int(SettingCodes.MAX_CONCURRENT_STREAMS)

        def seen() -> list[int]:
            return [change[code] for change in wire.settings if code in change]

        await wire.until(lambda: seen() == [1, 1000, 1, 1000, 0, 5])
        assert (await push(wire)).status == 200


async def test_the_window_may_shrink_to_nothing_and_grow_again() -> None:
    async with sandbox() as box, to_apns(box) as wire:
        await trust(wire)
        box.apns_listener.change_settings({"INITIAL_WINDOW_SIZE": 0, "HEADER_TABLE_SIZE": 0})
        await wire.until(lambda: wire.settings[-1].get(4) == 0)
        assert wire.h2.remote_settings.initial_window_size == 0
        box.apns_listener.change_settings({"INITIAL_WINDOW_SIZE": 65_535})
        await wire.until(lambda: wire.settings[-1].get(4) == 65_535)
        assert (await push(wire)).status == 200


async def test_the_window_may_be_withheld() -> None:
    async with sandbox() as box, to_apns(box) as wire:
        break_apns(box, Effect(withhold_window=True), times=1)
        body = b'{"aps":{}}' + b" " * 4000
        for _ in range(16):
            assert (await push(wire, body=body)).status == 200
        window = 65_535 - 16 * len(body)
        last = wire.h2.get_next_available_stream_id()
        assert min(window, wire.h2.remote_settings.initial_window_size) < len(body)
        assert wire.h2.outbound_flow_control_window == window and last
        break_apns(box, Effect(withhold_window=False), times=1)
        await push(wire, body=b'{"aps":{}}')
        await wire.until(lambda: wire.h2.outbound_flow_control_window > 60_000)


async def test_error_bodies_wait_for_the_clients_window() -> None:
    big = "x" * 30_000
    async with sandbox() as box, to_apns(box, acknowledge=False) as wire:
        await trust(wire)
        break_apns(box, Effect(status=503, body=big))
        streams = start(wire, 3)
        await wire.until(lambda: sum(len(wire.streams[s].body) for s in streams) == 65_535)
        assert not wire.streams[streams[2]].ended
        wire.h2.increment_flow_control_window(30_000)
        wire.ping()
        assert len((await wire.answer(streams[2])).body) == 30_000


async def test_a_connection_may_close_after_the_answer() -> None:
    async with sandbox() as box, to_apns(box) as wire:
        break_apns(box, Effect(close=Closing.CLEAN))
        assert (await push(wire)).status == 200
        await wire.until_closed()


async def test_a_connection_may_be_cut_before_the_answer_or_in_its_body() -> None:
    async with sandbox() as box:
        break_apns(box, Effect(close=Closing.ABORT), times=1)
        break_apns(box, Effect(close=Closing.IN_BODY, status=503, body="x" * 100), times=1)
        async with to_apns(box) as wire:
            (stream_id,) = start(wire, 1)
            await wire.until_closed()
            assert wire.streams[stream_id].headers == {}
            assert box.ledger.totals().accepted == 1
        async with to_apns(box) as wire:
            (stream_id,) = start(wire, 1)
            await wire.until_closed()
            assert not wire.streams[stream_id].ended


async def test_a_half_open_connection_answers_nothing_and_stays() -> None:
    async with sandbox() as box, to_apns(box) as wire, to_apns(box) as other:
        break_apns(box, Effect(close=Closing.HALF_OPEN), address=TOKEN)
        (stream_id,) = start(wire, 1)
        await accepted(box, 1)
        wire.ping()
        assert (await push(other, token="cd" * 32)).status == 200
        assert (wire.closed, wire.pings, wire.streams[stream_id]) == (False, [], Stream())
