"""The Python client asks a token source at each call."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Callable
from dataclasses import replace

import pytest

from schoolbell import AsyncClient, BadConnection, Client, Connection
from schoolbell.errors import Unauthenticated, unreachable
from schoolbell.v1.access_service_pb2 import GetCallerRequest
from schoolbell_server import testing
from tests.service.scores import scored

_NOW = dt.datetime(2026, 11, 24, 13, 40, tzinfo=dt.UTC)


def _signed_out() -> str:
    raise LookupError("signed out")


def _two_lines() -> str:
    return "two\nlines"


async def test_it_is_asked_at_each_call() -> None:
    async with testing.server() as bell:
        asked: list[str] = []

        def source() -> str:
            asked.append(bell.keys["publisher" if asked else "monitor"])
            return asked[-1]

        connection = replace(bell.connection(), key="", token=source)
        async with AsyncClient(connection) as client:
            first = await client.access.GetCaller(GetCallerRequest())
            second = await client.access.GetCaller(GetCallerRequest())
        assert first.roles != second.roles
        with Client(connection) as blocking:
            caller = await asyncio.to_thread(blocking.access.GetCaller, GetCallerRequest())
        assert caller.roles == second.roles
        assert len(asked) == 3


@pytest.mark.parametrize("source", [_signed_out, _two_lines])
async def test_one_that_fails_ends_call_and_publisher(source: Callable[[], str]) -> None:
    connection = Connection(target="127.0.0.1:9", token=source)
    async with AsyncClient(connection) as client:
        with pytest.raises(Unauthenticated):
            await client.access.GetCaller(GetCallerRequest())
        async with client.publisher("d") as publisher:
            answer = await publisher.submit(scored(_NOW).change)
            with pytest.raises(Unauthenticated):
                await answer
    with Client(connection) as blocking, pytest.raises(Unauthenticated):
        blocking.access.GetCaller(GetCallerRequest())


async def test_a_fault_that_may_pass_is_borne_by_the_publisher() -> None:
    async with testing.server() as bell:
        faults = [unreachable("the identity provider is away")] * 2

        def source() -> str:
            if faults:
                raise faults.pop()
            return bell.keys["publisher"]

        connection = replace(bell.connection(), key="", token=source)
        async with AsyncClient(connection) as client, client.publisher(bell.district_id) as sis:
            await sis.publish(scored(bell.now()).change)
        assert not faults


def test_a_key_and_a_source_are_refused() -> None:
    with pytest.raises(BadConnection):
        Connection(key="sb_0123456789abcdef_A", token=_signed_out)
