"""`make bench`: measure, print, and write `docs/benchmarks.md`."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import io
import os
import platform
from pathlib import Path

from benchmarks import deciding, publishing, sending

PAGE = Path("docs/benchmarks.md")
_HEAD = """# Benchmarks

Written by `make bench`. The machine is shared and noisy: compare figures of one run only.

"""


def main() -> None:
    """Run every benchmark and write the page."""
    machine = (
        f"{os.cpu_count()} cores ({platform.machine()}), Python {platform.python_version()}, "
        f"{dt.datetime.now(dt.UTC).date()}; service, sandboxes and load generator share them.\n"
    )
    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        deciding.main()
    rows = publishing.rows(asyncio.run(publishing.measure()))
    table = "\n".join(f"| {name} | {figure} |" for name, figure in rows)
    page = (
        f"{_HEAD}{machine}\n| what | figure |\n| --- | --- |\n{table}\n\n"
        f"{asyncio.run(sending.measure())}\n\n"
        "Deciding alone, on one core (`python -m benchmarks.deciding`):\n\n"
        f"```console\n{output.getvalue()}```\n\n"
        "Not measured yet: PostgreSQL, a million students, a million deliveries waiting.\n"
    )
    PAGE.write_text(page, encoding="utf-8")
    print(page)


if __name__ == "__main__":
    main()
