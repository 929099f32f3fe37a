"""Accepted means durable: whatever happens to the server, nothing answered is lost."""

from __future__ import annotations

from pathlib import Path

from schoolbell.v1 import access_service_pb2 as access
from schoolbell.v1 import delivery_pb2
from schoolbell.v1.change_pb2 import Change
from schoolbell.v1.change_service_pb2 import (
    PUBLISH_RESULT_REFUSED,
    GetChangeRequest,
    PublishChangeRequest,
)
from tests.end_to_end.process import Process, killable
from tests.service.following import following
from tests.service.scene import MOTHER, STUDENT, grade, phone, populate, register
from tests.service.whole import DISTRICT, whole

ACCEPTED = delivery_pb2.DELIVERY_STATE_ACCEPTED
KILLS = 8
CHANGES = 800
IN_FLIGHT = 2 * 3 * 500
"""Pushes that two routes can have on their way: three batches each."""


async def test_a_change_answered_before_a_kill_goes_out(tmp_path: Path) -> None:
    async with whole(tmp_path) as service:
        await populate(service)
        await register(service, phone(STUDENT), phone(MOTHER, ios=False))
        async with killable(service, tmp_path) as process:
            async with process.client(access.ROLE_PUBLISHER) as publisher:
                answer = await publisher.changes.PublishChange(
                    PublishChangeRequest(district_id=DISTRICT, change=grade("g1", 90))
                )
            await process.kill()
            await process.start()
            async with following(process, answer.resume_token) as followed:
                await followed.until_states(ACCEPTED, ACCEPTED)
            assert await process.terminate() == 0


async def test_nothing_is_lost_when_the_server_is_killed_again_and_again(tmp_path: Path) -> None:
    """One publisher streams on; its client mends every break by itself."""
    async with whole(tmp_path) as service:
        await populate(service)
        await register(service, phone(STUDENT), phone(MOTHER))
        async with killable(service, tmp_path) as process:
            results = await _publish_under_kills(process)
            assert len(results) == CHANGES
            assert PUBLISH_RESULT_REFUSED not in results
            async with following(process, await _beginning(process)) as followed:
                await followed.until(lambda found: _all_accepted(found, 2 * CHANGES))
        ids = set(followed.deliveries)
    ledger = service.sandbox.ledger
    arrived = {one.delivery_id for one in ledger.since(0, 10 * CHANGES)}
    assert ids <= arrived
    # What may come twice is what was on its way at a kill, never more.
    assert ledger.totals().duplicates <= KILLS * IN_FLIGHT


async def _publish_under_kills(process: Process) -> list[int]:
    """Kill the server whenever so many changes more are answered; return every answer."""
    results: list[int] = []
    changes = (_grade(number) for number in range(CHANGES))
    async with (
        process.client(access.ROLE_PUBLISHER) as client,
        client.publisher(DISTRICT) as publisher,
    ):
        async for _, ack in publisher.publish_all(changes):
            results.append(ack.result)
            if len(results) % (CHANGES // KILLS) == 0:
                await process.kill()
                await process.start()
    return results


def _grade(number: int) -> Change:
    """Return a grade of a fact of its own, so that none supersedes another."""
    one = grade(f"g{number}", 90)
    one.grade.task = f"task {number}"
    return one


async def _beginning(process: Process) -> str:
    """Return the position before the first change."""
    async with process.client(access.ROLE_PUBLISHER) as publisher:
        key = _grade(0).key
        answer = await publisher.changes.GetChange(GetChangeRequest(district_id=DISTRICT, key=key))
    return answer.record.resume_token


def _all_accepted(found: list[delivery_pb2.Delivery], count: int) -> bool:
    return len(found) == count and all(one.state == ACCEPTED for one in found)
