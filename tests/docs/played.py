"""The service as `make run` leaves it, its day published, and what a page shows tried."""

from __future__ import annotations

import datetime as dt
import os
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
            sandbox={},
            keys={access.ROLE_OPERATOR: service.key(access.ROLE_OPERATOR)},
        )
        written = sample.write(run / "sample", dt.datetime.now(dt.UTC), ZONE)
        roster = oneroster.read(written.roster, written.relationships)
        await set_up(stage, roster, ZONE, written.school_year)
        await publish(stage, written.changes)
        yield stage


async def try_page(name: str, folder: Path, *, twice: bool = False) -> str:
    """Run the Python and shell blocks of a page in order; return what they printed.

    `twice`: the Python ones once more, as readers do who try something again.
    """
    async with played(folder) as stage:
        shown = blocks(read(name), "python", "sh")
        printed = [await try_block(block, folder, exported(stage)) for block in shown]
        again = [block for block in shown if twice and block.language == "python"]
        printed += [await try_block(block, folder, exported(stage)) for block in again]
        return "".join(printed)


async def try_block(block: Block, folder: Path, environment: Mapping[str, str]) -> str:
    """Run a block as its reader would, in a folder; return what it printed."""
    shell = ["bash", "-euo", "pipefail", "-c", block.text]
    program = shell if block.language == "sh" else [sys.executable, "-W", "error", "-c", block.text]
    ended = await run(*program, cwd=folder, env=environment)
    assert ended.code == 0, f"{block.text}\n{ended.out}{ended.err}"
    return ended.out + ended.err


def activated() -> dict[str, str]:
    """Return the environment of a terminal in which `.venv` is activated."""
    kept = {name: os.environ[name] for name in ("HOME", "LANG") if name in os.environ}
    return {
        **kept,
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
    }


def exported(stage: Stage) -> dict[str, str]:
    """Return the environment with the exports that `make run` prints."""
    data = stage.folder / "data"
    return {
        **activated(),
        "SCHOOLBELL_TARGET": f"localhost:{stage.port}",
        "SCHOOLBELL_DISTRICT": DISTRICT,
        "SCHOOLBELL_PROFILES": str(stage.folder / "profiles"),
        "SCHOOLBELL_CA_FILE": str(data / "tls" / "ca.pem"),
        "SCHOOLBELL_KEY_FILE": str(data / "credentials" / "operator.key"),
    }
