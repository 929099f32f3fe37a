"""Whatever of server, broker and hub is killed, and whenever: nothing is lost on the link.

What comes twice is what a hub had begun when it was killed, whose answer nobody can know; hubs
count it. LONG=1 kills 300 times, KILLS= as often as it says. The instants are drawn from a seed,
which a failure shows.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import re
from pathlib import Path

from schoolbell_server.address import Address
from schoolbell_server.demo.rabbitmq.broker import Broker
from schoolbell_server.hub.config import HubConfig
from tests.end_to_end.process import Process, app_lines, killable
from tests.end_to_end.streaming import (
    NO_QUOTAS,
    populate_for_streaming,
    settle,
    streaming,
)
from tests.link.linked import linked
from tests.service.ports import free_port

LONG = bool(os.environ.get("LONG"))
SEED = int(os.environ.get("SEED", "20261128"))
KILLS = int(os.environ.get("KILLS") or (300 if LONG else 20))
LATEST = 0.5  # seconds of streaming, at most, before a kill
_AGAIN = re.compile(r"attempts made again .*?count=(\d+)")


async def test_nothing_is_lost_when_server_broker_and_hub_are_killed(
    tmp_path: Path, broker: Broker
) -> None:
    chance = random.Random(SEED)
    async with linked(tmp_path, broker, started=False, fcm=NO_QUOTAS) as link:
        service = link.service
        await populate_for_streaming(service)
        file = tmp_path / "hub.toml"
        port = free_port()
        file.write_text(_hub_toml(link.hub.config, Address("127.0.0.1", port)), encoding="utf-8")
        hub = Process(service, service.config, file, command="hub")
        try:
            await hub.start()
            async with killable(service, tmp_path) as server:
                victims = ["server"] * 9 + ["hub"] * 8 + ["broker"] * 3
                async with streaming(server, chance) as streamed:
                    for number in range(KILLS):
                        if number % len(victims) == 0:
                            chance.shuffle(victims)
                        await streamed.next_answer()
                        await asyncio.sleep(chance.uniform(0, LATEST))
                        victim = victims[number % len(victims)]
                        if victim == "broker":
                            await asyncio.to_thread(broker.kill)
                            await asyncio.to_thread(broker.start)
                        else:
                            process = server if victim == "server" else hub
                            await process.kill()
                            await process.start()
                account = await settle(server, streamed, service.sandbox.ledger)
                assert await server.terminate() == 0
            assert await hub.terminate() == 0
        finally:
            await hub.end()
        again = sum(int(found[1]) for line in hub.log if (found := _AGAIN.search(line)))
        print(f"kills={KILLS} {account} again={again} seed={SEED}")
        assert account.lost == 0, f"{account}, seed {SEED}"
        assert account.acknowledged > KILLS
        assert account.duplicates <= again


def _hub_toml(config: HubConfig, listen: Address) -> str:
    lines = [
        "[hub]",
        f'listen = "{listen}"',
        "plaintext = true",
        f"data_dir = {json.dumps(str(config.hub.data_dir))}",
        "[broker]",
        f"url = {json.dumps(config.broker.url)}",
        f"password_file = {json.dumps(str(config.broker.password_file))}",
        f"ca_file = {json.dumps(str(config.broker.ca_file))}",
        *app_lines(config.apps),
    ]
    return "\n".join(lines) + "\n"
