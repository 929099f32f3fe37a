"""What a client that leaves, cancels or breaks the protocol finds."""

from __future__ import annotations

import pytest
from hyperframe.frame import DataFrame, GoAwayFrame

from schoolbell_sandbox.effect import Effect
from schoolbell_sandbox.faults import Endpoint, Fault
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

CANCEL = 8


def prepare(wire: Wire, body: bytes = ALERT, *, end: bool = True) -> int:
    """Put a request on the wire's buffer, to leave with whatever comes next."""
    stream_id = wire.h2.get_next_available_stream_id()
    wire.streams[stream_id] = Stream()
    pseudo = [(":method", "POST"), (":path", f"/3/device/{TOKEN}"), (":scheme", "https")]
    fields = [*pseudo, (":authority", "localhost"), *apns_headers().items()]
    wire.h2.send_headers(stream_id, fields)
    if end:
        wire.h2.send_data(stream_id, body, end_stream=True)
    return stream_id


@pytest.mark.parametrize("delay", [0.0, 0.05])
async def test_a_client_that_leaves_still_gets_its_answer(delay: float) -> None:
    async with sandbox() as box, to_apns(box) as wire:
        box.faults.add(Fault(endpoint=Endpoint.APNS, effect=Effect(delay=delay)))
        await wire.until(lambda: wire.settings)
        stream_id = prepare(wire)
        wire.write(wire.h2.data_to_send() + GoAwayFrame(0).serialize())
        assert (await wire.answer(stream_id)).status == 200
        await wire.until_closed()


async def test_a_request_cancelled_at_once_harms_no_other() -> None:
    async with sandbox() as box, to_apns(box) as wire:
        assert (await push(wire)).status == 200
        cancelled = prepare(wire)
        wire.h2.reset_stream(cancelled, CANCEL)
        later = prepare(wire)
        wire.write(wire.h2.data_to_send())
        assert (await wire.answer(later)).status == 200
        assert (await push(wire)).status == 200


async def test_a_broken_protocol_ends_the_connection_though_a_request_is_open() -> None:
    async with sandbox() as box, to_apns(box) as wire:
        await wire.until(lambda: wire.settings)
        prepare(wire, end=False)
        wire.ping()
        await wire.until(lambda: wire.pings)
        on_no_stream = bytearray(DataFrame(1, b"x").serialize())
        on_no_stream[5:9] = bytes(4)
        wire.write(bytes(on_no_stream))
        await wire.until_closed()
        assert wire.goaways[0].error_code == 1
