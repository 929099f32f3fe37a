"""`@parse/node-apn`, a sender nobody here wrote, sends through the APNs sandbox."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from schoolbell_sandbox.devices import Death, Device
from schoolbell_sandbox.effect import Effect
from schoolbell_sandbox.faults import Endpoint, Fault
from schoolbell_sandbox.server import Sandbox
from tests.service.sandbox.node_client import NodeClient, install_packages
from tests.service.sandbox.wire import TOKEN, TOPIC, credentials, sandbox

ALERT = {"topic": TOPIC, "alert": {"title": "New grade", "body": "Open the app."}, "expiry": 0}


@pytest.fixture(scope="module", autouse=True)
def installed() -> None:
    install_packages()


@asynccontextmanager
async def connected(box: Sandbox) -> AsyncIterator[NodeClient]:
    own = credentials()
    async with NodeClient("node_apn.mjs", box) as node:
        await node.connect(key=own.apns_p8, keyId=own.apns_key_id, teamId=own.apns_team_id)
        yield node


async def sent(node: NodeClient, *devices: str) -> list[str]:
    """Send the alert; return the devices it was accepted for."""
    answer = await node.order("send", devices=devices, **ALERT)
    assert answer["failed"] == []
    return [one["device"] for one in answer["sent"]]


async def test_a_notification_arrives_as_it_was_written() -> None:
    async with sandbox() as box, connected(box) as node:
        answer = await node.order("send", devices=[TOKEN], collapseId="grade", **ALERT)
        (arrival,) = box.ledger.since()
        assert answer == {
            "sent": [
                {"device": TOKEN, "status": 0, "error": "", "id": arrival.provider_message_id}
            ],
            "failed": [],
        }
        assert arrival.text == ("New grade", "Open the app.")
        assert (arrival.address, arrival.app, arrival.collapse_key) == (TOKEN, TOPIC, "grade")


async def test_a_refusal_is_told_with_its_reason() -> None:
    dead = "cd" * 32
    async with sandbox() as box, connected(box) as node:
        box.apns.devices.add(Device(address=dead, app=TOPIC, death=Death(time=1_700_000_000)))
        answer = await node.order("send", devices=[dead, TOKEN, "xyz"], **ALERT)
        assert [one["device"] for one in answer["sent"]] == [TOKEN]
        assert [(one["device"], one["status"], one["response"]) for one in answer["failed"]] == [
            (dead, 410, {"reason": "Unregistered", "timestamp": 1_700_000_000_000}),
            ("xyz", 400, {"reason": "BadDeviceToken"}),
        ]
        assert box.ledger.totals().accepted == 1


async def test_many_are_sent_at_once() -> None:
    phones = [f"{number:064x}" for number in range(1, 501)]
    async with sandbox() as box, connected(box) as node:
        assert await sent(node, *phones) == phones
        arrivals = box.ledger.since()
        assert sorted(arrival.address for arrival in arrivals) == phones
        assert box.ledger.duplicates() == {}


async def test_it_renews_its_token_before_the_hour_is_over() -> None:
    async with sandbox() as box, connected(box) as node:
        assert await sent(node, TOKEN) == [TOKEN]
        for seconds in (3_400, 6_800, 10_200):
            box.clock.advance(3_400)
            await node.order("advance", seconds=seconds)
            assert await sent(node, TOKEN) == [TOKEN]
        assert box.ledger.totals().rejected == {}


async def test_it_renews_a_token_that_is_refused_as_expired() -> None:
    async with sandbox() as box, connected(box) as node:
        assert await sent(node, TOKEN) == [TOKEN]
        box.clock.advance(1_300)  # a second token within 20 minutes would be refused
        await node.order("advance", seconds=1_300)
        expired = Effect(status=403, reason="ExpiredProviderToken")
        box.faults.add(Fault(endpoint=Endpoint.APNS, effect=expired, times=1))
        assert await sent(node, TOKEN) == [TOKEN]
        assert box.ledger.totals().accepted == 2
