"""Files that only the server's own account may read."""

from __future__ import annotations

import os
import secrets
from pathlib import Path


class SecretExposed(Exception):
    """Others than the owner may read a secret file."""


def write_secret(path: Path, data: bytes) -> None:
    """Replace a file with mode 0600, whole or not at all, and durable on return."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        draft.rename(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def read_secret(path: Path) -> bytes:
    """Read a file that must not be readable by group or others; SecretExposed if it is."""
    with path.open("rb") as file:
        if os.fstat(file.fileno()).st_mode & 0o077:
            raise SecretExposed(f"{path}: may be read by others; chmod 600 it")
        return file.read()


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
