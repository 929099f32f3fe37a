"""The transport by itself: its connections' age, and what a renewal does to what is under way."""

from __future__ import annotations

import asyncio
import datetime as dt
from pathlib import Path

import pytest

from schoolbell_sandbox.effect import Effect
from schoolbell_sandbox.faults import Endpoint
from schoolbell_sandbox.faults import Fault as Broken
from schoolbell_sandbox.server import Sandbox
from schoolbell_server.gateways.common import transport as module
from schoolbell_server.gateways.common.foreign_json import BadDocument, read_object
from schoolbell_server.gateways.common.transport import OLDEST, Answer, NoAnswer, Transport
from tests.faults.sending import PATIENCE
from tests.service.sandbox.wire import ALERT, TOKEN, apns_headers, sandbox
from tests.unit.gateways.clock import Time

PATH = f"3/device/{TOKEN}"


def transport(box: Sandbox, folder: Path, clock: Time) -> Transport:
    (folder / "ca.pem").write_bytes(box.ca_pem)
    return Transport(
        f"https://localhost:{box.apns_port}",
        deadline=dt.timedelta(seconds=PATIENCE),
        ca_file=folder / "ca.pem",
        clock=clock,
    )


async def post(wire: Transport) -> int:
    wire.freshen()
    answer = await wire.post(PATH, ALERT, apns_headers())
    assert isinstance(answer, Answer)
    return answer.status


async def test_a_connection_is_kept_for_hours_and_then_replaced(tmp_path: Path) -> None:
    async with sandbox() as box:
        clock = Time()
        wire = transport(box, tmp_path, clock)
        assert await post(wire) == 200
        (first,) = box.apns_listener.connections
        clock.now += OLDEST - 1
        assert await post(wire) == 200
        assert set(box.apns_listener.connections) == {first}
        clock.now += 1
        assert await post(wire) == 200
        assert set(box.apns_listener.connections) - {first}
        await wire.close()


async def test_what_is_under_way_is_answered_on_the_old_connection(tmp_path: Path) -> None:
    async with sandbox() as box:
        wire = transport(box, tmp_path, Time())
        assert await post(wire) == 200
        slow = Effect(delay=0.5)
        box.faults.add(Broken(endpoint=Endpoint.APNS, effect=slow, times=20))
        under_way = [asyncio.create_task(post(wire)) for _ in range(20)]
        async for _ in box.ledger.follow_shown(20):
            break  # all twenty have arrived
        wire.renew_now()
        assert await post(wire) == 200
        assert not any(task.done() for task in under_way)
        assert await asyncio.gather(*under_way) == [200] * 20
        await wire.close()


async def test_only_the_client_that_failed_is_renewed(tmp_path: Path) -> None:
    async with sandbox() as box:
        wire = transport(box, tmp_path, Time())
        first = await wire.post(PATH, ALERT, apns_headers())
        assert isinstance(first, Answer)
        for _ in range(100):
            wire.renew(first.client)
        second = await wire.post(PATH, ALERT, apns_headers())
        assert isinstance(second, Answer)
        assert second.client == first.client + 1
        await wire.close()


async def test_a_ping_finds_out_that_a_peer_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without one, a push would wait for its whole deadline on the dead connection."""
    monkeypatch.setattr(module, "_PING_INTERVAL", dt.timedelta(milliseconds=100))
    monkeypatch.setattr(module, "_PING_TIMEOUT", dt.timedelta(milliseconds=300))
    async with sandbox() as box:
        wire = transport(box, tmp_path, Time())
        assert await post(wire) == 200
        (first,) = box.apns_listener.connections
        first.go_silent()
        async with asyncio.timeout(PATIENCE / 2):
            while isinstance(await wire.post(PATH, ALERT, apns_headers()), NoAnswer):
                pass
        assert set(box.apns_listener.connections) - {first}
        assert box.ledger.totals().accepted == 2
        await wire.close()


async def test_pings_keep_a_good_connection(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_PING_INTERVAL", dt.timedelta(milliseconds=10))
    async with sandbox() as box:
        wire = transport(box, tmp_path, Time())
        assert await post(wire) == 200
        before = set(box.apns_listener.connections)
        box.faults.add(Broken(endpoint=Endpoint.APNS, effect=Effect(delay=0.5)))
        assert await post(wire) == 200
        assert set(box.apns_listener.connections) == before
        await wire.close()


async def test_no_reason_quotes_an_address(tmp_path: Path) -> None:
    async with sandbox() as box:
        wire = transport(box, tmp_path, Time())
        for effect in (Effect(reset=2), Effect(silent=True)):
            box.faults.clear()
            box.faults.add(Broken(effect=effect))
            fault = await wire.post(PATH, ALERT, apns_headers(), 0.3)
            assert isinstance(fault, NoAnswer)
            assert TOKEN not in fault.reason
            assert "://" not in fault.reason
        await wire.close()


async def test_a_request_that_cannot_be_built_does_not_leave(tmp_path: Path) -> None:
    async with sandbox() as box:
        wire = transport(box, tmp_path, Time())
        fault = await wire.post(PATH, ALERT, {**apns_headers(), "apns-topic": "two\nlines"})
        assert isinstance(fault, NoAnswer)
        assert fault.not_sent
        assert await post(wire) == 200
        await wire.close()


async def test_it_is_known_at_start_whether_what_was_never_sent_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A closed port proves the words; where they are others, nothing counts as never sent."""
    assert await module.knows_unsent()
    monkeypatch.setattr(module, "_UNSEEN", ("in other words",))
    assert not await module.knows_unsent()


@pytest.mark.parametrize("status", [200, 400, 503])
async def test_an_answer_without_end_is_read_no_further_than_any_document(
    tmp_path: Path, status: int
) -> None:
    async with sandbox() as box:
        wire = transport(box, tmp_path, Time())
        assert await post(wire) == 200
        box.faults.add(Broken(effect=Effect(status=status, body="x" * 2**23)))
        answer = await wire.post(PATH, ALERT, apns_headers())
        assert isinstance(answer, Answer)
        assert (answer.status, len(answer.body) < 2**20) == (status, True)
        with pytest.raises(BadDocument):
            read_object(answer.body)
        box.faults.clear()
        assert await post(wire) == 200
        await wire.close()
