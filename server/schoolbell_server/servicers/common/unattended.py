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
MOST_OF_ONE = 4
"""Works at once of one owner."""

Result = TypeVar("Result")
logger = get_logger(__name__)


class Unattended:
    """Runs works to their end; `drain` before the storage is closed."""

    def __init__(self) -> None:
        self._tasks: dict[asyncio.Task[Any], str] = {}

    async def run(self, work: Coroutine[Any, Any, Result], owner: str) -> Result:
        """Return what a work returns; it goes on if the caller is cancelled meanwhile.

        `owner` is the key whose work it is: none may fill all the places.
        """
        of_one = sum(1 for other in self._tasks.values() if other == owner)
        if len(self._tasks) >= MOST or of_one >= MOST_OF_ONE:
            work.close()
            raise SchoolbellError(
                ErrorReason.ERROR_REASON_TOO_MANY_CALLS,
                f"{of_one} calls of this key that work in steps are under way, and "
                f"{len(self._tasks)} in all; call again",
                retry_after=COME_BACK,
            )
        task = asyncio.create_task(work, name="work in steps")
        self._tasks[task] = owner
        task.add_done_callback(self._tasks.pop)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            task.add_done_callback(_report)
            raise

    async def drain(self, seconds: float) -> None:
        """Wait until nothing is under way; what takes longer breaks off."""
        if not self._tasks:
            return
        _, late = await asyncio.wait(list(self._tasks), timeout=seconds)
        for task in late:
            task.cancel()
        if late:
            logger.warning("work in steps broken off", extra={"count": len(late)})
            await asyncio.wait(late)


def _report(task: asyncio.Task[Any]) -> None:
    """Log the fault of a work whose caller has gone: nobody else hears of it."""
    if not task.cancelled() and (error := task.exception()) is not None:
        logger.error("work in steps not finished", exc_info=error)
