"""`make bench`: measure, print, and write the table of `docs/benchmarks.md`."""

from __future__ import annotations

import asyncio
import datetime as dt
import os
import signal
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import click

from benchmarks.databases import POSTGRESQL, SQLITE
from benchmarks.machine import describe
from benchmarks.results import Result, table
from benchmarks.rows import ROWS
from benchmarks.service import Bench

PAGE = Path("docs/benchmarks.md")
MARKS = ("<!-- written by {} -->", "<!-- end of what {} writes -->")
_DATABASES = (SQLITE, POSTGRESQL)
_NAMES = {name.lower(): name for name in _DATABASES}


@click.command()
@click.argument("rows", nargs=-1)
@click.option("--database", type=click.Choice(list(_NAMES)), help="Only this one.")
@click.option("--seconds", default=6.0, help="How long a row publishes.")
@click.option("--students", default=10_000, help="The size of the district.")
def main(rows: Sequence[str], database: str | None, seconds: float, students: int) -> None:
    """Measure ROWS, or all of them and write the page; LONG=1 measures the million sizes."""
    long = bool(os.environ.get("LONG"))
    every = [name for name, row in ROWS.items() if row.long or not long]
    chosen = [name for argument in rows for name in argument.split(",")] or every
    if unknown := set(chosen) - set(ROWS):
        raise click.BadParameter(f"no such row: {', '.join(sorted(unknown))}")
    bench = Bench(database="", seconds=seconds, students=students, long=long)
    databases = _DATABASES if database is None else (_NAMES[database],)
    results = asyncio.run(_measure(chosen, databases, bench))
    page = _text(results, bench)
    print(page)
    if not rows:
        write_between(PAGE, page, _command(bench))
        for plot, svg in ((name, svg) for _, one in results for name, svg in one.plots.items()):
            _picture(plot, bench).write_text(svg, encoding="utf-8")


async def _measure(
    names: Sequence[str], databases: Sequence[str], bench: Bench
) -> list[tuple[str, Result]]:
    task = asyncio.current_task()
    assert task is not None
    # Ended from outside, it still stops what it started.
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    results = []
    for name in names:
        for database in databases if ROWS[name].databases else ("",):
            began = time.perf_counter()
            found = await ROWS[name].measure(replace(bench, database=database))
            figures = [replace(one, database=database) for one in found.figures]
            for figure in figures:
                click.echo(" | ".join(figure.cells), err=True)
            click.echo(f"{name} {database} took {time.perf_counter() - began:.0f} s", err=True)
            results.append((f"{name} {database}".strip(), replace(found, figures=figures)))
    return results


def _command(bench: Bench) -> str:
    return "LONG=1 make bench" if bench.long else "make bench"


def _picture(plot: str, bench: Bench) -> Path:
    return PAGE.with_name(f"benchmarks-{plot}{'-long' if bench.long else ''}.svg")


def _text(results: Sequence[tuple[str, Result]], bench: Bench) -> str:
    figures = [figure for _, result in results for figure in result.figures]
    parts = [
        f"`{_command(bench)}` on {dt.datetime.now(dt.UTC).date()}, {bench.students:,} students, "
        f"{bench.seconds:g} s a row: {describe()}; service, sink, database and load generator "
        "share the machine.",
        table(figures),
    ]
    for name, result in results:
        if result.notes:
            parts += [f"**{name}.** {result.notes[0]}", *result.notes[1:]]
        parts += [f"![{plot}]({_picture(plot, bench).name})" for plot in result.plots]
    return "\n\n".join(parts)


def write_between(file: Path, text: str, command: str) -> None:
    """Put what a command found between its marks in a page, whose prose is written by hand."""
    page = file.read_text(encoding="utf-8")
    begin, end = (mark.format(command) for mark in MARKS)
    before, _, rest = page.partition(begin)
    _, _, after = rest.partition(end)
    file.write_text(f"{before}{begin}\n\n{text}\n\n{end}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
