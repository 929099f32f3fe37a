"""A district that turns on the others, with its real credentials and any AMQP client it likes.

It can neither read, nor send as, nor stop another; what it fills is its own.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import aio_pika
import pytest
from aio_pika.abc import AbstractChannel, AbstractConnection, AbstractIncomingMessage
from aio_pika.exceptions import AMQPError, DeliveryError

from schoolbell_server.config.broker import LinkConfig
from schoolbell_server.config.topology import (
    DEAD_LETTER_EXCHANGE,
    DEAD_LETTER_QUEUE,
    DISTRICTS_STREAM,
    MAX_MESSAGE_BYTES,
    OUTCOMES_EXCHANGE,
    USER_LIMITS,
    WITHDRAWALS_KEY,
    DistrictTopology,
    lane_key,
)
from schoolbell_server.demo.rabbitmq.broker import Broker
from schoolbell_server.gateways.common.trouble import BrokerTrouble
from schoolbell_server.hub.enrollment import Enrollment
from schoolbell_server.hub.management import ManagementFailed, management
from schoolbell_server.link.broker import connect
from schoolbell_server.link.login import Login
from tests.link.enrolled import administrator, enroll, hub, some_district

PATIENCE = 60.0  # seconds
Act = Callable[[AbstractChannel], Awaitable[object]]


@dataclass(frozen=True)
class Neighbors:
    """A hostile district and another, on one broker."""

    broker: Broker
    hostile: LinkConfig
    victim: LinkConfig

    async def login(self) -> Login:
        """Return the hostile district's user and password."""
        assert self.hostile.password_file is not None
        line = await asyncio.to_thread(self.hostile.password_file.read_text, encoding="utf-8")
        return Login.read(line, self.hostile.user)


@asynccontextmanager
async def neighbors(broker: Broker, folder: Path) -> AsyncIterator[Neighbors]:
    """Enroll both, and remove both with whatever the hostile one left there."""
    hostile, victim = some_district(), some_district()
    try:
        yield Neighbors(
            broker, await enroll(broker, folder, hostile), await enroll(broker, folder, victim)
        )
    finally:
        async with administrator(broker) as opened:
            for district in (hostile, victim):
                await Enrollment(opened).remove(district, discard=True)


async def _refused(connection: AbstractConnection, act: Act, why: str = "ACCESS_REFUSED") -> None:
    """Expect the broker to refuse an act; each is tried on a channel of its own."""
    channel = await connection.channel()
    with pytest.raises(AMQPError, match=why):
        async with asyncio.timeout(PATIENCE):
            await act(channel)


def _publishes(exchange: str, key: str, message: aio_pika.Message | None = None) -> Act:
    async def act(channel: AbstractChannel) -> None:
        to = (
            channel.default_exchange
            if not exchange
            else await channel.get_exchange(exchange, ensure=False)
        )
        await to.publish(message or aio_pika.Message(b"x"), key, mandatory=True)

    return act


async def _ignore(_: AbstractIncomingMessage) -> None:
    """Take a message."""


def _reads(queue: str) -> Iterator[Act]:
    async def gets(channel: AbstractChannel) -> None:
        await (await channel.get_queue(queue, ensure=False)).get(no_ack=True)

    async def consumes(channel: AbstractChannel) -> None:
        await (await channel.get_queue(queue, ensure=False)).consume(_ignore, no_ack=True)

    yield gets
    yield consumes


async def test_it_reads_no_queue_but_its_own_outcomes(broker: Broker, tmp_path: Path) -> None:
    async with neighbors(broker, tmp_path) as both, await connect(both.hostile) as connection:
        own, other = both.hostile.topology, both.victim.topology
        shared = (DEAD_LETTER_QUEUE, DISTRICTS_STREAM)
        for queue in (*other.queues, *shared, *(set(own.queues) - {own.outcomes_queue})):
            for act in _reads(queue):
                await _refused(connection, act)
        channel = await connection.channel()
        outcomes = await channel.get_queue(own.outcomes_queue, ensure=False)
        assert await outcomes.get(fail=False) is None


