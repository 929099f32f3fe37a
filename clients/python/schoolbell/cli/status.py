"""The state of the service, and the tallies."""

from __future__ import annotations

import click

from schoolbell.cli.printing import say
from schoolbell.cli.session import Session
from schoolbell.v1 import common_pb2, delivery_pb2, status_pb2, status_service_pb2


@click.command()
@click.pass_obj
def status(session: Session) -> None:
    """Show the state of the service and what became of everything."""
    district_id = session.need_district()
    with session.client() as client:
        state = client.status.GetStatus(
            status_service_pb2.GetStatusRequest(district_id=district_id)
        ).state
        tallies = client.status.GetTallies(
            status_service_pb2.GetTalliesRequest(district_id=district_id)
        )
    if session.as_json:
        session.show_rows([state, *tallies.tallies], (), ())
        return
    _show_state(state)
    rows = [_tally_row(tally) for tally in tallies.tallies]
    session.show_rows(tallies.tallies, ("kind", "changes", "deliveries", "not told"), rows)


def _show_state(state: status_pb2.ServiceState) -> None:
    active = status_pb2.ServiceStatus.Name(state.service_status).removeprefix("SERVICE_STATUS_")
    connected = status_pb2.Connectivity.Name(state.connectivity).removeprefix("CONNECTIVITY_")
    say(f"{state.district_id}: Service Status {active}, Service Connectivity {connected}")
    for warning in state.warnings:
        say(f"  warning: {warning.text}")


def _tally_row(tally: status_service_pb2.Tally) -> tuple[str, int, str, str]:
    states = ", ".join(
        f"{one.count} {delivery_pb2.DeliveryState.Name(one.state).removeprefix('DELIVERY_STATE_')}"
        for one in tally.deliveries
    )
    refusals = ", ".join(
        f"{one.count} {common_pb2.RefusalReason.Name(one.reason).removeprefix('REFUSAL_REASON_')}"
        for one in tally.refusals
    )
    kind = common_pb2.Kind.Name(tally.kind).removeprefix("KIND_")
    return kind, tally.change_count, states, refusals
