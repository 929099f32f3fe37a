"""Why somebody was told, or was not."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import click
from google.protobuf import json_format
from google.protobuf.timestamp_pb2 import Timestamp

from schoolbell.cli.printing import say
from schoolbell.cli.session import Session
from schoolbell.v1 import (
    change_pb2,
    change_service_pb2,
    common_pb2,
    delivery_pb2,
    explanation_pb2,
)


@click.command()
@click.argument("source", default="")
@click.argument("change_id", default="")
@click.option(
    "--change",
    "file",
    type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path),
    help="Explain a change that might be published instead: its JSON, in a file or - for stdin.",
)
@click.option("--user", "user_id", default="", help="Only this person.")
@click.option("--device", "device_id", default="", help="Only this device.")
@click.option("--locale", default="", help="The language of the sentences.")
@click.option("--gates", is_flag=True, help="Show every gate with its facts, and every attempt.")
@click.pass_obj
def explain(
    session: Session,
    *,
    source: str,
    change_id: str,
    file: Path | None,
    user_id: str,
    device_id: str,
    locale: str,
    gates: bool,
) -> None:
    """Explain who was told of a change, or would be, and why everybody else is not."""
    named = bool(source) + bool(change_id)
    if named != (2 if file is None else 0):
        raise click.UsageError("name a change by SOURCE and CHANGE_ID, or give one by --change")
    request = change_service_pb2.ExplainChangeRequest(
        district_id=session.need_district(), user_id=user_id, device_id=device_id, locale=locale
    )
    if file is None:
        request.change_key.source, request.change_key.change_id = source, change_id
    else:
        request.change.CopyFrom(_read_change(file))
    with session.client() as client:
        answer = client.changes.ExplainChange(request)
    if session.as_json:
        session.show(answer)
    else:
        for line in lines(answer, gates=gates):
            say(line)


def _read_change(file: Path) -> change_pb2.Change:
    with click.open_file(str(file), encoding="utf-8") as opened:
        try:
            return json_format.Parse(opened.read(), change_pb2.Change())
        except json_format.ParseError as error:
            raise click.ClickException(f"{file} holds no change: {error}") from None


def lines(answer: change_service_pb2.ExplainChangeResponse, *, gates: bool = False) -> list[str]:
    """Return an explanation as lines that can be read aloud."""
    found = [answer.summary]
    if gates:
        if answer.HasField("recorded"):
            found.append(f"  then: {_recorded(answer.recorded)}")
        found += _gates(answer.gates, "  ")
    for recipient in answer.recipients:
        found.append(f"{recipient.user_id} ({_relation(recipient)}):")
        found.append(f"  {recipient.summary}")
        if gates:
            found += _details(recipient)
    return found


def _relation(recipient: explanation_pb2.ExplainedRecipient) -> str:
    """Return how a person belongs to the student."""
    if recipient.is_student:
        return "the student"
    if not recipient.HasField("relationship"):
        return "not related"
    related = recipient.relationship
    return f"{related.relation or 'guardian'} of {related.student_id}"


def _details(recipient: explanation_pb2.ExplainedRecipient) -> Iterator[str]:
    if recipient.HasField("recorded"):
        yield f"  then: {_recorded(recipient.recorded)}"
    yield from _gates(recipient.gates, "  ")
    for device in recipient.devices:
        yield f"  device {device.device_id}"
        if device.HasField("recorded"):
            yield f"    then: {_recorded(device.recorded)}"
        if device.HasField("delivery"):
            yield from _delivery(device.delivery)
        yield from _gates(device.gates, "    ")


def _recorded(recorded: explanation_pb2.RecordedDecision) -> str:
    said = "told"
    if recorded.gate:
        reason = _word(common_pb2.RefusalReason.Name(recorded.reason), "REFUSAL_REASON_")
        said = f"not told, {_gate_name(recorded.gate)}, {reason}"
        said += f" ({recorded.value})" if recorded.value else ""
    return f"{said}; facts version {recorded.facts_version}, {_time(recorded.decide_time)}"


def _delivery(delivery: delivery_pb2.Delivery) -> Iterator[str]:
    state = _word(delivery_pb2.DeliveryState.Name(delivery.state), "DELIVERY_STATE_")
    yield f"    delivery {delivery.delivery_id}: {state}"
    for attempt in delivery.attempts:
        outcome = _word(delivery_pb2.Outcome.Name(attempt.outcome), "OUTCOME_")
        reason = f" ({attempt.provider_reason})" if attempt.provider_reason else ""
        yield f"      attempt {attempt.number}: {outcome}{reason}, {_time(attempt.end_time)}"


def _gates(rows: Iterable[explanation_pb2.GateRow], indent: str) -> Iterator[str]:
    """Yield a line for every gate, and under it one for every fact that it sees."""
    for row in rows:
        verdict = _word(explanation_pb2.Verdict.Name(row.verdict), "VERDICT_")
        reason = _word(common_pb2.RefusalReason.Name(row.reason), "REFUSAL_REASON_")
        why = f", {reason}" if row.reason else ""
        yield f"{indent}now: {_gate_name(row.gate)}: {verdict}{why}"
        for fact in row.facts:
            yield f"{indent}  {fact.name} = {fact.value or '-'} [{_origin(fact)}]"


def _origin(fact: explanation_pb2.GateFact) -> str:
    when = _time(fact.update_time) if fact.HasField("update_time") else ""
    return ", ".join(part for part in (fact.source, when) if part)


def _gate_name(gate: common_pb2.Gate.ValueType) -> str:
    return f"gate {int(gate)} {_word(common_pb2.Gate.Name(gate), 'GATE_')}"


def _word(name: str, prefix: str) -> str:
    return name.removeprefix(prefix).lower().replace("_", " ")


def _time(time: Timestamp) -> str:
    return time.ToJsonString()