async def test_it_sends_as_no_other(broker: Broker, tmp_path: Path) -> None:
    async with neighbors(broker, tmp_path) as both, await connect(both.hostile) as connection:
        own, other = both.hostile.topology, both.victim.topology
        for exchange, key in (
            (other.exchange, lane_key(0)),
            (other.exchange, WITHDRAWALS_KEY),
            (OUTCOMES_EXCHANGE, other.district),
            (DEAD_LETTER_EXCHANGE, ""),
            ("", other.request_queue(0)),
            ("", other.outcomes_queue),
            ("", DISTRICTS_STREAM),
            ("amq.direct", lane_key(0)),
            ("amq.topic", lane_key(0)),
            ("amq.fanout", lane_key(0)),
        ):
            await _refused(connection, _publishes(exchange, key))
        forged = aio_pika.Message(b"x", user_id=other.user)
        await _refused(connection, _publishes(own.exchange, lane_key(0), forged), "PRECONDITION")
        copied = aio_pika.Message(b"x", headers={"CC": [other.request_queue(0)]})
        channel = await connection.channel(on_return_raises=True)
        with pytest.raises(DeliveryError):  # a copy goes by the same exchange, which knows nobody
            await _publishes(own.exchange, "nobody", copied)(channel)


async def test_it_changes_nothing_on_the_broker(broker: Broker, tmp_path: Path) -> None:
    async with neighbors(broker, tmp_path) as both, await connect(both.hostile) as connection:
        own, other = both.hostile.topology, both.victim.topology
        for topology in (own, other):
            for act in _changes(topology, own):
                await _refused(connection, act)
        for name in ("mine", other.outcomes_queue):
            for act in _declares(name):
                await _refused(connection, act)


def _changes(topology: DistrictTopology, own: DistrictTopology) -> Iterator[Act]:
    """Yield what would empty, remove or bind what is a district's."""
    lane = topology.request_queue(0)

    async def purges(channel: AbstractChannel) -> None:
        await (await channel.get_queue(lane, ensure=False)).purge()

    async def deletes_a_queue(channel: AbstractChannel) -> None:
        await channel.queue_delete(lane)

    async def deletes_an_exchange(channel: AbstractChannel) -> None:
        await channel.exchange_delete(topology.exchange)

    async def binds_to_it(channel: AbstractChannel) -> None:
        queue = await channel.get_queue(own.outcomes_queue, ensure=False)
        await queue.bind(topology.exchange, lane_key(0))

    async def binds_to_outcomes(channel: AbstractChannel) -> None:
        queue = await channel.get_queue(own.outcomes_queue, ensure=False)
        await queue.bind(OUTCOMES_EXCHANGE, topology.district)

    async def unbinds(channel: AbstractChannel) -> None:
        queue = await channel.get_queue(topology.outcomes_queue, ensure=False)
        await queue.unbind(OUTCOMES_EXCHANGE, topology.district)

    async def binds_exchanges(channel: AbstractChannel) -> None:
        exchange = await channel.get_exchange(topology.exchange, ensure=False)
        await exchange.bind(OUTCOMES_EXCHANGE, topology.district)

    yield from (purges, deletes_a_queue, deletes_an_exchange, unbinds)
    yield from (binds_to_it, binds_to_outcomes, binds_exchanges)


def _declares(name: str) -> Iterator[Act]:
    """Yield what would make something, or make it anew with other arguments."""

    async def a_queue(channel: AbstractChannel) -> None:
        await channel.declare_queue(name, durable=True, arguments={"x-queue-type": "quorum"})

    async def an_exchange(channel: AbstractChannel) -> None:
        await channel.declare_exchange(name, "fanout")

    async def one_that_hears_dead_letters(channel: AbstractChannel) -> None:
        await channel.declare_queue("", arguments={"x-dead-letter-exchange": DEAD_LETTER_EXCHANGE})

    yield from (a_queue, an_exchange, one_that_hears_dead_letters)


async def test_it_enters_no_other_virtual_host_and_no_management(
    broker: Broker, tmp_path: Path
) -> None:
    async with neighbors(broker, tmp_path) as both:
        parts = urlsplit(both.hostile.url)
        elsewhere = LinkConfig(
            url=urlunsplit(parts._replace(path="/%2F")),
            password_file=both.hostile.password_file,
            ca_file=both.hostile.ca_file,
        )
        with pytest.raises(BrokerTrouble):
            await connect(elsewhere)
        login = await both.login()
        url, ca_file = broker.management_url, broker.ca_file
        async with management(url, login.user, login.password, ca_file) as opened:
            for path in (("whoami",), ("users",), ("queues",), ("definitions",)):
                with pytest.raises(ManagementFailed):
                    await opened.get(*path)
            with pytest.raises(ManagementFailed):
                await opened.put("users", login.user, body={"password": "", "tags": "management"})


async def test_it_has_as_many_connections_and_channels_as_a_district_needs(
    broker: Broker, tmp_path: Path
) -> None:
    """RabbitMQ counts them a moment later than it opens them, so a few more may slip through."""
    async with neighbors(broker, tmp_path) as both, AsyncExitStack() as stack:
        opened: list[AbstractConnection] = []
        most = USER_LIMITS["max-connections"]
        with suppress(BrokerTrouble):
            while len(opened) < 2 * most:
                opened.append(await stack.enter_async_context(await connect(both.hostile)))
        assert most <= len(opened) < 2 * most
        most = USER_LIMITS["max-channels"]
        assert most <= await _open_channels(opened[:2]) < 2 * most
        async with await connect(both.victim) as other:
            await _confirmed(other, both.victim)


