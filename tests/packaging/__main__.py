"""Use the packages outside the checkout: `python -m tests.packaging [LANGUAGE...]`."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import tempfile
from pathlib import Path

from schoolbell_server import testing
from tests.packaging.packages import PACKAGES, Package, Program
from tests.service.scores import scored

_PATIENCE = 60.0  # seconds
_ROLES = {"publish": "publisher", "register": "mobile_backend", "watch": "monitor"}
_EXPECTED = {
    "publish": "ACCEPTED",
    "register": "registered",
    "watch": "delivery",
    "caller": "ROLE_MONITOR",
}


def main() -> int:
    """Use the packages and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.packaging")
    parser.add_argument("languages", nargs="*", metavar="LANGUAGE")
    wanted = parser.parse_args().languages or [package.language for package in PACKAGES]
    chosen = [package for package in PACKAGES if package.language in wanted]
    missing = [package for package in chosen if package.missing]
    for package in missing:
        needs = ", ".join(package.missing)
        print(f"{package.language} was not packaged: it needs {needs}", file=sys.stderr)
    failures = asyncio.run(_use([package for package in chosen if package not in missing]))
    for failure in failures:
        print(failure, file=sys.stderr)
    return 1 if failures or (missing and os.environ.get("CI") == "true") else 0


async def _use(packages: list[Package]) -> list[str]:
    failures = []
    async with testing.server() as bell:
        for package in packages:
            with tempfile.TemporaryDirectory() as name:
                folder = Path(name)
                program = await asyncio.to_thread(package.use, folder)
                for example in package.examples:
                    fault = await _fault(bell, program, example, folder)
                    print(f"{package.language}: {example} {'failed' if fault else 'works'}")
                    if fault:
                        failures.append(f"{package.language}: {example}:\n{fault}")
    return failures


async def _fault(bell: testing.Service, program: Program, example: str, folder: Path) -> str:
    """Run an example from outside the checkout; return what it said if it does not work."""
    token = folder / f"{example}-token.txt"
    arguments = {
        "publish": [bell.district_id, testing.STUDENT, testing.CALENDAR],
        "register": [bell.district_id, testing.FATHER, "district-parent"],
        "watch": [bell.district_id, str(token)],
    }
    process = await asyncio.create_subprocess_exec(
        *program(example),
        *arguments.get(example, []),
        cwd=folder,
        env={
            **{name: value for name, value in os.environ.items() if "SCHOOLBELL" not in name},
            "SCHOOLBELL_TARGET": bell.target,
            "SCHOOLBELL_KEY": bell.keys[_ROLES.get(example, "monitor")],
            "SCHOOLBELL_CA_FILE": str(bell.ca_file),
        },
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    assert process.stdout is not None
    said = ""
    try:
        async with asyncio.timeout(_PATIENCE):
            if example == "watch":
                said = await _watched(bell, process.stdout)
                process.terminate()  # SIGINT is ignored below a job in the background
            said += (await process.stdout.read()).decode()
            code = await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()
        return f"it took too long:\n{said}"
    works = _EXPECTED[example] in said and (code == 0 or example == "watch")
    return "" if works else f"exit code {code}\n{said}"


async def _watched(bell: testing.Service, stream: asyncio.StreamReader) -> str:
    """Publish once the watcher watches, and read until it tells of a delivery."""
    said = (await stream.readline()).decode()  # the state, with which it begins
    async with bell.client("publisher") as sis:
        await sis.changes.PublishChange(scored(bell.now()))
    while "delivery" not in said and (line := await stream.readline()):
        said += line.decode()
    return said


if __name__ == "__main__":
    sys.exit(main())
