"""The rows of the table: add yours here."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from benchmarks import (
    accepting,
    attendance,
    backlog,
    clients,
    committing,
    deciding,
    end_to_end,
    growing,
    idle,
    importing,
    link,
    neighboring,
    phones,
    profiling,
    sending,
    single,
    watching,
)
from benchmarks.results import Result
from benchmarks.service import Bench


@dataclass(frozen=True, slots=True)
class Row:
    """A row."""

    measure: Callable[[Bench], Awaitable[Result]]
    databases: bool = True
    """Whether there is one for each database."""
    long: bool = False
    """Whether it has a million size."""


ROWS: Mapping[str, Row] = {
    "accepting": Row(accepting.measure),
    "end-to-end": Row(end_to_end.measure),
    "school-day": Row(end_to_end.measure_school_day),
    "processes": Row(end_to_end.measure_processes),
    "single": Row(single.measure),
    "neighbor": Row(neighboring.measure),
    "importing": Row(importing.measure, long=True),
    "attendance": Row(attendance.measure, long=True),
    "phones": Row(phones.measure),
    "committing": Row(committing.measure, databases=False),
    "watching": Row(watching.measure),
    "backlog": Row(backlog.measure, long=True),
    "growing": Row(growing.measure, long=True),
    "idle": Row(idle.measure),
    "sending": Row(sending.measure, databases=False),
    "link": Row(link.measure, databases=False),
    "deciding": Row(deciding.measure, databases=False),
    "profiling": Row(profiling.measure),
    "clients": Row(clients.measure, databases=False),
}
