"""Work in steps that goes on where its caller hangs up.

It is a task of the server, not of the call. A server that ends lets it finish, for so long as it
lets calls finish; what is then left breaks off between two steps. Each step is a transaction with
its own entry in the audit log, so the log says how far it came, and the call can be repeated.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from schoolbell.v1.error_reason_pb2 import ErrorReason
from schoolbell_server.observability.log import get_logger
from schoolbell_server.rpc.error_table import COME_BACK
from schoolbell_server.rpc.errors import SchoolbellError

MOST = 32
"""Works at once, those included whose callers have gone."""

Result = TypeVar("Result")
logger = get_logger(__name__)


class Unattended:
    """Runs works to their end; `drain` before the storage is closed."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()

    async def run(self, work: Coroutine[Any, Any, Result]) -> Result:
        """Return what a work returns; it goes on if the caller is cancelled meanwhile."""
        if len(self._tasks) >= MOST:
            work.close()
            raise SchoolbellError(
                ErrorReason.ERROR_REASON_TOO_MANY_CALLS,
                f"{MOST} calls that work in steps are under way; call again",
                retry_after=COME_BACK,
            )
        task = asyncio.create_task(work, name="work in steps")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            task.add_done_callback(_report)
            raise

    async def drain(self, seconds: float) -> None:
        """Wait until nothing is under way; what takes longer breaks off."""
        if not self._tasks:
            return
        _, late = await asyncio.wait(self._tasks, timeout=seconds)
        for task in late:
            task.cancel()
        if late:
            logger.warning("work in steps broken off", extra={"count": len(late)})
            await asyncio.wait(late)


def _report(task: asyncio.Task[Any]) -> None:
    """Log the fault of a work whose caller has gone: nobody else hears of it."""
    if not task.cancelled() and (error := task.exception()) is not None:
        logger.error("work in steps not finished", exc_info=error)
