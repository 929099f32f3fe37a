"""The state of the service, and the tallies."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import click
from rich.console import Group, RenderableType
from rich.text import Text

from schoolbell.blocking import Client
from schoolbell.cli import values
from schoolbell.cli.output import cell, columns, pairs, plain_table
from schoolbell.cli.session import Session
from schoolbell.cli.shared import Command
from schoolbell.v1 import status_pb2, status_service_pb2

_STATES = columns(
    "district=district_id",
    "status=service_status",
    "connectivity=connectivity",
    ("waiting", lambda one: str(sum(lane.pending_count + lane.held_count for lane in one.backlog))),
    ("warnings", lambda one: str(len(one.warnings) or "")),
)
_LINKS = columns(
    "app=app_id",
    "provider=provider",
    "environment=environment",
    "connectivity=connectivity",
    "circuit=circuit",
    "?trouble=trouble",
    "?reason=reason",
    "?since=start_time",
)
_BACKLOG = columns(
    "lane=lane", "pending=pending_count", "held=held_count", "?oldest due=oldest_due_time"
)


@click.command(
    cls=Command,
    calls=["status.GetStatus", "status.GetTallies", "status.ListServiceStates"],
    examples=["status", "status --watch", "--district - status"],
)
@click.option("--watch", is_flag=True, help="Show it again every two seconds.")
@click.pass_obj
def status(session: Session, *, watch: bool) -> None:
    """Show the state of the service and what became of everything; of each district by -."""
    district_id = session.need_district()
    with session.client() as client:
        show = _show_all if district_id == "-" else _show_one
        session.repeat(lambda: show(session, client, district_id), watched=watch)


def _show_all(session: Session, client: Client, _district_id: str) -> None:
    request = status_service_pb2.ListServiceStatesRequest(district_id="-")
    pages = session.pages(client.status.ListServiceStates, request)
    session.output.rows([one for page in pages for one in page.states], _STATES, "districts")


def _show_one(session: Session, client: Client, district_id: str) -> None:
    state = client.status.GetStatus(
        status_service_pb2.GetStatusRequest(district_id=district_id)
    ).state
    tallies = client.status.GetTallies(
        status_service_pb2.GetTalliesRequest(district_id=district_id)
    ).tallies
    output = session.output
    if output.is_for_people:
        output.console.print(Group(*_parts(session, state, list(tallies))))
    else:
        output.rows([state, *tallies], (), "")


def _parts(
    session: Session, state: status_pb2.ServiceState, tallies: list[status_service_pb2.Tally]
) -> Iterator[RenderableType]:
    """Yield what is shown of a district, in the order in which people ask for it."""
    yield pairs(
        [
            ("District", Text(state.district_id)),
            ("Service Status", cell(values.text(*values.get(state, "service_status")))),
            ("Service Connectivity", cell(values.text(*values.get(state, "connectivity")))),
            ("Last minute", Text(rates_text(state.rates))),
            *(("Warning", Text(one.text, style="yellow")) for one in state.warnings),
        ]
    )
    for rows, shown in ((state.links, _LINKS), (state.backlog, _BACKLOG)):
        if rows:
            yield ""
            yield session.output.table(list(rows), shown)
    yield ""
    table = plain_table("kind", "changes", "deliveries", "not told")
    for tally in tallies:
        table.add_row(*_tally_row(tally))
    yield table


def rates_text(rates: status_pb2.Rates) -> str:
    """Return what happened in the last minute, a second."""
    return (
        f"{rates.change_rate:.1f} changes/s, {rates.attempt_rate:.1f} attempts/s, "
        f"{rates.acceptance_rate:.1f} accepted/s"
    )


def _tally_row(tally: status_service_pb2.Tally) -> Iterator[Text]:
    yield Text(values.text(*values.get(tally, "kind")))
    yield Text(str(tally.change_count))
    yield _counted(tally.deliveries, "state")
    yield _counted(tally.refusals, "reason")


def _counted(counts: Sequence[Any], what: str) -> Text:
    """Return a line for each count, the numbers one below the other."""
    width = max((len(str(one.count)) for one in counts), default=0)
    lines = [
        Text.assemble(f"{one.count:{width}} ", cell(values.text(*values.get(one, what))))
        for one in counts
    ]
    return Text("\n").join(lines)
