"""Watch deliveries as they happen: one row a delivery, which changes in place."""

from __future__ import annotations

from collections import Counter, OrderedDict
from typing import Any

import click
from rich.console import Group, RenderableType
from rich.live import Live
from rich.text import Text

from schoolbell.cli import values
from schoolbell.cli.choosing import KIND
from schoolbell.cli.deliveries import why
from schoolbell.cli.output import Form, Output, cell, columns
from schoolbell.cli.printing import say
from schoolbell.cli.session import Session
from schoolbell.cli.shared import Command
from schoolbell.cli.status import rates_text
from schoolbell.v1 import delivery_pb2, status_pb2, status_service_pb2

_SHOWN = 15
_HEAD = 5  # lines above and around the rows
_REMEMBERED = 100_000  # deliveries
_ROWS = columns(
    ("time", lambda one: values.time_text(one.update_time)[-8:]),
    "student=student_id",
    "user=user_id",
    "kind=kind",
    "provider=provider",
    "state=state",
    ("?why", why),
    "?attempts=attempt_count",
    "+delivery=delivery_id",
)


@click.command(
    cls=Command,
    calls=["status.WatchStatus"],
    examples=["watch", "watch --kind attendance --school maple-high", "--json watch"],
)
@click.option("--resume-token", default="", help="Go on behind this position.")
@click.option("--kind", "kinds", multiple=True, type=KIND, help="Only of this kind; repeat.")
@click.option("--student", "student_ids", multiple=True, help="Only of this student; repeat.")
@click.option("--user", "user_ids", multiple=True, help="Only to this person; repeat.")
@click.option("--school", "school_ids", multiple=True, help="Only of this school; repeat.")
@click.option("--source", "sources", multiple=True, help="Only of this source; repeat.")
@click.pass_obj
def watch(session: Session, /, *, resume_token: str, **chosen: Any) -> None:
    """Show what changes, until Ctrl-C; after a break it resumes by itself.

    On a terminal it is a table, one row a delivery; into a pipe one line a change.
    """
    request = status_service_pb2.WatchStatusRequest(
        district_id=session.need_district(),
        resume_token=resume_token,
        delivery_filter=delivery_pb2.DeliveryFilter(**chosen),
    )
    output = session.output
    with session.client() as client:
        responses = client.watch(request)
        if not output.is_for_people:
            for response in responses:
                output.message(response)
        elif not output.console.is_terminal:
            for response in responses:
                for one in response.deliveries:
                    say("  ".join(column.cell(one).plain for column in _ROWS))
        else:
            board = Board(output)
            with Live(board.table(), console=output.console, refresh_per_second=8) as live:
                for response in responses:
                    board.take(response)
                    live.update(board.table())


class Board:
    """The latest deliveries, and how many stand in each state."""

    def __init__(self, output: Output | None = None) -> None:
        self._output = output or Output(Form.TABLE)
        self._known: OrderedDict[str, tuple[int, int]] = OrderedDict()
        self._counts: Counter[int] = Counter()
        self._latest: OrderedDict[str, delivery_pb2.Delivery] = OrderedDict()
        self._state = status_pb2.ServiceState()

    def take(self, response: status_service_pb2.WatchStatusResponse) -> None:
        """Take in what changed; a snapshot that is not newer is dropped."""
        for state in response.states:
            self._state = state
        for delivery in response.deliveries:
            revision, state_before = self._known.get(delivery.delivery_id, (0, 0))
            if delivery.revision <= revision:
                continue
            self._counts[state_before] -= 1 if revision else 0
            self._counts[delivery.state] += 1
            self._known[delivery.delivery_id] = delivery.revision, delivery.state
            self._latest[delivery.delivery_id] = delivery  # a known one keeps its row
        while len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)
        while len(self._latest) > self._room():
            self._latest.popitem(last=False)

    def counts(self) -> Counter[str]:
        """Return how many deliveries stand in each state."""
        found = {state_name(state): count for state, count in self._counts.items() if count > 0}
        return Counter(found)

    def table(self) -> RenderableType:
        """Return the board: state, rates and totals above, and a row for each delivery."""
        counts = sorted(self.counts().items())
        totals = [Text.assemble(f"{count} ", cell(name)) for name, count in counts]
        status = cell(values.text(*values.get(self._state, "service_status")) or "…")
        connectivity = cell(values.text(*values.get(self._state, "connectivity")))
        head = Text("  ").join([Text(self._state.district_id, style="bold"), status, connectivity])
        return Group(
            head,
            Text(rates_text(self._state.rates)),
            Text("  ").join(totals) if totals else Text("no deliveries yet"),
            "",
            self._output.table(list(self._latest.values()), _ROWS),
        )

    def _room(self) -> int:
        """Return how many rows there is room for."""
        console = self._output.console
        return max(1, console.height - _HEAD - 1) if console.is_terminal else _SHOWN


def state_name(state: int) -> str:
    """Return a state's name without its prefix."""
    return values.member_name(delivery_pb2.DeliveryState.DESCRIPTOR, state)
