"""Play a school day. ONCE=1 ends with a summary; ROSTER= and CHANGES= play the caller's own.

LINK=1 sends through a broker and a hub of the demonstration's own.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import os
import shutil
import signal
import sys
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from schoolbell import oneroster
from schoolbell.client import AsyncClient
from schoolbell.v1 import access_service_pb2
from schoolbell_server import sample
from schoolbell_server.demo import day, report
from schoolbell_server.demo.browser import Browsable, serve_console
from schoolbell_server.demo.district import Phone, set_up
from schoolbell_server.demo.serving import count_shown, hints, show_pushes
from schoolbell_server.demo.settled import settled
from schoolbell_server.demo.stage import ProcessEnded, Stage, stage

FOLDER = Path(".run")
ZONE = "America/Chicago"


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """What is played."""

    roster: oneroster.Roster
    changes: Path
    school_year: int
    replay: bool


def main() -> int:
    """Play the day and return the exit code."""
    once, folder = bool(os.environ.get("ONCE")), FOLDER.absolute()
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    try:
        return asyncio.run(_play(folder, _script(), once=once))
    except ProcessEnded as error:
        Console(stderr=True).print(f"It did not start:\n{error}", markup=False, highlight=False)
        return 1


async def _play(folder: Path, script: Script, *, once: bool) -> int:
    console, began = Console(), time.monotonic()
    link = bool(os.environ.get("LINK"))
    async with stage(folder, replay=script.replay, link=link) as on, AsyncExitStack() as stack:
        console.print("Schoolbell runs; setting the district up …")
        phones = await set_up(on, script.roster, ZONE, script.school_year)
        browsable = None if once else await serve_console(stack, on)
        if browsable is not None:
            await _invite(browsable, console)
        console.print(f"{len(phones)} phones registered; the day begins.")
        results = await day.play(on, script.changes, console)
        async with AsyncClient(on.connection(access_service_pb2.ROLE_MONITOR)) as monitor:
            tallies = await settled(monitor)
        told = await report.show_phones(on, phones, console)
        untold = await report.show_nobody(on, phones, console)
        report.show_sums(tallies, console)
        right = report.went_right(results, tallies)
        answers = ", ".join(f"{count} {name}" for name, count in results.items())
        console.print(f"Changes: {answers}. {time.monotonic() - began:.0f} s in all.")
        if browsable is not None:
            tried = await hints(on, browsable, untold=untold, told=told)
            await _stay(on, phones, tried, console)
    console.print("All went right." if right else "Something went wrong: see .run/*.log")
    return 0 if right else 1


def _script() -> Script:
    """Return the caller's own roster and changes, else the sample's of today."""
    roster, changes = os.environ.get("ROSTER"), os.environ.get("CHANGES")
    if roster and changes:
        relationships = Path(roster).parent / "relationships.csv"
        read = oneroster.read(Path(roster), relationships if relationships.exists() else None)
        year = max(calendar.school_year for calendar in read.calendars)
        return Script(roster=read, changes=Path(changes), school_year=year, replay=True)
    written = sample.write(FOLDER / "sample", dt.datetime.now(dt.UTC), ZONE)
    return Script(
        roster=oneroster.read(written.roster, written.relationships),
        changes=written.changes,
        school_year=written.school_year,
        replay=False,
    )


async def _invite(browsable: Browsable, console: Console) -> None:
    """Print a link that signs in to the console, once."""
    console.print("Watch it in a browser, signed in as its administrator (the link works once):")
    console.print(f"  {await browsable.link()}", soft_wrap=True, highlight=False)


async def _stay(on: Stage, phones: Sequence[Phone], tried: str, console: Console) -> None:
    """Serve until Ctrl-C, and show what phones show meanwhile."""
    shown = await count_shown(on)
    console.print(f"\n{tried}", soft_wrap=True, highlight=False, markup=False)
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    showing = asyncio.create_task(show_pushes(on, phones, shown, console))
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait((showing, stopping), return_when=asyncio.FIRST_COMPLETED)
        if showing.done():
            await showing
    finally:
        showing.cancel()
        stopping.cancel()


if __name__ == "__main__":
    sys.exit(main())
