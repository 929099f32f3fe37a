"""Notice that a file was replaced."""

from __future__ import annotations

from pathlib import Path

Stamp = tuple[int, int] | None


def stamp(path: Path) -> Stamp:
    """Return what changes with a file, also behind a symbolic link; None where there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns
