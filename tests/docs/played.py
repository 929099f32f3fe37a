"""The service as `make run` leaves it, its day published, and what a page shows tried."""

from __future__ import annotations

import asyncio
import datetime as dt
import os
import sys
from collections.abc import AsyncIterator
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
from tests.service.whole import whole

PATIENCE = 120.0  # seconds, of a slow machine


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


async def try_page(name: str, folder: Path) -> str:
    """Run the Python and shell blocks of a page in order; return what they printed."""
    async with played(folder) as stage:
        shown = blocks(read(name), "python", "sh")
        return "".join([await _try(block, folder, stage) for block in shown])


async def _try(block: Block, folder: Path, stage: Stage) -> str:
    """Run a block as its reader would: in the checkout, with the exports that `make run` prints."""
    shell = ["bash", "-euo", "pipefail", "-c", block.text]
    program = shell if block.language == "sh" else [sys.executable, "-W", "error", "-c", block.text]
    process = await asyncio.create_subprocess_exec(
        *program,
        cwd=folder,
        env=_environment(stage),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        output, _ = await asyncio.wait_for(process.communicate(), PATIENCE)
    except TimeoutError:
        process.kill()
        await process.wait()
        raise
    assert process.returncode == 0, f"{block.text}\n{output.decode()}"
    return output.decode()


def _environment(stage: Stage) -> dict[str, str]:
    data = stage.folder / "data"
    kept = {name: os.environ[name] for name in ("HOME", "LANG") if name in os.environ}
    return {
        **kept,
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
        "SCHOOLBELL_TARGET": f"localhost:{stage.port}",
        "SCHOOLBELL_DISTRICT": DISTRICT,
        "SCHOOLBELL_CA_FILE": str(data / "tls" / "ca.pem"),
        "SCHOOLBELL_KEY_FILE": str(data / "credentials" / "operator.key"),
    }
