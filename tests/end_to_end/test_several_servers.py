"""Several servers on one PostgreSQL: on one port, in roles, and none of them a leader."""

from __future__ import annotations

import asyncio
import os
import random
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from schoolbell import AsyncClient
from schoolbell.errors import Unavailable, Unimplemented
from schoolbell.v1 import access_service_pb2 as access
from schoolbell.v1 import delivery_pb2, status_pb2
from schoolbell.v1.change_service_pb2 import ListChangesRequest
from schoolbell.v1.status_service_pb2 import (
    WatchStatusRequest,
    WatchStatusResponse,
)
from schoolbell_sandbox.effect import Effect
from schoolbell_sandbox.faults import Endpoint, Fault
from schoolbell_server.address import Address
from schoolbell_server.config import ServerRole
from tests.end_to_end.process import PATIENCE, Process, killable, processes
from tests.end_to_end.several import (
    SERVING,
    Scene,
    measured,
    scene,
    until_health,
    until_status,
)
from tests.end_to_end.streaming import DEVICES, change_of_its_own, settle, streaming_through
from tests.service.following import Followed, following
from tests.service.ports import free_port
from tests.service.sandbox.struck import until_struck
from tests.service.scene import grade, publish, status_of
from tests.service.whole import DISTRICT, FAST, whole

LONG = bool(os.environ.get("LONG"))
CHANGES = 100_000 if LONG else 2_500
ACTIVE = status_pb2.SERVICE_STATUS_ACTIVE
INACTIVE = status_pb2.SERVICE_STATUS_INACTIVE
FACTS = 40
"""Few, so that writers meet at them."""


async def test_two_servers_on_one_port_send_nothing_twice(tmp_path: Path) -> None:
    async with scene(tmp_path) as set_up:
        port = Address("127.0.0.1", free_port())
        # With the usual lease: a server that is starved beyond it is taken for dead, and rightly.
        configs = [
            replace(set_up.config(listen=port, share_port=True), delivery=FAST) for _ in range(2)
        ]
        async with processes(set_up.service, tmp_path, *configs) as servers:
            async with AsyncExitStack() as stack:
                clients = await _clients_of_both(servers, stack)
                async with streaming_through(clients, random.Random(1)) as streamed:
                    await streamed.until_acknowledged(CHANGES)
            account = await settle(servers[0], streamed, set_up.service.sandbox.ledger)
            sent = [measured(one, "schoolbell_attempts_total") for one in servers]
            print(account, sent, [one.taken_back for one in servers])
            assert [await one.terminate() for one in servers] == [0, 0]
    assert all(sent)
    assert account.lost == 0
    assert account.deliveries >= CHANGES * DEVICES
    assert account.duplicates == 0


async def test_watchers_of_two_servers_skip_nothing_while_four_writers_commit(
    tmp_path: Path,
) -> None:
    """The writers meet at the same facts, and their changes meet the outcomes of earlier ones."""
    async with scene(tmp_path) as set_up:
        configs = [set_up.config() for _ in range(2)]
        async with processes(set_up.service, tmp_path, *configs) as servers, AsyncExitStack() as on:
            watchers = [await on.enter_async_context(following(one)) for one in servers]
            writers = [_write(servers[number % 2], number) for number in range(4)]
            await asyncio.gather(*writers)
            for watcher in watchers:
                await watcher.until(_all_ended)
            logged = await _logged(set_up)
            for watcher in watchers:
                await _told(watcher, len(logged))
                assert watcher.history == logged
            conflicts = await set_up.database.execute(
                "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
            )
            print(f"{len(logged)} updates, {conflicts[0]['deadlocks']} deadlocks")
            unwritten = [line for one in servers for line in one.log if "not written" in line]
            assert not unwritten


async def test_one_server_takes_calls_and_another_sends(tmp_path: Path) -> None:
    async with scene(tmp_path) as set_up:
        roles = (ServerRole.API, ServerRole.WORKER)
        configs = [set_up.config(role=role) for role in roles]
        async with processes(set_up.service, tmp_path, *configs) as (api, worker):
            await until_status(api, ACTIVE)
            await worker.kill()
            await until_status(api, INACTIVE)
            state = await status_of(api)
            assert status_pb2.WARNING_CODE_NO_WORKER in [one.code for one in state.warnings]
            await until_health(api, SERVING)
            await publish(api, change_of_its_own(1))
            assert measured(api, "schoolbell_attempts_total") == 0
            async with following(api) as followed:
                await worker.start()
                await followed.until(lambda found: len(found) == DEVICES and _all_ended(found))
            await until_status(api, ACTIVE)
            await until_health(worker, SERVING)
            with pytest.raises(Unimplemented):
                await publish(worker, change_of_its_own(2))
            assert measured(worker, "schoolbell_attempts_total") == DEVICES
            assert measured(api, "schoolbell_attempts_total") == 0
            assert [await one.terminate() for one in (api, worker)] == [0, 0]


