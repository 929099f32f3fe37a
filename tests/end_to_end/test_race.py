"""Three publishers at once change the same facts, and every previous value is the right one.

A student's phone that does not stay logged in is refused by gate 11, and its record holds the
previous value that was seen. The status log says in which order the changes were committed.
LONG=1 publishes 40,000.
"""

from __future__ import annotations

import asyncio
import os
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from random import Random

from google.protobuf.timestamp_pb2 import Timestamp

from schoolbell import AsyncClient
from schoolbell.v1 import access_service_pb2 as access
from schoolbell.v1 import change_pb2
from schoolbell.v1.change_pb2 import Change
from schoolbell.v1.change_service_pb2 import PUBLISH_RESULT_ACCEPTED, StreamPublishChangesRequest
from schoolbell.v1.status_service_pb2 import WATCH_TOPIC_CHANGES, WatchStatusRequest
from schoolbell_server.app import running
from schoolbell_server.contract.changes import parse_change
from schoolbell_server.domain.fact import Value
from schoolbell_server.domain.fact_keys import fact_key
from schoolbell_server.domain.kinds import AttendanceExcuse, AttendanceStatus, Gate
from schoolbell_server.domain.kinds.attendance import AttendanceValue
from schoolbell_server.domain.kinds.grade import GradeValue
from schoolbell_server.domain.kinds.lunch_balance import BalanceValue
from schoolbell_storage.changes import ChangeQuery, list_changes
from schoolbell_storage.decision_records import decode_record
from schoolbell_storage.engine import Storage
from schoolbell_storage.fact_documents import decode_state
from schoolbell_storage.facts import read_facts
from tests.service.scene import SIBLING, STUDENT, absence, grade, lunch, phone, populate, register
from tests.service.stored import stored
from tests.service.whole import DISTRICT, Whole, whole
from tests.storage.engines import POSTGRESQL, databases

WRITERS = 3
EACH = 13_334 if os.environ.get("LONG") else 2_000  # changes a writer
CHANGES = WRITERS * EACH
BATCH = 100
WINDOW = 2  # unanswered batches of a writer: many small transactions, all of them at once
PATIENCE = 900.0  # seconds, of a slow machine
_MARKS = [
    change_pb2.ATTENDANCE_STATUS_ABSENT,
    change_pb2.ATTENDANCE_STATUS_TARDY,
    change_pb2.ATTENDANCE_STATUS_EARLY_LEAVE,
    change_pb2.ATTENDANCE_STATUS_PRESENT,
    change_pb2.ATTENDANCE_STATUS_CLEARED,
]
_MOST_SERIOUS = [AttendanceStatus(status) for status in _MARKS[:-1]]


def happenings(writer: int, when: Timestamp) -> Iterator[Change]:
    """Yield one writer's changes of a hundred facts; all occur at one time, so arrival orders.

    Grades and balances are never twice the same; a writer is a section of its own in attendance.
    """
    random = Random(writer)
    for number in range(EACH):
        unique = number * WRITERS + writer
        student = random.choice((STUDENT, SIBLING))
        match random.choice("ggal"):
            case "g":
                one = grade(f"{writer}-{number}", unique / 100, student)
                one.grade.grading_task = str(random.randrange(30))
            case "a":
                mark, section = random.choice(_MARKS), f"section-{writer}"
                one = absence(f"{writer}-{number}", student, status=mark, section=section)
                one.attendance.period = str(random.randrange(15))
            case _:
                one = lunch(f"{writer}-{number}", unique, student)
                one.lunch_balance.account_id = f"{student}-{random.randrange(5)}"
        one.occur_time.CopyFrom(when)
        yield one


@dataclass(frozen=True, slots=True)
class Recorded:
    """A change as it was stored: what it speaks of, says, and saw before it."""

    fact: str
    said: Value
    section: str
    previous: Value | None


