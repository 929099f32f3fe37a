"""The service as `make run` leaves it, its day published, and what a page shows tried."""

from __future__ import annotations

import datetime as dt
import os
import re
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from schoolbell import oneroster
from schoolbell.v1 import access_service_pb2 as access
from schoolbell_server import sample
from schoolbell_server.demo.__main__ import ZONE
from schoolbell_server.demo.day import publish
from schoolbell_server.demo.district import set_up
from schoolbell_server.demo.stage import DISTRICT, Stage
from tests.docs.pages import Block, blocks, read
from tests.programs import run
from tests.service.whole import whole

RUN = ("python", "sh")
"""The languages of blocks that are run."""
SAID = "text"
"""What the block before it prints."""


@asynccontextmanager
async def played(folder: Path) -> AsyncIterator[Stage]:
    """Run a whole service with the sample district, its files where `make run` has them."""
    run = folder / ".run"
    run.mkdir()
    async with whole(run) as service:
        assert service.server is not None
        stage = Stage(
            port=service.server.port,
            folder=run,
            sandbox={"control_port": service.sandbox.control_port},
            keys={access.ROLE_OPERATOR: service.key(access.ROLE_OPERATOR)},
        )
        written = sample.write(run / "sample", dt.datetime.now(dt.UTC), ZONE)
        roster = oneroster.read(written.roster, written.relationships)
        await set_up(stage, roster, ZONE, written.school_year)
        await publish(stage, written.changes)
        yield stage


async def try_page(name: str, folder: Path, *, twice: bool = False) -> str:
    """Run the Python and shell blocks of a page in order; return what they printed.

    A `text` block says what the block before it printed. `twice`: the Python ones once more, as
    readers do who try something again.
    """
    async with played(folder) as stage:
        printed: list[str] = []
        shown = [one for one in blocks(read(name)) if not (one.tested or one.not_run)]
        for block in shown:
            if block.language in RUN:
                printed.append(await try_block(block, folder, exported(stage)))
            elif block.language == SAID:
                compare(block.text, printed[-1])
        again = [block for block in shown if twice and block.language == "python"]
        printed += [await try_block(block, folder, exported(stage)) for block in again]
        return "".join(printed)


async def try_block(block: Block, folder: Path, environment: Mapping[str, str]) -> str:
    """Run a block as its reader would, in a folder; return what it printed."""
    shell = ["bash", "-euo", "pipefail", "-c", f"exec 2>&1\n{block.text}"]
    program = shell if block.language == "sh" else [sys.executable, "-W", "error", "-c", block.text]
    ended = await run(*program, cwd=folder, env=environment)
    assert ended.code == 0, f"{block.text}\n{ended.out}{ended.err}"
    return ended.out + ended.err


def compare(shown: str, printed: str) -> None:
    """Check that a block printed what the page shows, line by line; `…` stands for anything."""
    told = [line.rstrip() for line in printed.splitlines()]
    wanted = [".+".join(map(re.escape, line.rstrip().split("…"))) for line in shown.splitlines()]
    assert re.fullmatch("\n".join(wanted), "\n".join(told)), f"shown:\n{shown}\nsaid:\n{printed}"


def activated() -> dict[str, str]:
    """Return the environment of a terminal in which `.venv` is activated."""
    kept = {name: os.environ[name] for name in ("HOME", "LANG") if name in os.environ}
    return {
        **kept,
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
    }


def exported(stage: Stage) -> dict[str, str]:
    """Return the environment with the exports that `make run` prints."""
    return {
        **activated(),
        "SCHOOLBELL_TARGET": f"localhost:{stage.port}",
        "SCHOOLBELL_DISTRICT": DISTRICT,
        "SCHOOLBELL_PROFILES": str(stage.folder / "profiles"),
        "SCHOOLBELL_CA_FILE": str(stage.ca_file),
        "SCHOOLBELL_KEY_FILE": str(stage.folder / "data" / "credentials" / "operator.key"),
    }
