"""Profiles: where `schoolbell login` keeps target, authority, key and district of a service.

One file of mode 0600 for each, in a folder of mode 0700.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click

from schoolbell.cli.failing import Failed
from schoolbell.cli.printing import say

DEFAULT = "default"
_PRIVATE_FOLDER, _PRIVATE_FILE = 0o700, 0o600


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """What is stored of a service."""

    target: str = ""
    ca: str = ""
    """PEM; empty is the system's authorities."""
    key: str = ""
    district: str = ""
    plaintext: bool = False

    def connection(self) -> dict[str, Any]:
        """Return what it says of the connection."""
        found = {"target": self.target, "ca": self.ca.encode(), "key": self.key}
        chosen: dict[str, Any] = {name: value for name, value in found.items() if value}
        return chosen | ({"plaintext": True} if self.plaintext else {})


def folder() -> Path:
    """Return where profiles lie: SCHOOLBELL_PROFILES, or a folder of the user's settings."""
    named = os.environ.get("SCHOOLBELL_PROFILES")
    return Path(named) if named else Path(click.get_app_dir("schoolbell"))


def path_of(name: str) -> Path:
    """Return the file of a profile; its name is one word."""
    name = name or DEFAULT
    if not all(char.isalnum() or char in "-_." for char in name) or name.startswith("."):
        raise click.UsageError(f"a profile's name is letters, digits, -, _ and dots, not {name!r}")
    return folder() / f"{name}.json"


def load(name: str) -> Profile:
    """Return a profile by its name; '' is the default one, empty where there is none."""
    path = path_of(name)
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        if path.stat().st_mode & ~_PRIVATE_FILE & 0o777:
            say(f"warning: others can read {path}: chmod 600, and think of its key", err=True)
        return Profile(**found)
    except FileNotFoundError:
        if name:
            text = f"there is no profile {name}: schoolbell --profile {name} login"
            raise Failed(text, code=Failed.MISSING) from None
        return Profile()
    except (OSError, ValueError, TypeError, RecursionError):
        raise Failed(f"the profile {path} cannot be read: log in again") from None


def save(name: str, profile: Profile) -> Path:
    """Store a profile, which nobody else can ever read; return its file."""
    path = path_of(name)
    path.parent.mkdir(parents=True, exist_ok=True, mode=_PRIVATE_FOLDER)
    written = path.with_suffix(".new")
    written.unlink(missing_ok=True)
    write_private(written, json.dumps(asdict(profile)))
    written.replace(path)
    return path


def remove(name: str) -> bool:
    """Forget a profile; return whether there was one."""
    path = path_of(name)
    existed = path.exists()
    path.unlink(missing_ok=True)
    return existed


def write_private(path: Path, text: str) -> None:
    """Write a new file of mode 0600; FileExistsError where there is one."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _PRIVATE_FILE)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