@databases()
async def test_three_writers_of_the_same_facts(database: str, tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        service = await stack.enter_async_context(whole(tmp_path, database=database))
        await populate(service)
        await register(
            service,
            phone(STUDENT, stay_logged_in=False),
            phone(SIBLING, stay_logged_in=False),
        )
        servers = [service]
        while database == POSTGRESQL and len(servers) < WRITERS:
            # Only those who wait for a third let go at once, and could lock each other out.
            other = await stack.enter_async_context(running(service.config, replay=False))
            servers.append(replace(service, server=other))
        order = await race(servers)
        storage = await stack.enter_async_context(stored(service))
        recorded = await read_changes(storage)
        assert len(order) == len(set(order)) == len(recorded) == CHANGES
        last = every_previous_is_the_value_before([recorded[key] for key in order])
        assert await stored_values(storage, last) == last
    writers = [key.partition("-")[0] for key in order]
    assert sum(one != two for one, two in pairwise(writers)) > WRITERS


async def race(servers: Sequence[Whole]) -> list[str]:
    """Publish by all writers at once; return the change ids in the order of their commits."""
    when = Timestamp()
    when.GetCurrentTime()
    async with AsyncExitStack() as stack:
        clients = [
            await stack.enter_async_context(one.client(access.ROLE_PUBLISHER)) for one in servers
        ]
        monitor = await stack.enter_async_context(servers[0].client(access.ROLE_MONITOR))
        async with asyncio.timeout(PATIENCE), asyncio.TaskGroup() as tasks:
            begun = asyncio.Event()
            watched = tasks.create_task(_committed(monitor, begun))
            await begun.wait()
            for writer in range(WRITERS):
                client = clients[writer % len(clients)]
                tasks.create_task(_publish(client, list(happenings(writer, when))))
        return watched.result()


async def _publish(client: AsyncClient, changes: Sequence[Change]) -> None:
    """Publish on a bare stream: an error ends it, and with it the test."""
    batches = [changes[start : start + BATCH] for start in range(0, len(changes), BATCH)]
    room = asyncio.Semaphore(WINDOW)

    async def requests() -> AsyncIterator[StreamPublishChangesRequest]:
        for number, batch in enumerate(batches):
            await room.acquire()
            yield StreamPublishChangesRequest(
                district_id=DISTRICT, batch_number=number, changes=batch
            )

    results: Counter[int] = Counter()
    async for response in client.changes.StreamPublishChanges(requests()):
        results.update(ack.result for ack in response.acks)
        room.release()
    assert results == {PUBLISH_RESULT_ACCEPTED: len(changes)}


async def _committed(monitor: AsyncClient, begun: asyncio.Event) -> list[str]:
    request = WatchStatusRequest(district_id=DISTRICT, topics=[WATCH_TOPIC_CHANGES])
    order: list[str] = []
    async for response in monitor.status.WatchStatus(request):
        begun.set()
        order += [record.change_key.change_id for record in response.changes]
        if len(order) >= CHANGES:
            break
    return order


def every_previous_is_the_value_before(changes: Sequence[Recorded]) -> dict[str, Value]:
    """Walk the changes in the order of their commits; return the last value of every fact."""
    last: dict[str, Value] = {}
    marks: defaultdict[str, dict[str, AttendanceValue]] = defaultdict(dict)
    for one in changes:
        assert one.previous == last.get(one.fact)
        value = one.said
        if isinstance(value, AttendanceValue):
            marks[one.fact][one.section] = value
            value = _standing(list(marks[one.fact].values()))
        last[one.fact] = value
    return last


def _standing(marks: Sequence[AttendanceValue]) -> AttendanceValue:
    """Return the most serious mark; all of them carry the same excuse."""
    standing = [mark for mark in marks if mark.status in _MOST_SERIOUS]
    return min(standing, key=_seriousness, default=AttendanceValue())


def _seriousness(mark: AttendanceValue) -> int:
    assert mark.status is not None
    return _MOST_SERIOUS.index(mark.status)


async def read_changes(storage: Storage) -> dict[str, Recorded]:
    """Return what was stored and decided, by change id."""
    found: dict[str, Recorded] = {}
    query = ChangeQuery(district_ids=[DISTRICT], limit=CHANGES + 1)
    async with storage.read() as connection:
        rows = await list_changes(connection, query)
    for row in rows:
        change = parse_change(row.content)
        (student, *_) = decode_record(row.decision).decision.recipients
        (device,) = student.devices
        assert device.refusal is not None
        assert device.refusal.gate is Gate.STAYS_LOGGED_IN
        found[row.key.change_id] = Recorded(
            fact_key(change),
            _said(change_pb2.Change.FromString(row.content)),
            getattr(change.payload, "section_id", ""),
            device.previous.value,
        )
    return found


def _said(change: Change) -> Value:
    match change.WhichOneof("payload"):
        case "grade":
            return GradeValue(Decimal(str(change.grade.percent)))
        case "attendance":
            status = AttendanceStatus(change.attendance.status)
            return AttendanceValue(status, AttendanceExcuse(change.attendance.excuse))
        case _:
            return BalanceValue(Decimal(change.lunch_balance.balance.units))


async def stored_values(storage: Storage, facts: dict[str, Value]) -> dict[str, Value | None]:
    """Return what is known of facts."""
    async with storage.read() as connection:
        states = await read_facts(connection, [(DISTRICT, key) for key in facts])
    return {key: decode_state(text).value for (_, key), text in states.items()}
