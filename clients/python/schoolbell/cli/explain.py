"""Why somebody was told, or was not."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import click
from google.protobuf.message import Message

from schoolbell.blocking import Client
from schoolbell.cli import values
from schoolbell.cli.failing import Failed
from schoolbell.cli.output import to_data
from schoolbell.cli.reading import FILE, read_message
from schoolbell.cli.session import Session
from schoolbell.cli.shared import Command
from schoolbell.v1 import change_service_pb2, delivery_pb2, explanation_pb2
from schoolbell.v1.common_pb2 import ChangeKey


@click.command(
    cls=Command,
    calls=["changes.ExplainChange", "changes.ListDecisions"],
    examples=[
        "explain --user g5001  # the newest that was decided about this person",
        "explain sis grade-88123 --user g5001",
        "explain --change change.json --gates",
        "explain sis grade-88123 --locale es",
    ],
)
@click.argument("source", default="")
@click.argument("change_id", default="")
@click.option(
    "--change",
    "file",
    type=FILE,
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
    """Explain who was told of a change, or would be, and why everybody else is not.

    With --user alone it is the newest change about which something was decided for this person.
    """
    named, newest = bool(source) + bool(change_id), bool(user_id) and file is None
    if named != (2 if file is None else 0) and not (newest and not named):
        raise click.UsageError(
            "name a change by SOURCE and CHANGE_ID, give one by --change, or a person by --user"
        )
    request = change_service_pb2.ExplainChangeRequest(
        district_id=session.need_district(), user_id=user_id, device_id=device_id, locale=locale
    )
    if file is None:
        request.change_key.source, request.change_key.change_id = source, change_id
    else:
        read_message(file, request.change)
    with session.client() as client:
        if file is None and not named:
            request.change_key.CopyFrom(_newest(session, client, user_id))
        answer = client.changes.ExplainChange(request)
    if session.output.is_for_people:
        for line in lines(answer, gates=gates):
            session.output.line(line)
    else:
        session.output.message(answer)


def _newest(session: Session, client: Client, user_id: str) -> ChangeKey:
    """Return the change of a person's newest decision, and say on stderr which it is."""
    found = client.changes.ListDecisions(
        change_service_pb2.ListDecisionsRequest(
            district_id=session.need_district(),
            filter=change_service_pb2.DecisionFilter(user_ids=[user_id]),
            page_size=1,
        )
    )
    if not found.decisions:
        raise Failed(
            f"nothing was decided about {user_id!r}: look for the account and whom it is related"
            f" to (schoolbell users get {user_id}), or name a change",
            code=Failed.MISSING,
        )
    key = found.decisions[0].change_key
    session.output.note(
        f"The newest about {user_id}: {key.source} {key.change_id}", change=to_data(key)
    )
    return key


def lines(answer: change_service_pb2.ExplainChangeResponse, *, gates: bool = False) -> list[str]:
    """Return an explanation as lines that can be read aloud.

    The sentences are the service's, in the language that was asked for; what stands around them is
    ids and the names of the contract, so that no two languages mix.
    """
    found = [answer.summary]
    if gates:
        found += _recorded(answer, "  ")
        found += _gates(answer.gates, "  ")
    for recipient in answer.recipients:
        found.append(f"{_named(recipient)}:")
        found.append(f"  {recipient.summary}")
        if gates:
            found += _details(recipient)
    return found


def _named(recipient: explanation_pb2.ExplainedRecipient) -> str:
    """Return a person, and the student to whom they are related, in the roster's own words."""
    if recipient.is_student or not recipient.HasField("relationship"):
        return recipient.user_id
    related = recipient.relationship
    relation = f" ({related.relation})" if related.relation else ""
    return f"{recipient.user_id}{relation} → {related.student_id}"


def _details(recipient: explanation_pb2.ExplainedRecipient) -> Iterator[str]:
    yield from _recorded(recipient, "  ")
    yield from _gates(recipient.gates, "  ")
    for device in recipient.devices:
        yield f"  device_id {device.device_id}"
        yield from _recorded(device, "    ")
        if device.HasField("delivery"):
            yield from _delivery(device.delivery)
        yield from _gates(device.gates, "    ")


def _recorded(one: Any, indent: str) -> Iterator[str]:
    """Yield what was recorded of a change, a person or a device, if anything was."""
    if not one.HasField("recorded"):
        return
    recorded = one.recorded
    verdict = "FAILED" if recorded.gate else "PASSED"
    value = f" ({recorded.value})" if recorded.value else ""
    why = " ".join(part for part in (_gate(recorded), _word(recorded, "reason")) if part)
    told = f"{verdict} {why}".strip() + value
    version = f"facts_version {recorded.facts_version}"
    yield f"{indent}recorded: {told} [{version}, {values.time_text(recorded.decide_time)}]"


def _delivery(delivery: delivery_pb2.Delivery) -> Iterator[str]:
    yield f"    delivery_id {delivery.delivery_id}: {_word(delivery, 'state')}"
    for one in delivery.attempts:
        reason = f" ({one.provider_reason})" if one.provider_reason else ""
        time = values.time_text(one.end_time)
        yield f"      attempt {one.number}: {_word(one, 'outcome')}{reason} [{time}]"


def _gates(rows: Iterable[explanation_pb2.GateRow], indent: str) -> Iterator[str]:
    """Yield a line for every gate, and under it one for every fact that it sees."""
    for row in rows:
        told = " ".join(part for part in (_word(row, "verdict"), _word(row, "reason")) if part)
        yield f"{indent}gate {_gate(row)}: {told}"
        for fact in row.facts:
            yield f"{indent}  {fact.name} = {fact.value or '-'} [{_origin(fact)}]"


def _origin(fact: explanation_pb2.GateFact) -> str:
    when = values.time_text(fact.update_time) if fact.HasField("update_time") else ""
    return ", ".join(part for part in (fact.source, when) if part)


def _gate(one: Any) -> str:
    return f"{one.gate} {_word(one, 'gate')}" if one.gate else ""


def _word(message: Message, field: str) -> str:
    return values.text(*values.get(message, field))
