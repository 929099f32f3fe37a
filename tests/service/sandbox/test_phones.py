"""What phones show: online and offline, collapsed, expired; and what the ledger keeps of it."""

from __future__ import annotations

import asyncio
import io
import time
import uuid

import pytest
from rich.console import Console

from schoolbell_sandbox.devices import FCM_STORED, Death, Device
from schoolbell_sandbox.ledger import Arrival, Ledger, LedgerLimits
from schoolbell_sandbox.phones import card
from schoolbell_sandbox.server import Sandbox
from schoolbell_server.domain.kinds import Provider
from tests.service.sandbox.wire import (
    FCM_TOKEN,
    TOKEN,
    TOPIC,
    access_token,
    credentials,
    push,
    sandbox,
    send,
    to_apns,
    to_fcm,
)


def alert(title: str) -> bytes:
    return b'{"aps":{"alert":{"title":"%s","body":"b"}}}' % title.encode()


def titles(box: Sandbox, address: str = TOKEN) -> list[str]:
    return [arrival.text[0] for arrival in box.ledger.screen(address)]


def phone(box: Sandbox, *, online: bool = True) -> Device:
    return box.apns.devices.add(Device(address=TOKEN, app=TOPIC, online=online))


async def test_the_same_collapse_id_replaces_on_screen() -> None:
    async with sandbox() as box, to_apns(box) as wire:
        for title, collapse in (("75", "a"), ("other", "b"), ("68", "a"), ("x", None), ("y", None)):
            await push(wire, body=alert(title), apns_collapse_id=collapse)
        assert titles(box) == ["other", "68", "x", "y"]
        assert box.ledger.totals().replaced == 1
        assert len(box.ledger.arrivals(TOKEN)) == 5


async def test_apns_keeps_one_notification_for_an_offline_phone() -> None:
    async with sandbox() as box, to_apns(box) as wire:
        device = phone(box, online=False)
        for title in ("first", "second"):
            assert (await push(wire, body=alert(title))).status == 200
        assert titles(box) == []
        box.apns.devices.set_online(device, True)
        assert titles(box) == ["second"]
        totals = box.ledger.totals()
        assert (totals.accepted, totals.shown, totals.expired) == (2, 1, 1)


async def test_what_expired_meanwhile_is_never_shown() -> None:
    async with sandbox() as box, to_apns(box) as wire:
        device = phone(box, online=False)
        await push(wire, apns_expiration=str(int(time.time()) + 600))
        box.clock.advance(601)
        box.apns.devices.set_online(device, True)
        assert titles(box) == []
        assert box.ledger.totals().expired == 1


async def test_an_expiration_of_zero_is_tried_once() -> None:
    async with sandbox() as box, to_apns(box) as wire:
        device = phone(box)
        await push(wire, body=alert("now"), apns_expiration="0")
        box.apns.devices.set_online(device, False)
        await push(wire, body=alert("never"), apns_expiration="0")
        box.apns.devices.set_online(device, True)
        assert titles(box) == ["now"]


async def test_a_dead_phone_shows_nothing_that_waited() -> None:
    async with sandbox() as box, to_apns(box) as wire:
        device = phone(box, online=False)
        await push(wire)
        box.apns.devices.kill(device, Death(time=time.time()))
        box.apns.devices.set_online(device, True)
        assert titles(box) == [] and box.ledger.totals().expired == 1


async def test_fcm_keeps_a_hundred_messages_and_then_none() -> None:
    async with sandbox() as box, to_fcm(box) as wire:
        project = credentials().fcm_project_id
        device = box.fcm.devices.add(Device(address=FCM_TOKEN, app=project, online=False))
        token = await access_token(wire, box)
        for count in range(FCM_STORED):
            message = {"token": FCM_TOKEN, "data": {"title": str(count)}}
            assert (await send(wire, token, message)).status == 200
        assert len(device.waiting) == FCM_STORED
        await send(wire, token, {"token": FCM_TOKEN})
        box.fcm.devices.set_online(device, True)
        assert box.ledger.screen(FCM_TOKEN) == []
        assert box.ledger.totals().expired == FCM_STORED + 1


