"""Who may use a data directory.

A SQLite store has one server, and every other owner is dead. With PostgreSQL several servers of
one machine may share a data directory for its keys.
"""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from schoolbell_storage.errors import DataDirectoryInUse


@contextmanager
def exclusive(directory: Path) -> Iterator[None]:
    """Hold a data directory; DataDirectoryInUse where another server does.

    The lock is the kernel's: a server that is killed lets go of it.
    """
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (directory / "lock").open("w", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DataDirectoryInUse(
                f"another server has the data directory {directory} open"
            ) from None
        yield


@contextmanager
def taking_turns(directory: Path) -> Iterator[None]:
    """Wait until no other server of this machine is making the first keys of a data directory."""
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (directory / "starting").open("w", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
