"""Why somebody was told, or was not."""

from __future__ import annotations

import click

from schoolbell.cli.session import Session
from schoolbell.v1 import change_service_pb2, common_pb2, explanation_pb2


@click.command()
@click.argument("source")
@click.argument("change_id")
@click.option("--user", "user_id", default="", help="Only this person.")
@click.option("--locale", default="", help="The language of the sentences.")
@click.option("--gates", is_flag=True, help="Show every gate, also those that let it through.")
@click.pass_obj
def explain(
    session: Session, *, source: str, change_id: str, user_id: str, locale: str, gates: bool
) -> None:
    """Explain who was told of a change, and why everybody else was not."""
    request = change_service_pb2.ExplainChangeRequest(
        district_id=session.need_district(),
        change_key=common_pb2.ChangeKey(source=source, change_id=change_id),
        user_id=user_id,
        locale=locale,
    )
    with session.client() as client:
        answer = client.changes.ExplainChange(request)
    if session.as_json:
        session.show(answer)
    else:
        click.echo("\n".join(lines(answer, gates=gates)))


def lines(answer: change_service_pb2.ExplainChangeResponse, *, gates: bool = False) -> list[str]:
    """Return an explanation as lines that can be read aloud."""
    found = [answer.summary]
    if gates:
        found += [f"  {_gate(row)}" for row in answer.gates]
    for recipient in answer.recipients:
        found.append(f"{recipient.user_id} ({recipient.relation_path or 'not related'}):")
        found.append(f"  {recipient.summary}")
        if gates:
            found += [f"    {_gate(row)}" for row in recipient.gates]
            for device in recipient.devices:
                found.append(f"    device {device.device_id}")
                found += [f"      {_gate(row)}" for row in device.gates]
    return found


def _gate(row: explanation_pb2.GateRow) -> str:
    name = common_pb2.Gate.Name(row.gate).removeprefix("GATE_").lower().replace("_", " ")
    verdict = explanation_pb2.Verdict.Name(row.verdict).removeprefix("VERDICT_").lower()
    facts = ", ".join(f"{fact.name}={fact.value}" for fact in row.facts)
    return f"{int(row.gate):>2} {name}: {verdict.replace('_', ' ')} ({facts})"
