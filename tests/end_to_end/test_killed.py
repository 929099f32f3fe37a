"""Accepted means durable: whatever is killed, and whenever, nothing answered is lost.

LONG=1 kills a thousand times. The instants are drawn from a seed, which a failure shows.
"""

from __future__ import annotations

import asyncio
import os
import random
from pathlib import Path

from schoolbell_server.address import Address
from tests.end_to_end.process import Process, killable, processes
from tests.end_to_end.several import scene
from tests.end_to_end.streaming import (
    NO_QUOTAS,
    Account,
    Streamed,
    populate_for_streaming,
    settle,
    streaming,
)
from tests.service.ports import free_port
from tests.service.whole import whole

LONG = bool(os.environ.get("LONG"))
SEED = int(os.environ.get("SEED", "20261124"))
SERVER_KILLS = 800 if LONG else 30
ONE_OF_TWO_KILLS = 150 if LONG else 10
DATABASE_KILLS = 50 if LONG else 5
LATEST = 0.5  # seconds of streaming, at most, before a kill
STARTING = 1 / 8
"""So many of the kills hit a server that is about to start."""


async def test_nothing_is_lost_when_the_server_is_killed(tmp_path: Path) -> None:
    chance = random.Random(SEED)
    async with whole(tmp_path, fcm=NO_QUOTAS) as service:
        await populate_for_streaming(service)
        async with killable(service, tmp_path) as process:
            async with streaming(process, chance) as streamed:
                for _ in range(SERVER_KILLS):
                    await _strike(process, streamed, chance)
                    await process.start()
            account = await settle(process, streamed, service.sandbox.ledger)
            _check(account, SERVER_KILLS, process)
            assert await process.terminate() == 0


async def test_nothing_is_lost_when_one_of_two_servers_is_killed(tmp_path: Path) -> None:
    """They share a database and a port; the other takes over while one is away."""
    chance = random.Random(SEED)
    async with scene(tmp_path) as set_up:
        port = Address("127.0.0.1", free_port())
        configs = [set_up.config(listen=port, share_port=True) for _ in range(2)]
        async with processes(set_up.service, tmp_path, *configs) as servers:
            async with streaming(servers[0], chance) as streamed:
                for _ in range(ONE_OF_TWO_KILLS):
                    victim = chance.choice(servers)
                    await _strike(victim, streamed, chance)
                    await streamed.next_answer()
                    await victim.start()
            account = await settle(servers[0], streamed, set_up.service.sandbox.ledger)
            _check(account, ONE_OF_TWO_KILLS, *servers)
            assert [await one.terminate() for one in servers] == [0, 0]


async def test_nothing_is_lost_when_the_database_is_killed(tmp_path: Path) -> None:
    """The servers live on, and go on by themselves once the database is there again."""
    chance = random.Random(SEED)
    async with (
        scene(tmp_path) as set_up,
        processes(set_up.service, tmp_path, set_up.config()) as (server,),
    ):
        async with streaming(server, chance) as streamed:
            for _ in range(DATABASE_KILLS):
                await streamed.next_answer()
                await asyncio.sleep(chance.uniform(0, LATEST))
                await asyncio.to_thread(set_up.database.kill)
                await set_up.database.start()
        account = await settle(server, streamed, set_up.service.sandbox.ledger)
        _check(account, DATABASE_KILLS, server)
        assert await server.terminate() == 0


async def _strike(victim: Process, streamed: Streamed, chance: random.Random) -> None:
    """Kill a server at some instant of its streaming, and now and then of its start too."""
    await streamed.next_answer()
    await asyncio.sleep(chance.uniform(0, LATEST))
    await victim.kill()
    if chance.random() < STARTING:
        await victim.begin()
        await asyncio.sleep(chance.uniform(0, LATEST))
        await victim.kill()


def _check(account: Account, kills: int, *servers: Process) -> None:
    taken_back = sum(one.taken_back for one in servers)
    print(f"kills={kills} {account} in_flight={taken_back} seed={SEED}")
    assert account.lost == 0, f"{account}, seed {SEED}"
    assert account.acknowledged > kills
    # What may come twice is what was under way at a kill, never more.
    assert account.duplicates <= taken_back
