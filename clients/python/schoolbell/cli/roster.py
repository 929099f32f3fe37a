"""Rosters: OneRoster CSV in, and who is who."""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import click

from schoolbell import oneroster
from schoolbell.blocking import Client
from schoolbell.cli.failing import Failed
from schoolbell.cli.groups import add_calls
from schoolbell.cli.guards import guard_options
from schoolbell.cli.progress import Progress
from schoolbell.cli.rosters import RECORDS
from schoolbell.cli.session import Session
from schoolbell.cli.shared import Command
from schoolbell.errors import SchoolbellError
from schoolbell.v1 import roster_pb2, roster_service_pb2

_BATCH = 1000
_DEADLINE = 600.0  # seconds
_MOST_SHOWN = 20


@click.group()
def roster() -> None:
    """Import rosters, see what became of them, and change single records."""


@roster.command(
    "import",
    cls=Command,
    calls=["roster.ImportRoster", "roster.GetImport", "roster.SetActiveSchoolYear"],
    examples=[
        "roster import --oneroster extract --relationships relationships.csv --dry-run",
        "roster import --oneroster extract --import-id 2026-11-24",
    ],
)
@click.option(
    "--oneroster",
    "directory",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    required=True,
    help="A folder of OneRoster 1.1 CSV files.",
)
@click.option(
    "--relationships",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="What OneRoster cannot say: portal flags and bars. Without it they stay as stored.",
)
@click.option(
    "--max-bad-rows-percent",
    "most_bad_rows",
    type=click.FloatRange(0, 100),
    default=oneroster.MOST_BAD_ROWS_PERCENT,
    show_default=True,
    help="Refuse the extract if a larger share of the rows of a file has problems.",
)
@click.option(
    "--end-dates",
    type=click.Choice(["inclusive", "exclusive"]),
    default="inclusive",
    show_default=True,
)
@click.option("--source", default="oneroster", show_default=True)
@click.option("--import-id", default="", help="Your own id; the same again is not imported twice.")
@click.option("--active-year", type=int, help="Make this the active school year (it ends in).")
@click.option(
    "--dry-run",
    "--validate-only",
    "validate_only",
    is_flag=True,
    help="Check everything and change nothing.",
)
@guard_options
@click.pass_obj
def import_roster(
    session: Session,
    /,
    *,
    directory: Path,
    relationships: Path | None,
    most_bad_rows: float,
    end_dates: oneroster.EndDates,
    source: str,
    import_id: str,
    active_year: int | None,
    validate_only: bool,
    **guards: Any,
) -> None:
    """Import a whole roster."""
    try:
        read = oneroster.read(
            directory, relationships, end_dates, most_bad_rows_percent=most_bad_rows
        )
    except oneroster.UnusableRosterError as error:
        _warn(session, error.problems, error.problem_count)
        raise Failed(str(error)) from None
    _warn(session, read.problems, read.problem_count)
    district_id = session.need_district()
    header = roster_service_pb2.ImportRosterHeader(
        import_id=import_id or str(uuid.uuid4()),
        mode=roster_pb2.IMPORT_MODE_FULL,
        source=source,
        validate_only=validate_only,
        guards=roster_service_pb2.ImportGuards(**guards),
    )
    total = sum(1 for _ in oneroster.to_proto(read))
    with Progress(session.output, "sending", lambda: total) as progress, session.client() as client:
        parts = _counted(import_parts(district_id, header, read), progress)
        try:
            timeout = session.options.timeout or _DEADLINE
            answer = client.roster.ImportRoster(parts, timeout=timeout)
        except SchoolbellError as error:
            _show_report(session, client, district_id, header.import_id, error)
            raise
        if active_year is not None and not validate_only:
            client.roster.SetActiveSchoolYear(
                roster_service_pb2.SetActiveSchoolYearRequest(
                    district_id=district_id, school_year=active_year
                )
            )
    session.output.message(answer.roster_import)


def _counted(
    parts: Iterator[roster_service_pb2.ImportRosterRequest], progress: Progress
) -> Iterator[roster_service_pb2.ImportRosterRequest]:
    """Yield the parts of an import, and count what is sent."""
    for part in parts:
        yield part
        progress.advance(len(part.records.records))
    progress.go_on("applying the records")


def _warn(session: Session, problems: Sequence[oneroster.Problem], count: int) -> None:
    for problem in problems[:_MOST_SHOWN]:
        session.output.note(f"warning: {problem}", warning=str(problem))
    if (more := count - _MOST_SHOWN) > 0:
        session.output.note(f"warning: and {more} more", more_warnings=more)


def _show_report(
    session: Session, client: Client, district_id: str, import_id: str, error: SchoolbellError
) -> None:
    """Print what is wrong with the records of an import that was refused for them."""
    if not error.reason.startswith("IMPORT_"):
        return
    request = roster_service_pb2.GetImportRequest(district_id=district_id, import_id=import_id)
    with suppress(SchoolbellError):
        session.output.message(client.roster.GetImport(request).roster_import)


def import_parts(
    district_id: str, header: roster_service_pb2.ImportRosterHeader, read: oneroster.Roster
) -> Iterator[roster_service_pb2.ImportRosterRequest]:
    """Yield an import: its header, its records in batches, its footer."""
    part = roster_service_pb2.ImportRosterRequest
    yield part(district_id=district_id, header=header)
    records, count = oneroster.to_proto(read), 0
    while batch := list(itertools.islice(records, _BATCH)):
        count += len(batch)
        yield part(records=roster_service_pb2.ImportRosterRecords(records=batch))
    yield part(footer=roster_service_pb2.ImportRosterFooter(record_count=count))


add_calls(roster, RECORDS)
