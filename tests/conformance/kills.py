"""Kill a server 20 times while a publisher and a watcher of each language work with it.

`python -m tests.conformance.kills [LANGUAGE...]`: everything that was published is there once, and
every watcher saw it once.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.conformance.district import set_up
from tests.conformance.environment import environment
from tests.conformance.languages import Language, languages
from tests.conformance.runner import Runner, running
from tests.conformance.values import filled

KILLS = 20
_BATCH = 150  # changes a round
_LONGEST_LIFE = 0.5  # seconds of work before a kill
_SEED = 20


class Lost(Exception):
    """A client lost something, doubled something or gave up."""


@dataclass
class _Pair:
    """A publisher and a watcher of a language, in a district of their own."""

    runner: Runner
    variables: Mapping[str, Any]
    published: list[str] = field(default_factory=list)

    async def open(self, ca_file: Path, target: str) -> None:
        """Connect both; the watcher watches until it has seen everything."""
        for client, role in (("sis", "publisher"), ("monitor", "monitor")):
            key = self.variables[f"key_{role}"]
            await self.do("connect", client=client, target=target, ca_file=str(ca_file), key=key)
        district = self.variables["district"]
        topics = ["WATCH_TOPIC_STATE", "WATCH_TOPIC_CHANGES"]
        request = {"districtId": district, "topics": topics}
        await self.do("watcher.open", client="monitor", watcher="w", request=request)
        await self.do("watcher.take", watcher="w", count={"states": 1})
        everything = {"changes": KILLS * _BATCH}
        await self.do("watcher.take", watcher="w", count=everything, **{"as": "watching"})
        await self.do("publisher.open", client="sis", publisher="p", district_id=district)

    async def submit(self, number: int) -> None:
        """Hand the changes of a round to the publisher."""
        wanted = {"$changes": {"count": _BATCH, "prefix": f"{number}-"}}
        changes = filled(wanted, self.variables)
        self.published += [change["key"]["changeId"] for change in changes]
        await self.do("publisher.submit", publisher="p", changes=changes)

    async def flush(self) -> None:
        """Wait until the changes of the round are answered."""
        acks = (await self.do("publisher.flush", publisher="p"))["acks"]
        if [ack["change_id"] for ack in acks] != self.published[-_BATCH:]:
            raise Lost(f"other changes were answered than were submitted: {acks}")
        if refused := [ack for ack in acks if ack["result"] not in ("ACCEPTED", "DUPLICATE")]:
            raise Lost(f"changes were refused: {refused}")

    async def close(self) -> None:
        """Check what is stored and what was seen."""
        await self.do("publisher.close", publisher="p")
        request = {"districtId": self.variables["district"]}
        method = "StatusService/GetTallies"
        answer = await self.do("call", client="monitor", method=method, request=request)
        stored = [int(one["changeCount"]) for one in answer["response"]["tallies"]]
        if stored != [len(self.published)]:
            raise Lost(f"{stored} changes are stored, of {len(self.published)}")
        seen = (await self.do("wait", of="watching"))["changes"]
        if sorted(one["changeKey"]["changeId"] for one in seen) != sorted(self.published):
            raise Lost(f"the watcher saw {len(seen)} of {len(self.published)} changes, or twice")

    async def do(self, op: str, **arguments: Any) -> dict[str, Any]:
        """Do an operation and return its answer."""
        answer = await self.runner.do(op, arguments)
        if "error" in answer:
            raise Lost(f"{op} failed: {answer['error']}")
        found: dict[str, Any] = answer["ok"]
        return found


async def kill_often(chosen: Sequence[Language]) -> None:
    """Kill a server again and again under all of them at once; raise `Lost` for what went wrong."""
    for language in chosen:
        language.make()
    moments = random.Random(_SEED)
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        server = (await stack.enter_async_context(environment(folder))).server
        pairs = []
        for language in chosen:
            runner = await stack.enter_async_context(running(language.command, language.folder))
            pairs.append(_Pair(runner, await set_up(server, f"killed-{language.name}")))
            await pairs[-1].open(server.folder / "ca.pem", server.target)
        for number in range(1, KILLS + 1):
            await asyncio.gather(*(pair.submit(number) for pair in pairs))
            # A kill hits whatever they are at; nothing depends on how far they came.
            await asyncio.sleep(moments.uniform(0, _LONGEST_LIFE))
            await server.kill()
            await server.start()
            await asyncio.gather(*(pair.flush() for pair in pairs))
        await asyncio.gather(*(pair.close() for pair in pairs))


def main() -> int:
    """Play the languages whose toolchain is here, and return the exit code."""
    known = languages()
    chosen = [known[name] for name in sys.argv[1:] or known]
    missing = [language for language in chosen if language.missing]
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # its servers end with it
    here = [language for language in chosen if not language.missing]
    asyncio.run(kill_often(here))
    names = ", ".join(language.name for language in here)
    print(f"over {KILLS} kills nothing was lost, doubled or missed by {names}")
    for language in missing:
        print(f"{language.name} was not killed: it needs {language.needs}", file=sys.stderr)
    return 1 if missing and os.environ.get("CI") == "true" else 0


if __name__ == "__main__":
    sys.exit(main())
