"""The scenarios of the suite, read and checked."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(__file__).parent
CAPABILITIES = frozenset(
    {
        "publisher",
        "watcher",
        "relisting",
        "builders",
        "mistakes",
        "environment",
        "mutual-tls",
    }
)
OPERATIONS = frozenset(
    {
        "connect",
        "close",
        "call",
        "read",
        "exchange",
        "publisher.open",
        "publisher.submit",
        "publisher.flush",
        "publisher.close",
        "watcher.open",
        "watcher.take",
        "watcher.close",
        "build",
        "wait",
        "cancel",
    }
)
DRIVER_STEPS = frozenset({"server", "proxy", "relay", "await", "inspect", "write"})
_ASIDE = {"expect", "keep", "as"}


class _Loader(yaml.SafeLoader):
    """YAML with dates as the texts that they are."""


_Loader.yaml_implicit_resolvers = {
    first: [one for one in resolvers if one[0] != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


class BadScenario(Exception):
    """A file of scenarios is not as README.md describes."""


@dataclass(frozen=True, slots=True)
class Step:
    """One step: an operation of a runner, or one of the driver."""

    op: str
    arguments: Any
    name: str = ""
    expect: Any = None
    keep: dict[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Scenario:
    """A scenario of one file."""

    name: str
    file: str
    about: str
    needs: frozenset[str]
    steps: tuple[Step, ...]


def load(folder: Path = FOLDER) -> list[Scenario]:
    """Return the scenarios of a folder, by file; raise `BadScenario` for what is not one."""
    found: list[Scenario] = []
    for path in sorted(folder.glob("*.yaml")):
        given = yaml.load(path.read_text(encoding="utf-8"), _Loader)
        found += [_scenario(path.stem, one) for one in given]
    names = [scenario.name for scenario in found]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise BadScenario(f"names occur twice: {', '.join(twice)}")
    return found


def _scenario(file: str, given: dict[str, Any]) -> Scenario:
    if unknown := set(given) - {"name", "about", "needs", "steps"}:
        raise BadScenario(f"{file}: {given.get('name')}: unknown fields {sorted(unknown)}")
    needs = frozenset(given.get("needs", ()))
    if needs - CAPABILITIES:
        raise BadScenario(f"{file}: {given['name']}: unknown needs {sorted(needs - CAPABILITIES)}")
    steps = tuple(_step(f"{file}: {given['name']}", one) for one in given["steps"])
    if not any(step.expect is not None for step in steps):
        raise BadScenario(f"{file}: {given['name']} expects nothing")
    return Scenario(given["name"], file, given["about"], needs, steps)


def _step(where: str, given: dict[str, Any]) -> Step:
    ops = set(given) - _ASIDE
    if len(ops) != 1 or not ops <= OPERATIONS | DRIVER_STEPS:
        raise BadScenario(f"{where}: a step has one operation, not {sorted(ops)}")
    op = ops.pop()
    return Step(op, given[op], given.get("as", ""), given.get("expect"), given.get("keep"))
