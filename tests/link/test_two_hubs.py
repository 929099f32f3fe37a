"""Two hubs on one ledger: each attempt is one's, and one that ends leaves its work to the other."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from schoolbell.v1 import delivery_pb2
from schoolbell_server.demo.rabbitmq.broker import Broker
from tests.link.linked import Hub, linked, with_ledger
from tests.service.following import following
from tests.service.scene import MOTHER, STUDENT, phone, populate, publish, register, tasks
from tests.storage.engines import POSTGRESQL, database_url

ACCEPTED = delivery_pb2.DELIVERY_STATE_ACCEPTED
CHANGES = 30


async def test_two_hubs_send_everything_once(tmp_path: Path, broker: Broker) -> None:
    async with (
        database_url(POSTGRESQL, tmp_path) as url,
        linked(tmp_path, broker, started=False) as link,
    ):
        service, ledger = link.service, link.service.sandbox.ledger
        await populate(service)
        await register(service, phone(STUDENT), phone(MOTHER, ios=False))
        patient = replace(link.hub.config.hub, attempt_timeout=timedelta(seconds=30))
        config = replace(link.hub.config, hub=patient)
        hubs = [Hub(with_ledger(config, url, tmp_path / f"hub-{number}")) for number in range(2)]
        try:
            for hub in hubs:
                await hub.start()
            async with following(service) as followed:
                await publish(service, *tasks(1, CHANGES))
                await hubs[0].stop()
                await publish(service, *tasks(CHANGES + 1, CHANGES))
                found = await followed.until_states(*[ACCEPTED] * (4 * CHANGES))
        finally:
            for hub in hubs:
                await hub.stop()
        assert {one.attempt_count for one in found} == {1}
        assert ledger.totals().duplicates == 0
