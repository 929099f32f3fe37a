"""One school day of three languages: `python -m tests.conformance.school_day`.

The Java client is the student information system, which publishes the changes of the sample
district. The Go client is the mobile backend, which registers a phone for everybody. The TypeScript
client is the monitor, which watches what becomes of every delivery. Their runners do as told here.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import sys
import tempfile
from collections import Counter
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from google.protobuf.json_format import MessageToDict

from schoolbell import AsyncClient, feed, oneroster
from schoolbell.v1 import access_service_pb2 as access
from schoolbell_server import sample
from schoolbell_server.demo.day import settled
from schoolbell_server.demo.district import phones_of, prepare, registration
from schoolbell_server.demo.stage import DISTRICT, Stage, stage
from tests.conformance.languages import Language, languages
from tests.conformance.runner import Runner, running

ZONE = "America/Chicago"
TOPICS = [f"WATCH_TOPIC_{topic}" for topic in ("STATE", "DELIVERIES", "CHANGES")]
_UNDER_WAY = {"PENDING", "HELD", "SENDING"}


class DayWentWrong(Exception):
    """A client failed, or one saw something else than the others did."""


@dataclass
class Actor:
    """A language's client in the part that it plays."""

    name: str
    runner: Runner

    async def do(self, op: str, **arguments: Any) -> dict[str, Any]:
        """Do an operation and return its answer."""
        answer = await self.runner.do(op, arguments)
        if "error" in answer:
            raise DayWentWrong(f"{self.name}: {op} failed: {answer['error']}")
        found: dict[str, Any] = answer["ok"]
        return found


@dataclass
class Seen:
    """What the monitor has seen: the changes, and each delivery's state by its id."""

    changes: int = 0
    revisions: int = 0
    states: dict[str, str] = field(default_factory=dict)

    def take(self, update: dict[str, Any]) -> None:
        """Note an update of the watcher."""
        self.changes += len(update["changes"])
        for delivery in update["deliveries"]:
            self.revisions += 1
            state = delivery["state"].removeprefix("DELIVERY_STATE_")
            self.states[delivery["deliveryId"]] = state


async def play(java: Language, go: Language, typescript: Language) -> None:
    """Play the day; raise DayWentWrong where the three do not agree."""
    for language in (java, go, typescript):
        language.make()
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        written = sample.write(folder / "sample", dt.datetime.now(dt.UTC), ZONE)
        roster = oneroster.read(written.roster, written.relationships)
        on = await stack.enter_async_context(stage(folder, replay=False))
        await prepare(on, roster, ZONE, written.school_year)
        sis = Actor("Java", await stack.enter_async_context(running(java.command, java.folder)))
        backend = Actor("Go", await stack.enter_async_context(running(go.command, go.folder)))
        monitor = Actor(
            "TypeScript",
            await stack.enter_async_context(running(typescript.command, typescript.folder)),
        )
        await _connect(on, sis, access.ROLE_PUBLISHER)
        await _connect(on, backend, access.ROLE_MOBILE_BACKEND)
        await _connect(on, monitor, access.ROLE_MONITOR)
        await _register(backend, roster)
        request = {"districtId": DISTRICT, "topics": TOPICS}
        await monitor.do("watcher.open", client="c", watcher="w", request=request)
        await monitor.do("watcher.take", watcher="w", count={"states": 1})
        results = await _publish(sis, written.changes)
        seen = await _watch(on, monitor, accepted=results["ACCEPTED"])
        print(
            f"TypeScript saw {seen.changes} changes and {seen.revisions} revisions of "
            f"{len(seen.states)} deliveries: {_counted(Counter(seen.states.values()))}."
        )


async def _connect(on: Stage, actor: Actor, role: access.Role.ValueType) -> None:
    connection = on.connection(role)
    await actor.do(
        "connect",
        client="c",
        target=connection.target,
        key=connection.key,
        ca_file=str(on.folder / "data" / "tls" / "ca.pem"),
    )


async def _register(backend: Actor, roster: oneroster.Roster) -> None:
    """Register a phone for everybody."""
    students = {enrollment.student_id for enrollment in roster.enrollments}
    phones = phones_of(sorted(user.user_id for user in roster.users))
    for phone in phones:
        request = MessageToDict(registration(phone, students))
        method = "DeviceService/RegisterDevice"
        await backend.do("call", client="c", method=method, request=request)
    print(f"Go registered {len(phones)} phones.")


async def _publish(sis: Actor, file: Path) -> Counter[str]:
    """Publish the changes of the day; return the answers by result."""
    lines = [line for line in feed.read(file, "sis") if isinstance(line, feed.Line)]
    changes = [MessageToDict(line.change) for line in lines]
    await sis.do("publisher.open", client="c", publisher="p", district_id=DISTRICT)
    await sis.do("publisher.submit", publisher="p", changes=changes)
    acks = (await sis.do("publisher.close", publisher="p"))["acks"]
    results = Counter(ack["result"] for ack in acks)
    print(f"Java published {len(changes)} changes: {_counted(results)}.")
    return results


async def _watch(on: Stage, monitor: Actor, *, accepted: int) -> Seen:
    """Take updates until the watcher has seen all changes, and the outcome of every delivery."""
    async with AsyncClient(on.connection(access.ROLE_MONITOR)) as client:
        tallies = await settled(client)
    total = sum(delivery.count for tally in tallies for delivery in tally.deliveries)
    seen = Seen()
    while seen.changes < accepted:
        seen.take(await monitor.do("watcher.take", watcher="w", count={"changes": 1}))
    while len(seen.states) < total or not _UNDER_WAY.isdisjoint(seen.states.values()):
        seen.take(await monitor.do("watcher.take", watcher="w", count={"deliveries": 1}))
    if (seen.changes, len(seen.states)) != (accepted, total):
        raise DayWentWrong(f"{accepted} changes and {total} deliveries are stored; seen: {seen}")
    return seen


def _counted(numbers: Counter[str]) -> str:
    return ", ".join(f"{count} {name}" for name, count in sorted(numbers.items()))


def main() -> int:
    """Play the day and return the exit code."""
    known = languages()
    chosen = [known[name] for name in ("java", "go", "typescript")]
    if missing := [language for language in chosen if language.missing]:
        for language in missing:
            print(f"{language.name} cannot play: it needs {language.needs}", file=sys.stderr)
        return 1
    asyncio.run(play(*chosen))
    print("All went right.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