async def test_a_duplicate_is_visible() -> None:
    async with sandbox() as box, to_apns(box) as wire:
        twice, once = str(uuid.uuid4()), str(uuid.uuid4())
        for apns_id in (twice, once, twice):
            await push(wire, apns_id=apns_id)
        assert box.ledger.count(twice) == 2
        assert box.ledger.duplicates() == {twice: 2}
        assert box.ledger.totals().duplicates == 1


def arrival(number: int) -> Arrival:
    return Arrival(
        provider=Provider.APNS,
        address="phone",
        app=TOPIC,
        delivery_id=f"d{number}",
        provider_message_id="",
        collapse_key="",
        payload=alert(str(number)),
        accept_time=0.0,
    )


def test_the_ledger_is_bounded_and_its_totals_stay_right() -> None:
    ledger = Ledger(LedgerLimits(arrivals=3, deliveries=4, shown_per_phone=2))
    for number in range(1, 11):
        entry = arrival(number)
        ledger.accept(entry)
        ledger.show(entry, 0.0)
    assert [entry.index for entry in ledger.since()] == [8, 9, 10]
    assert [entry.index for entry in ledger.since(8)] == [9, 10]
    assert [entry.index for entry in ledger.since(0, limit=1)] == [8]
    assert [entry.index for entry in ledger.screen("phone")] == [9, 10]
    assert (ledger.count("d6"), ledger.count("d7")) == (0, 1)
    assert (ledger.totals().accepted, ledger.totals().shown) == (10, 10)


@pytest.mark.parametrize(
    ("provider", "payload", "text"),
    [
        (Provider.APNS, b'{"aps":{"alert":"b"}}', ("", "b")),
        (Provider.APNS, b'{"aps":{"alert":{"title":"t","body":null}}}', ("t", "")),
        (Provider.APNS, b'{"aps":{"alert":[1]}}', ("", "")),
        (Provider.APNS, b'{"aps":5}', ("", "")),
        (Provider.APNS, b"[1]", ("", "")),
        (Provider.APNS, b"no JSON", ("", "")),
        (Provider.FCM, b'{"message":{"data":{"title":"t","body":"b"}}}', ("t", "b")),
        (Provider.FCM, b'{"message":{"data":{"title":"t"},"android":null}}', ("t", "")),
        (Provider.FCM, b'{"message":{"notification":null,"data":null}}', ("", "")),
        (
            Provider.FCM,
            b'{"message":{"notification":{"title":"t","body":"b"},'
            b'"android":{"notification":{"title":"for Android"}}}}',
            ("for Android", "b"),
        ),
    ],
)
def test_any_accepted_payload_has_a_text(
    provider: Provider, payload: bytes, text: tuple[str, str]
) -> None:
    entry = arrival(1)
    entry.provider, entry.payload = provider, payload
    assert entry.text == text


async def test_a_reader_follows_what_is_shown() -> None:
    ledger = Ledger()
    seen: list[str] = []
    done = asyncio.Event()

    async def read() -> None:
        async for batch in ledger.follow_shown():
            seen.extend(entry.delivery_id for entry in batch)
            if len(seen) == 3:
                done.set()

    reader = asyncio.create_task(read())
    for number in range(3):
        ledger.show(arrival(number), 0.0)
        await asyncio.sleep(0)
    async with asyncio.timeout(20):
        await done.wait()
    reader.cancel()
    assert seen == ["d0", "d1", "d2"]


def test_a_card_shows_title_and_body_but_not_the_address() -> None:
    console = Console(file=io.StringIO(), width=80)
    entry = arrival(7)
    entry.address = "secret-address-0042"
    console.print(card(entry))
    output = console.file.getvalue()  # type: ignore[attr-defined]
    assert "iPhone …0042" in output and "7" in output
    assert "secret" not in output
