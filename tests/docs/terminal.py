"""What the command looks like on a terminal: `python -m tests.docs.terminal` draws the pictures.

Each command runs on a pseudo-terminal, against a whole service with the sample district.
"""

from __future__ import annotations

import asyncio
import fcntl
import io
import json
import os
import pty
import re
import select
import signal
import sqlite3
import struct
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import MONOKAI
from rich.text import Text

from schoolbell.v1 import access_service_pb2 as access
from schoolbell_server.demo.stage import Stage
from tests.docs.pages import ROOT
from tests.docs.played import exported, played
from tests.programs import PATIENCE

PICTURES = ROOT / "docs" / "terminal"
WIDTHS = (80, 140)
_LINES = 24
_FRAME = re.compile(rb"(?:\x1b\[2K|\x1b\[1A|\r)*\x1b\[2K")
"""What rich writes before it draws a live display again."""
_FONTS = re.compile(r"@font-face \{[^}]*\}\s*", re.DOTALL)
_TRIED_AGAIN = 0.2  # seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Shot:
    """A picture: a command line, and whose key it uses."""

    name: str
    command: str
    role: access.Role.ValueType = access.ROLE_ADMINISTRATOR
    until: str = ""
    """For what does not end by itself: the words after which it is interrupted."""
    is_blocked: bool = False
    """Whether the database takes no writes meanwhile."""


SHOTS = (
    Shot(name="status", command="status", role=access.ROLE_MONITOR),
    Shot(name="deliveries", command="deliveries list --limit 8"),
    Shot(name="decisions", command="changes decisions --user g5022 --limit 5"),
    Shot(name="settings", command="settings get"),
    Shot(name="explain", command="explain {source} {change}"),
    Shot(
        name="watch",
        command="watch --resume-token {token}",
        role=access.ROLE_MONITOR,
        until="ACCEPTED",
    ),
    Shot(
        name="import",
        command="roster import --oneroster .run/sample/oneroster",
        role=access.ROLE_PUBLISHER,
        until="0:00:03",
        is_blocked=True,
    ),
    Shot(name="denied", command="explain sis grade-88123", role=access.ROLE_MONITOR),
)


def take(shot: Shot, stage: Stage, width: int) -> str:
    """Run a command on a terminal of a width; return what is on it in the end, with its colors."""
    names = _names(stage)
    words = [word.format(**names) for word in shot.command.split()]
    environment = {
        **exported(stage),
        "SCHOOLBELL_KEY": stage.keys[shot.role],
        "TERM": "xterm-256color",
        "COLORTERM": "truecolor",
        "TZ": "America/Chicago",
    }
    with _blocked(stage) if shot.is_blocked else closing(io.StringIO()):
        raw = _run([sys.executable, "-m", "schoolbell", *words], stage, environment, width, shot)
    return _last_frame(raw).decode("utf-8", "replace").replace("\r\n", "\n")


def draw(shot: Shot, screen: str, width: int) -> str:
    """Return a screen as SVG, without fonts from elsewhere."""
    console = Console(
        width=width, record=True, file=io.StringIO(), force_terminal=True, color_system="truecolor"
    )
    console.print(Text.from_ansi(f"$ schoolbell {shown(shot)}\n{screen.rstrip()}"), soft_wrap=True)
    svg = console.export_svg(
        title=f"schoolbell {shot.name}", theme=MONOKAI, unique_id=f"{shot.name}-{width}"
    )
    return _FONTS.sub("", svg)


def shown(shot: Shot) -> str:
    """Return the command line as the picture shows it."""
    names = {"source": "maple-sis", "change": "…", "token": "…"}
    return shot.command.format(**names).replace(" --resume-token …", "")


def _names(stage: Stage) -> dict[str, str]:
    """Return an accepted change that some were told of and others not, and the oldest position."""
    environment = {**exported(stage), "SCHOOLBELL_KEY": stage.keys[access.ROLE_ADMINISTRATOR]}
    command = [sys.executable, "-m", "schoolbell", "--json", "changes", "list", "--limit", "1000"]
    listed = subprocess.run(command, env=environment, capture_output=True, check=True, text=True)
    found = [json.loads(line) for line in listed.stdout.splitlines()]
    odd = next(one for one in found if one.get("refusals") and one.get("deliveryCount"))
    key = odd["change"]["key"]
    return {
        "source": key["source"],
        "change": key["changeId"],
        "token": found[-1]["resumeToken"],
    }


def _run(
    command: Sequence[str], stage: Stage, environment: dict[str, str], width: int, shot: Shot
) -> bytes:
    """Return what a command wrote to its terminal, until it ended or said what is waited for."""
    ours, theirs = pty.openpty()
    size = struct.pack("HHHH", _LINES, width, 0, 0)
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, size)
    process = subprocess.Popen(
        command,
        cwd=stage.folder.parent,
        env=environment,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    raw, deadline = b"", time.monotonic() + PATIENCE
    try:
        while time.monotonic() < deadline:
            if select.select([ours], [], [], _TRIED_AGAIN)[0]:
                try:
                    data = os.read(ours, 1 << 16)
                except OSError:  # the other end is closed
                    data = b""
                if not data:
                    return raw
                raw += data
            if shot.until and shot.until.encode() in _last_frame(raw):
                return raw
        raise AssertionError(f"not ended after {PATIENCE:g} s: {command}\n{raw!r}")
    finally:
        os.close(ours)
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
        process.wait()


def _last_frame(raw: bytes) -> bytes:
    """Return the last whole frame of a live display, or all that was written."""
    frames = [frame for frame in _FRAME.split(raw) if frame.strip()] or [b""]
    whole = frames[-2] if len(frames) > 2 else frames[-1]
    return re.sub(rb"\x1b\[\?25[lh]", b"", whole)


@contextmanager
def _blocked(stage: Stage) -> Iterator[None]:
    """Let nobody write to the database while the block runs."""
    file = stage.folder / "data" / "schoolbell.db"
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        yield
        connection.execute("ROLLBACK")


async def main() -> None:
    """Draw every picture."""
    PICTURES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        async with played(Path(folder)) as stage:
            for shot in SHOTS:
                for width in WIDTHS:
                    screen = await asyncio.to_thread(take, shot, stage, width)
                    svg = draw(shot, screen, width)
                    (PICTURES / f"{shot.name}-{width}.svg").write_text(svg, encoding="utf-8")


if __name__ == "__main__":
    asyncio.run(main())


__all__ = ["SHOTS", "WIDTHS", "Shot", "draw", "take"]
