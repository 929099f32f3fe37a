"""The service that users' tests run: `schoolbell_server.testing`, and `sandbox --service`."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from schoolbell import AsyncClient, Connection, SchoolbellError
from schoolbell.v1 import access_service_pb2 as access
from schoolbell.v1.change_service_pb2 import PUBLISH_RESULT_ACCEPTED
from schoolbell_server import testing
from schoolbell_server.demo.day import settled
from schoolbell_server.main import main as schoolbell_server
from tests.service.ports import free_port
from tests.service.scores import scored

_PATIENCE = 60.0  # seconds


async def _publish(sis: AsyncClient, now: dt.datetime) -> None:
    answer = await sis.changes.PublishChange(scored(now))
    assert answer.ack.result == PUBLISH_RESULT_ACCEPTED


async def test_a_change_is_shown_on_the_phone() -> None:
    async with testing.server() as bell, bell.client("publisher") as sis:
        await _publish(sis, bell.now())
        await bell.settled()
        ((_, body),) = bell.shown()
        assert "Fractions" in body


async def test_what_fails_in_the_block_is_raised_as_it_is() -> None:
    with pytest.raises(LookupError, match="as it is"):
        async with testing.server():
            raise LookupError("as it is")


async def test_time_can_be_moved() -> None:
    async with testing.server() as bell:
        key = access.ApiKey(display_name="short-lived", role=access.ROLE_PUBLISHER)
        key.expire_time.FromDatetime(bell.now() + dt.timedelta(days=2))
        request = access.CreateApiKeyRequest(district_id=bell.district_id, api_key=key)
        async with bell.client() as operator:
            secret = (await operator.access.CreateApiKey(request)).secret
        connection = Connection(target=bell.target, key=secret, ca=bell.ca_file.read_bytes())
        async with AsyncClient(connection) as sis:
            bell.advance(dt.timedelta(days=1))
            await _publish(sis, bell.now())
            await bell.settled()
            bell.advance(dt.timedelta(days=1))
            with pytest.raises(SchoolbellError) as refused:
                await _publish(sis, bell.now())
        assert refused.value.reason == "KEY_EXPIRED"
        assert len(bell.shown()) == 1


async def test_time_can_stand_still() -> None:
    async with testing.server() as bell, bell.client("publisher") as sis:
        noon = bell.now().replace(hour=12, minute=0, second=0, microsecond=0)
        bell.set_time(noon, frozen=True)
        await _publish(sis, noon)
        await bell.settled()
        assert bell.now() == noon
        (arrival,) = bell.sandbox.ledger.since(0, 10)
        assert arrival.accept_time == noon.timestamp()


async def test_two_services_are_of_their_own() -> None:
    async with (
        testing.server() as one,
        testing.server() as other,
        one.client("publisher") as sis,
    ):
        await _publish(sis, one.now())
        await one.settled()
        assert (len(one.shown()), other.shown()) == (1, [])
        other.advance(dt.timedelta(days=1))
        assert other.now() - one.now() > dt.timedelta(hours=23)


async def test_a_folder_that_was_used_has_its_data_and_keys(tmp_path: Path) -> None:
    async with testing.server(tmp_path) as bell, bell.client("publisher") as sis:
        now = bell.now()
        await _publish(sis, now)
        keys = bell.keys
    async with testing.server(tmp_path) as bell, bell.client("publisher") as sis:
        assert bell.keys == keys
        assert (await sis.changes.PublishChange(scored(now))).ack.result != PUBLISH_RESULT_ACCEPTED


@asynccontextmanager
async def _started(*arguments: str) -> AsyncIterator[tuple[asyncio.subprocess.Process, Any]]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "schoolbell_server", "sandbox", "--service", *arguments),
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        line = await asyncio.wait_for(process.stdout.readline(), _PATIENCE)
        yield process, json.loads(line)
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
            await asyncio.wait_for(process.wait(), _PATIENCE)


async def test_other_languages_start_a_process() -> None:
    port = free_port()
    async with _started("--service-port", str(port)) as (process, facts):
        assert facts["target"] == f"localhost:{port}"
        connection = Connection(
            target=facts["target"], key=facts["keys"]["publisher"], ca=facts["ca"].encode()
        )
        async with (
            AsyncClient(connection) as sis,
            aiohttp.ClientSession(facts["control"]) as control,
        ):
            async with control.put("/v1/clock", json={"advance": 86_400}) as answer:
                now = dt.datetime.fromtimestamp((await answer.json())["time"], dt.UTC)
            await _publish(sis, now)  # a day ahead, which only a moved clock takes
            async with AsyncClient(replace(connection, key=facts["keys"]["monitor"])) as monitor:
                await settled(monitor, facts["district_id"], _PATIENCE)
            async with control.get(f"/v1/phones/{facts['phone']}") as answer:
                (shown,) = await answer.json()
                assert "Fractions" in shown["body"]
        process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(process.wait(), _PATIENCE) == 0


async def test_a_port_that_is_taken_is_named() -> None:
    async with _started() as (_, facts):
        port = facts["target"].rpartition(":")[2]
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "schoolbell_server", "sandbox"),
            *("--service", "--service-port", port),
            stderr=asyncio.subprocess.PIPE,
        )
        _, said = await asyncio.wait_for(process.communicate(), _PATIENCE)
        assert process.returncode == 1
        assert port in said.decode()
        assert "Traceback" not in said.decode()


def test_the_gateways_alone_are_started_as_before() -> None:
    options = {option.name for option in schoolbell_server.commands["sandbox"].params}
    assert {"service", "service_port", "directory", "phones", "faults_file"} <= options
