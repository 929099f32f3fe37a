"""What storage raises.

StorageError
├── StorageUnavailable   the database cannot be reached or written now; nothing was committed
│   └── Conflict         another transaction stood in the way; the same again may succeed
├── OutcomeUnknown       a commit was asked for and its answer was lost
├── DataDirectoryInUse   another server has this SQLite data directory open
└── SchemaTooNew         the database was migrated by a newer Schoolbell
ValueRefused             a value that the database cannot hold: no trouble of storage's
"""

from __future__ import annotations


class StorageError(Exception):
    """The root of what storage raises."""


class StorageUnavailable(StorageError):
    """The database cannot be reached or written now; nothing was committed."""


class Conflict(StorageUnavailable):
    """Another transaction stood in the way (a deadlock): the same again may succeed."""


class OutcomeUnknown(StorageError):
    """A commit was asked for and its answer was lost; recovery finds what it left by claim."""


class DataDirectoryInUse(StorageError):
    """Another server has this SQLite data directory open."""


class SchemaTooNew(StorageError):
    """The database was migrated by a newer Schoolbell."""


class ValueRefused(Exception):
    """The database cannot hold a value: a fault of who brought it, and the same again fails."""
