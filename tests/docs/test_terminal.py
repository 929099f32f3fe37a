"""On a terminal nothing is shortened or too wide, and states have their colors."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

from rich.text import Text

from tests.docs.played import played
from tests.docs.terminal import PICTURES, SHOTS, WIDTHS, draw, take

_UUID = re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b")
_GREEN = "\x1b[32mACCEPTED"


async def test_what_is_on_a_terminal_is_whole(tmp_path: Path) -> None:
    async with played(tmp_path) as stage:
        for shot in SHOTS:
            screen = await asyncio.to_thread(take, shot, stage, WIDTHS[0])
            lines = Text.from_ansi(screen).plain.splitlines()
            if shot.name != "denied":  # the terminal itself folds an error
                assert max(map(len, lines)) <= WIDTHS[0], shot.name
            assert "…" not in screen, shot.name
            if shot.name == "deliveries":
                assert len(_UUID.findall(screen)) == len(lines) - 1
            if shot.name in ("deliveries", "watch"):
                assert _GREEN in screen
            assert draw(shot, screen, WIDTHS[0]).startswith("<svg")


def test_there_is_a_picture_of_each_in_both_widths() -> None:
    drawn = {path.name for path in PICTURES.glob("*.svg")}
    assert drawn == {f"{shot.name}-{width}.svg" for shot in SHOTS for width in WIDTHS}
    for path in PICTURES.glob("*.svg"):
        assert not re.search(r"url\((?!#)|/tmp/|/root/", path.read_text(encoding="utf-8")), (
            path.name
        )
