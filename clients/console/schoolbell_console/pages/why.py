"""Why? A person's changes, and for each the rules that it met: then, and now."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from schoolbell.v1 import change_pb2, common_pb2, delivery_pb2, explanation_pb2
from schoolbell.v1 import change_service_pb2 as changes
from schoolbell.v1.roster_service_pb2 import GetUserRequest
from schoolbell_console import people
from schoolbell_console.districts import in_district
from schoolbell_console.showing import name_of
from schoolbell_console.visit import Visit
from schoolbell_console.wording import kind_of, line_of

_PAGE = 20
_MOST_STUDENTS = 100
_KNOWN = (  # what stands now because the change itself is known: of use only where nothing else is
    common_pb2.REFUSAL_REASON_UNCHANGED,
    common_pb2.REFUSAL_REASON_ALREADY_TOLD,
    common_pb2.REFUSAL_REASON_OLDER_THAN_KNOWN,
)


@dataclass(frozen=True, slots=True)
class Listed:
    """A change in the list of a person."""

    record: change_pb2.ChangeRecord
    line: str
    kind: common_pb2.Kind.ValueType
    told: bool
    reason: common_pb2.RefusalReason.ValueType


async def ask(visit: Visit) -> web.StreamResponse:
    """Ask for a person, and show who was found."""
    return visit.page("why.html", **await people.found(visit))


async def search(visit: Visit) -> web.StreamResponse:
    """Search for a person."""
    return await people.search(visit, "why")


async def person(visit: Visit) -> web.StreamResponse:
    """Show a person with what was published about them, or about their children."""
    person_id = visit.query.get("id", "")
    answer, student = await asyncio.gather(
        visit.client.roster.GetUser(
            GetUserRequest(district_id=visit.district_id, user_id=person_id)
        ),
        people.student(visit, person_id),
    )
    children = [one.student_id for one in answer.relationships]
    about = [*([person_id] if student else []), *children][:_MOST_STUDENTS]
    listed, next_page = await _listed(visit, person_id, about)
    related = student.relationships if student else answer.relationships
    others = [one.guardian_id if student else one.student_id for one in related]
    return visit.page(
        "why_person.html",
        names=await people.names(visit, others),
        person=answer.user,
        name=name_of(answer.user),
        student=student,
        relationships=list(answer.relationships),
        listed=listed,
        next_page=next_page,
        chosen=visit.query.get("kind", ""),
        kinds=common_pb2.Kind.values()[1:],
        Kind=common_pb2.Kind,
        Reason=common_pb2.RefusalReason,
    )


async def _listed(visit: Visit, person_id: str, about: Sequence[str]) -> tuple[list[Listed], str]:
    """Return a page of changes about some students, with what was decided for a person."""
    if not about:
        return [], ""
    kind = visit.query.get("kind", "")
    kinds = [common_pb2.Kind.ValueType(int(kind))] if kind.isdecimal() and len(kind) < 3 else []
    answer = await visit.client.changes.ListChanges(
        changes.ListChangesRequest(
            district_id=visit.district_id,
            filter=change_pb2.ChangeFilter(student_ids=about, kinds=kinds),
            page_size=_PAGE,
            page_token=visit.query.get("page", ""),
        )
    )
    decisions = await _decisions(visit, person_id, [one.change.key for one in answer.records])
    return [_one(visit, record, decisions) for record in answer.records], answer.next_page_token


async def _decisions(
    visit: Visit, person_id: str, keys: Sequence[common_pb2.ChangeKey]
) -> dict[tuple[str, str], list[explanation_pb2.Decision]]:
    """Return what was decided for a person, by change."""
    found: dict[tuple[str, str], list[explanation_pb2.Decision]] = {}
    if not keys:
        return found
    answer = await visit.client.changes.ListDecisions(
        changes.ListDecisionsRequest(
            district_id=visit.district_id,
            filter=changes.DecisionFilter(user_ids=[person_id], change_keys=keys),
            page_size=1000,
        )
    )
    for decision in answer.decisions:
        key = decision.change_key
        found.setdefault((key.source, key.change_id), []).append(decision)
    return found


def _one(visit: Visit, record: change_pb2.ChangeRecord, decisions: Any) -> Listed:
    key = record.change.key
    decided = decisions.get((key.source, key.change_id), [])
    reasons = [one.recorded.reason for one in decided if one.recorded.reason]
    whole = [one.reason for one in record.refusals if one.scope == common_pb2.GATE_SCOPE_CHANGE]
    return Listed(
        record=record,
        line=line_of(record.change, visit.words),
        kind=kind_of(record.change),
        told=any(one.delivery_id for one in decided),
        reason=next(iter(reasons + whole), common_pb2.REFUSAL_REASON_UNSPECIFIED),
    )


async def change(visit: Visit) -> web.StreamResponse:
    """Explain one change, for everybody or for one person."""
    query = visit.query
    answer = await visit.client.changes.ExplainChange(
        changes.ExplainChangeRequest(
            district_id=visit.district_id,
            change_key=common_pb2.ChangeKey(
                source=query.get("source", ""), change_id=query.get("id", "")
            ),
            user_id=query.get("person", ""),
            locale=visit.words.language,
        )
    )
    involved = [answer.record.change.student_id, *(one.user_id for one in answer.recipients)]
    return visit.page(
        "why_change.html",
        names=await people.names(visit, involved),
        answer=answer,
        change=answer.record.change,
        kind=kind_of(answer.record.change),
        line=line_of(answer.record.change, visit.words),
        only=query.get("person", ""),
        then=then,
        advice=advice,
        Kind=common_pb2.Kind,
        Gate=common_pb2.Gate,
        Reason=common_pb2.RefusalReason,
        Verdict=explanation_pb2.Verdict,
        App=common_pb2.AppType,
        State=delivery_pb2.DeliveryState,
        Outcome=delivery_pb2.Outcome,
    )


def then(
    rows: Sequence[explanation_pb2.GateRow],
    recorded: explanation_pb2.RecordedDecision | None,
    *,
    asked: bool,
) -> list[str]:
    """Return what each gate said then: `passed`, `failed` or `not-asked`.

    Only the first that failed is recorded, so those before it had passed, and none was asked after.
    """
    if not asked:
        return ["not-asked"] * len(rows)
    stopped = recorded.gate if recorded is not None else common_pb2.GATE_UNSPECIFIED
    gates = [row.gate for row in rows]
    if stopped not in gates:
        return ["passed"] * len(rows)
    at = gates.index(stopped)
    return ["passed"] * at + ["failed"] + ["not-asked"] * (len(rows) - at - 1)


def advice(answer: changes.ExplainChangeResponse) -> list[common_pb2.RefusalReason.ValueType]:
    """Return the reasons that stand now, each once, for those who were not told."""
    untold = [one for one in answer.recipients if not _is_told(one)]
    rows = list(answer.gates) if untold or not answer.recipients else []
    for recipient in untold:
        rows += recipient.gates
        for device in recipient.devices:
            rows += device.gates
    failed = (row.reason for row in rows if row.verdict == explanation_pb2.VERDICT_FAILED)
    reasons = list(dict.fromkeys(reason for reason in failed if reason))
    return [one for one in reasons if one not in _KNOWN] or reasons


def _is_told(recipient: explanation_pb2.ExplainedRecipient) -> bool:
    return any(device.HasField("delivery") for device in recipient.devices)


ROUTES = [
    web.get("/d/{district}/why", in_district(ask, "why")),
    web.post("/d/{district}/why", in_district(search, "why")),
    web.get("/d/{district}/why/person", in_district(person, "why")),
    web.get("/d/{district}/why/change", in_district(change, "why")),
]
