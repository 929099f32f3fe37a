"""Finish the imports of several databases, each in a process that kills itself at a step.

Called with a step and a file for each. The steps are the statements and commits of the process; one
that ends before its step prints how many it took.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

from sqlalchemy import event
from sqlalchemy.engine import Engine

from schoolbell_server.servicers.roster.import_finisher import ImportFinisher
from schoolbell_storage.engine import open_storage, sqlite_url


async def _finish(file: Path) -> None:
    storage = open_storage(sqlite_url(file))
    finisher = ImportFinisher(storage)
    await finisher.resume()
    await finisher.drain()
    await storage.close()


def _die(step: int, file: Path) -> None:
    steps = 0

    def take(*_event: object) -> None:
        nonlocal steps
        steps += 1
        if steps == step:
            os.kill(os.getpid(), signal.SIGKILL)

    for name in ("before_cursor_execute", "commit"):
        event.listen(Engine, name, take)
    asyncio.run(_finish(file))
    print(steps, flush=True)


if __name__ == "__main__":
    for _step, _file in zip(sys.argv[1::2], sys.argv[2::2], strict=True):
        if (_child := os.fork()) == 0:
            _die(int(_step), Path(_file))
            os._exit(0)
        os.waitpid(_child, 0)
