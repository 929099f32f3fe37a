"""The languages that have a runner, as `languages.toml` names them."""

from __future__ import annotations

import shutil
import subprocess
import tomllib
from dataclasses import dataclass
from pathlib import Path

CHECKOUT = Path(__file__).parents[2]
_FILE = Path(__file__).with_name("languages.toml")


@dataclass(frozen=True, slots=True)
class Language:
    """A language: how its runner is built and started."""

    name: str
    command: tuple[str, ...]
    build: tuple[str, ...]
    programs: tuple[str, ...]
    needs: str
    folder: Path = CHECKOUT

    @property
    def missing(self) -> list[str]:
        """Return the programs that are not here."""
        return [program for program in self.programs if shutil.which(program) is None]

    def make(self) -> None:
        """Build the runner."""
        if self.build:
            subprocess.run(self.build, cwd=self.folder, check=True)


def languages() -> dict[str, Language]:
    """Return the languages by name."""
    raw = tomllib.loads(_FILE.read_text(encoding="utf-8"))
    return {
        name: Language(
            name=name,
            command=tuple(given["run"]),
            build=tuple(given.get("build", ())),
            programs=tuple(given["programs"]),
            needs=given["needs"],
        )
        for name, given in raw.items()
    }
