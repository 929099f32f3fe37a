"""Watch deliveries as they happen."""

from __future__ import annotations

from collections import Counter

import click
from rich.live import Live
from rich.table import Table
from rich.text import Text

from schoolbell.cli.printing import escape
from schoolbell.cli.session import Session, to_json
from schoolbell.v1 import common_pb2, delivery_pb2, status_pb2, status_service_pb2

_SHOWN = 15


@click.command()
@click.option("--resume-token", default="", help="Go on behind this position.")
@click.pass_obj
def watch(session: Session, *, resume_token: str) -> None:
    """Show what changes, until Ctrl-C; after a break it resumes by itself."""
    request = status_service_pb2.WatchStatusRequest(
        district_id=session.need_district(), resume_token=resume_token
    )
    try:
        with session.client() as client:
            responses = client.watch(request)
            if session.as_json:
                for response in responses:
                    click.echo(to_json(response, indent=None))
                return
            board = Board()
            with Live(board.table(), console=session.console, refresh_per_second=8) as live:
                for response in responses:
                    board.take(response)
                    live.update(board.table())
    except KeyboardInterrupt:
        pass


class Board:
    """The latest deliveries and how many stand in each state."""

    def __init__(self) -> None:
        self._states: dict[str, int] = {}
        self._revisions: dict[str, int] = {}
        self._latest: list[delivery_pb2.Delivery] = []
        self._service = ""

    def take(self, response: status_service_pb2.WatchStatusResponse) -> None:
        """Take in what changed; a snapshot that is not newer is dropped."""
        for state in response.states:
            self._service = status_pb2.ServiceStatus.Name(state.service_status).removeprefix(
                "SERVICE_STATUS_"
            )
        for delivery in response.deliveries:
            if delivery.revision > self._revisions.get(delivery.delivery_id, 0):
                self._revisions[delivery.delivery_id] = delivery.revision
                self._states[delivery.delivery_id] = delivery.state
                self._latest.append(delivery)
        del self._latest[:-_SHOWN]

    def counts(self) -> Counter[str]:
        """Return how many deliveries stand in each state."""
        return Counter(state_name(state) for state in self._states.values())

    def table(self) -> Table:
        """Return the board as a table."""
        totals = ", ".join(f"{count} {name}" for name, count in sorted(self.counts().items()))
        table = Table("delivery", "user", "kind", "state", title=f"{self._service}  {totals}")
        for one in self._latest:
            table.add_row(
                one.delivery_id[:8],
                Text(escape(one.user_id)),
                kind_name(one.kind),
                state_name(one.state),
            )
        return table


def kind_name(kind: common_pb2.Kind.ValueType) -> str:
    """Return a kind's name without its prefix."""
    return common_pb2.Kind.Name(kind).removeprefix("KIND_")


def state_name(state: int) -> str:
    """Return a state's name without its prefix."""
    name = delivery_pb2.DeliveryState.Name(delivery_pb2.DeliveryState.ValueType(state))
    return name.removeprefix("DELIVERY_STATE_")
