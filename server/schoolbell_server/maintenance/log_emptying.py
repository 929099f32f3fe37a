"""Empty a SQLite database's log once somebody's data were erased: it still holds them."""

from __future__ import annotations

from schoolbell_server.background.stopping import Stop
from schoolbell_server.observability.log import get_logger
from schoolbell_storage.engine import Storage
from schoolbell_storage.errors import StorageError

_LOOK = 1.0  # seconds
_LONGEST_PAUSE = 60.0  # seconds between two tries while readers are in the way

_logger = get_logger(__name__)


async def run_log_emptying(storage: Storage, stop: Stop) -> None:
    """Empty the log at start, for what a crash left, and after every erasure, until stopped.

    No erasure waits for it, and it waits for no reader: it is tried again.
    """
    storage.erased.set()
    pause = _LOOK
    while True:
        if storage.erased.is_set():
            storage.erased.clear()  # before the try: what is erased during it needs another
            if await _emptied(storage):
                pause = _LOOK
            else:
                storage.erased.set()
                pause = min(pause * 2, _LONGEST_PAUSE)
        if not await stop.pause(pause):
            return


async def _emptied(storage: Storage) -> bool:
    try:
        return await storage.empty_log()
    except StorageError as error:
        _logger.warning("log of the database not emptied", extra={"cause": str(error)})
        return False
