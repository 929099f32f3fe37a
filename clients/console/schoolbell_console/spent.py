"""What is of no more use: sessions that were signed out, and links that signed somebody in.

It is a small SQLite file beside the cookie key, so that no restart makes a copied cookie or link
good again, and consoles that share the key on one machine share this too. It holds random ids and
times, and nothing of a person.
"""

from __future__ import annotations

import os
import sqlite3
import time
from pathlib import Path

from schoolbell_console.config import BadConfig

_PATIENCE = 5.0  # seconds that another console may write


class Spent:
    """Remembers ids until a time, after which they are refused by their age anyway."""

    def __init__(self, path: Path) -> None:
        """Open the file, or make it; raises BadConfig."""
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
            self._base = sqlite3.connect(path, timeout=_PATIENCE, isolation_level=None)
            self._base.execute("PRAGMA journal_mode = WAL")
            self._base.execute("PRAGMA synchronous = FULL")  # a power cut forgets nothing either
            self._base.execute(
                "CREATE TABLE IF NOT EXISTS spent"
                " (id TEXT PRIMARY KEY, end_time REAL NOT NULL) WITHOUT ROWID"
            )
        except (OSError, sqlite3.Error) as error:
            raise BadConfig(f"console.spent_file {path} cannot be used: {error}") from None

    def spend(self, purpose: str, identifier: str, end_time: float) -> bool:
        """Remember an id until a time, in seconds since 1970; return whether it was good so far."""
        self._base.execute("DELETE FROM spent WHERE end_time < ?", (time.time(),))
        added = self._base.execute(
            "INSERT OR IGNORE INTO spent VALUES (?, ?)", (f"{purpose} {identifier}", end_time)
        )
        return added.rowcount == 1

    def is_spent(self, purpose: str, identifier: str) -> bool:
        """Return whether an id is of no more use."""
        found = self._base.execute("SELECT 1 FROM spent WHERE id = ?", (f"{purpose} {identifier}",))
        return found.fetchone() is not None

    def close(self) -> None:
        """Close the file."""
        self._base.close()
