"""The benchmark programme measures: a row of it, tiny, on a small district."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from benchmarks.__main__ import write_between
from tests.conftest import CHECKOUT
from tests.programs import run


async def test_a_row_publishes_sends_and_counts() -> None:
    arguments = ("end-to-end", "--database", "sqlite", "--seconds", "0.1", "--students", "100")
    ended = await run(sys.executable, "-m", "benchmarks", *arguments, cwd=CHECKOUT)
    assert ended.code == 0, ended.err
    row = r"\| End to end, strangers, warm \| SQLite \| [\d,.]+ changes/s"
    assert re.search(row, ended.out)
    told = re.search(r"all ([\d,]+) outcomes written.*, ([\d,]+) ACCEPTED\.", ended.out)
    assert told
    assert told[1] == told[2]


def test_only_what_is_between_the_marks_is_written(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    begin, end = "<!-- written by it -->", "<!-- end of what it writes -->"
    page.write_text(f"before\n\n{begin}\nold\n{end}\n\nafter\n", encoding="utf-8")
    write_between(page, "new", "it")
    assert page.read_text(encoding="utf-8") == f"before\n\n{begin}\n\nnew\n\n{end}\n\nafter\n"
