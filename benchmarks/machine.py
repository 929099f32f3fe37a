"""What the machine is, and what processes use of it, read from /proc."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


def describe() -> str:
    """Return cores, CPU, memory and Python in one line."""
    return (
        f"{os.cpu_count()} cores ({_first('/proc/cpuinfo', 'model name')}, {platform.machine()}), "
        f"{int(_first('/proc/meminfo', 'MemTotal').split()[0]) / 2**20:.0f} GiB, "
        f"{platform.system()}, Python {platform.python_version()}"
    )


def cpu_seconds(pid: int) -> float:
    """Return the CPU time that a process and its children have used, in seconds."""
    total = 0
    for one in (pid, *_children(pid)):
        try:
            fields = _stat(Path(f"/proc/{one}/stat"))
        except FileNotFoundError:
            continue
        # Its own time, and of the parent that of the children that have ended.
        total += sum(map(int, fields[11:15] if one == pid else fields[11:13]))
    return total / _TICKS


def thread_seconds(pid: int) -> dict[str, float]:
    """Return the CPU time of a process by the names of its threads, in seconds."""
    found: dict[str, float] = {}
    for task in Path(f"/proc/{pid}/task").iterdir():
        name = "main" if task.name == str(pid) else (task / "comm").read_text().strip()
        spent = sum(map(int, _stat(task / "stat")[11:13])) / _TICKS
        found[name] = found.get(name, 0) + spent
    return found


def resident(pid: int) -> int:
    """Return the resident memory of a process, in bytes."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE


def _children(pid: int) -> Iterator[int]:
    """Yield the children of a process, of all of its threads."""
    for task in Path(f"/proc/{pid}/task").iterdir():
        yield from map(int, (task / "children").read_text().split())


def _stat(path: Path) -> list[str]:
    """Return the fields after the command's name, which may hold anything."""
    return path.read_text().rpartition(")")[2].split()


def _first(path: str, key: str) -> str:
    for line in Path(path).read_text().splitlines():
        if line.startswith(key):
            return line.partition(":")[2].strip()
    return "unknown"