async def test_what_it_floods_is_its_own(broker: Broker, tmp_path: Path) -> None:
    """Its queue takes as much as a queue may hold and refuses the rest; another's is as before."""
    async with neighbors(broker, tmp_path) as both, await connect(both.hostile) as connection:
        with pytest.raises(DeliveryError):
            await _fill(connection, both.hostile.topology.exchange, lane_key(0), b"x")
        async with administrator(broker) as opened:
            limits = await opened.get("user-limits", both.hostile.user)
            assert limits[0]["value"] == dict(USER_LIMITS)
        flood = asyncio.create_task(_flood(both.hostile))
        async with await connect(both.victim) as other:
            for _ in range(50):
                await _confirmed(other, both.victim)
        assert not flood.done()
        flood.cancel()
        with pytest.raises(asyncio.CancelledError):
            await flood


async def test_what_it_does_not_read_stops_its_own_outcomes_only(
    broker: Broker, tmp_path: Path
) -> None:
    at_broker = await hub(broker, tmp_path)
    async with neighbors(broker, tmp_path) as both, await connect(at_broker) as connection:
        large, name = bytes(MAX_MESSAGE_BYTES), both.hostile.topology.district
        with pytest.raises(DeliveryError):
            await _fill(connection, OUTCOMES_EXCHANGE, name, large, at_once=4)
        channel = await connection.channel()
        exchange = await channel.get_exchange(OUTCOMES_EXCHANGE, ensure=False)
        await exchange.publish(aio_pika.Message(b"x"), both.victim.topology.district)


async def test_a_message_beyond_the_limit_is_refused(broker: Broker, tmp_path: Path) -> None:
    async with neighbors(broker, tmp_path) as both, await connect(both.hostile) as connection:
        large = aio_pika.Message(bytes(MAX_MESSAGE_BYTES + 1))
        act = _publishes(both.hostile.topology.exchange, lane_key(0), large)
        await _refused(connection, act, "PRECONDITION_FAILED")


async def test_what_it_leaves_uncommitted_stops_nobody(broker: Broker, tmp_path: Path) -> None:
    async with neighbors(broker, tmp_path) as both, await connect(both.hostile) as connection:
        channel = await connection.channel(publisher_confirms=False)
        exchange = await channel.get_exchange(both.hostile.topology.exchange, ensure=False)
        await channel.transaction().select()
        for _ in range(32):
            await exchange.publish(aio_pika.Message(bytes(MAX_MESSAGE_BYTES)), lane_key(0))
        async with await connect(both.victim) as other:
            await _confirmed(other, both.victim)


async def _open_channels(connections: Sequence[AbstractConnection]) -> int:
    """Open channels by turns until one is refused, and return how many there are."""
    for number in itertools.count():
        try:
            await connections[number % len(connections)].channel(publisher_confirms=False)
        except (AMQPError, RuntimeError):
            break
    return number


async def _confirmed(connection: AbstractConnection, link: LinkConfig) -> None:
    """Publish a message of the first lane, and wait until a majority has it on disk."""
    async with connection.channel() as channel, asyncio.timeout(PATIENCE):
        exchange = await channel.get_exchange(link.topology.exchange, ensure=False)
        await exchange.publish(aio_pika.Message(b"x"), lane_key(0), mandatory=True)


async def _fill(
    connection: AbstractConnection, exchange: str, key: str, body: bytes, at_once: int = 100
) -> None:
    """Publish until the broker refuses, which raises DeliveryError."""
    channel = await connection.channel()
    to = await channel.get_exchange(exchange, ensure=False)
    async with asyncio.timeout(PATIENCE):
        while True:
            messages = [to.publish(aio_pika.Message(body), key) for _ in range(at_once)]
            for done in await asyncio.gather(*messages, return_exceptions=True):
                if isinstance(done, BaseException):
                    raise done


async def _flood(link: LinkConfig) -> None:
    """Publish on several connections, as fast as they take it and whatever is refused."""

    async def publish() -> None:
        async with await connect(link) as connection:
            channel = await connection.channel(publisher_confirms=False)
            exchange = await channel.get_exchange(link.topology.exchange, ensure=False)
            while True:
                await exchange.publish(aio_pika.Message(bytes(1024)), lane_key(0))

    async with asyncio.TaskGroup() as tasks:
        for _ in range(4):
            tasks.create_task(publish())
