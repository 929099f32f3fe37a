"""Play the scenarios: `python -m tests.conformance [LANGUAGE...] [--only PART]`."""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.conformance.environment import environment
from tests.conformance.languages import Language, languages
from tests.conformance.play import Result, play_all
from tests.conformance.scenarios import FOLDER, Scenario, load
from tests.conformance.table import failures, table


def main() -> int:
    """Play, print the table, and return the exit code."""
    known = languages()
    parser = argparse.ArgumentParser(prog="python -m tests.conformance")
    parser.add_argument("languages", nargs="*", metavar="LANGUAGE", help="python, go, …")
    parser.add_argument("--only", default="", help="only scenarios with this in their name or file")
    parser.add_argument("--but", default="", help="all languages but this")
    parser.add_argument("--scenarios", type=Path, default=FOLDER, help="another folder of them")
    given = parser.parse_args()
    names = given.languages or [name for name in known if name != given.but]
    if unknown := set(names) - set(known):
        parser.error(f"no such language: {', '.join(sorted(unknown))}")
    chosen = [
        one for one in load(given.scenarios) if given.only in one.name or given.only in one.file
    ]
    here: list[Language] = []
    missing: list[Language] = []
    for name in names:
        (missing if known[name].missing else here).append(known[name])
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # its servers end with it
    results = asyncio.run(play(here, chosen)) if here else {}
    print(table(chosen, results))
    print(failures(results), end="")
    for language in missing:
        print(f"{language.name} was not played: it needs {language.needs}", file=sys.stderr)
    failed = any(one.fault for played in results.values() for one in played)
    return 1 if failed or (missing and os.environ.get("CI") == "true") else 0


async def play(
    chosen: Sequence[Language], scenarios: Sequence[Scenario]
) -> dict[str, list[Result]]:
    """Play scenarios in all languages at once: they wait more than they work.

    Each has a server of its own. Return the results by language.
    """
    for language in chosen:
        language.make()
    async with asyncio.TaskGroup() as group:
        tasks = {
            language.name: group.create_task(_play_one(language, scenarios)) for language in chosen
        }
    return {name: task.result() for name, task in tasks.items()}


async def _play_one(language: Language, scenarios: Sequence[Scenario]) -> list[Result]:
    played: list[Result] = []
    with tempfile.TemporaryDirectory() as folder:
        async with environment(Path(folder)) as on:
            async for result in play_all(on, language, scenarios):
                played.append(result)
                if result.fault:
                    print(f"{language.name}: {result.scenario.name} failed", file=sys.stderr)
    return played


if __name__ == "__main__":
    sys.exit(main())