async def test_a_second_server_on_one_data_directory_is_refused(tmp_path: Path) -> None:
    async with whole(tmp_path) as service, killable(service, tmp_path) as first:
        second = Process(service, first.config, first.file)
        await second.begin()
        assert await second.ended() == 1
        assert f"another server has the data directory {tmp_path}/data open" in second.log[-1]
        await second.end()
        assert await first.terminate() == 0


async def test_a_port_is_shared_only_by_those_who_say_so(tmp_path: Path) -> None:
    async with scene(tmp_path) as set_up:
        config = set_up.config()
        async with processes(set_up.service, tmp_path, config) as (first,):
            other = set_up.config(listen=config.server.listen, share_port=True)
            with pytest.raises(AssertionError, match=r"cannot listen on 127\.0\.0\.1:"):
                async with processes(set_up.service, tmp_path, other):
                    pass
            assert await first.terminate() == 0


async def test_a_drain_finishes_what_is_under_way_and_leaves_no_lease(tmp_path: Path) -> None:
    """SIGTERM meets a push that the provider takes its time over."""
    async with scene(tmp_path) as set_up:
        async with processes(set_up.service, tmp_path, set_up.config()) as (server,):
            slow = Fault(endpoint=Endpoint.APNS, effect=Effect(delay=2.0))
            set_up.service.sandbox.faults.add(slow)
            async with server.client(access.ROLE_MONITOR) as monitor:
                stream = monitor.status.WatchStatus(WatchStatusRequest(district_id=DISTRICT))
                await anext(aiter(stream))
                await publish(server, change_of_its_own(1))
                await until_struck(set_up.service.sandbox.faults)
                assert await server.terminate() == 0
                with pytest.raises(Unavailable) as ended:
                    _ = [response async for response in stream]
            assert ended.value.reason == "DRAINING"
        left = await set_up.database.execute("SELECT state, lease_owner FROM delivery")
        assert {(row["state"], row["lease_owner"]) for row in left} == {
            (delivery_pb2.DELIVERY_STATE_ACCEPTED, "")
        }
        assert await set_up.database.execute("SELECT * FROM server_instance") == []
        assert set_up.service.sandbox.ledger.totals().duplicates == 0


async def _clients_of_both(servers: list[Process], stack: AsyncExitStack) -> list[AsyncClient]:
    """Open publishers on the shared port until each server has taken one: the kernel chooses."""
    clients: list[AsyncClient] = []
    async with asyncio.timeout(PATIENCE):
        while not all(measured(one, "grpc_server_call_started_total") for one in servers):
            client = await stack.enter_async_context(servers[0].client(access.ROLE_PUBLISHER))
            await client.changes.ListChanges(ListChangesRequest(district_id=DISTRICT))
            clients.append(client)
    return clients


async def _write(server: Process, writer: int) -> None:
    """Publish changes of few facts, one by one and in bursts."""
    chance = random.Random(writer)
    async with (
        server.client(access.ROLE_PUBLISHER) as client,
        client.publisher(DISTRICT) as publisher,
    ):
        for number in range(250):
            change = grade(f"{writer}-{number}", chance.randint(0, 100))
            change.grade.grading_task = f"task {chance.randrange(FACTS)}"
            await publisher.submit(change)
            if not number % 25:
                await publisher.publish(change)


async def _logged(set_up: Scene) -> list[tuple[str, int]]:
    """Return every snapshot of a delivery that was committed, in the order of the log."""
    rows = await set_up.database.execute(
        "SELECT updates FROM status_log ORDER BY revision, district_id"
    )
    updates = [WatchStatusResponse.FromString(row["updates"]) for row in rows]
    return [(one.delivery_id, one.revision) for update in updates for one in update.deliveries]


async def _told(watcher: Followed, count: int) -> None:
    await watcher.until(lambda _: len(watcher.history) >= count)


def _all_ended(found: list[delivery_pb2.Delivery]) -> bool:
    ended = (delivery_pb2.DELIVERY_STATE_ACCEPTED, delivery_pb2.DELIVERY_STATE_CANCELLED)
    return bool(found) and all(one.state in ended for one in found)
