"""Gather all that an explanation looks at: what was recorded then, and the facts of now."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace

from sqlalchemy.ext.asyncio import AsyncConnection

from schoolbell_server.acceptance import refusals
from schoolbell_server.acceptance.submission import Submitted
from schoolbell_server.contract.changes import parse_change
from schoolbell_server.domain.change import Change, ChangeKey
from schoolbell_server.domain.decision import DecisionRecord
from schoolbell_server.domain.delivery import Delivery
from schoolbell_server.domain.fact import FactKey, FactState
from schoolbell_server.domain.fact_keys import all_keys
from schoolbell_server.domain.world import World
from schoolbell_server.servicers.change.readers import no_change
from schoolbell_server.servicers.common.not_found import no_device, no_district, no_user
from schoolbell_storage import status_log
from schoolbell_storage.changes import ChangeRow, fetch_changes
from schoolbell_storage.decision_records import decode_record
from schoolbell_storage.deliveries import fact_deliveries
from schoolbell_storage.delivery_queries import DeliveryQuery, list_deliveries
from schoolbell_storage.devices import owner_of
from schoolbell_storage.fact_documents import decode_state
from schoolbell_storage.facts import read_facts
from schoolbell_storage.provenance import Provenance, ProvenanceQuery, fetch_provenance
from schoolbell_storage.roster import StoredRelationship, get_student
from schoolbell_storage.world import Apps, fetch_users, fetch_world

_ALL = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is to be explained, to whom it is narrowed, and when it was asked."""

    district_id: str
    subject: ChangeKey | Submitted
    """An accepted change, or one that might be published."""
    user_id: str
    device_id: str
    now: dt.datetime
    replay: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """An accepted change, with what was decided and what became of it."""

    row: ChangeRow
    record: DecisionRecord
    deliveries: Mapping[str, Delivery]
    """By device_id."""
    store_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Gathered:
    """Everything that the answer is made of."""

    change: Change
    stored: Accepted | None
    world: World
    """`users` has whoever is asked about without being related today."""
    states: Mapping[FactKey, FactState]
    fact_deliveries: Collection[Delivery]
    provenance: Mapping[str, Provenance]
    """By the student whom the change is about."""
    relationships: Mapping[tuple[str, str], StoredRelationship]
    """By (student_id, guardian_id), also those that have ended."""
    user_id: str
    """The only person to explain: the named one, or the named device's owner; '' is everybody."""


async def gather(connection: AsyncConnection, question: Question, apps: Apps) -> Gathered:
    """Return what a question is about; raise NOT_FOUND for what is not there.

    A change that might be published is refused as publishing it would be.
    """
    stored = await _stored(connection, question)
    change = _change(question, stored)
    calendars = [change.calendar_id] if change.calendar_id else []
    students = change.student_ids
    world = await fetch_world(connection, question.district_id, students, calendars, apps)
    _check(question, world)
    if world is None:
        raise no_district(question.district_id)
    user_id = await _person(connection, question)
    named = {user_id} if user_id else _recorded(stored)
    related = set(_related(world, change))
    others = await fetch_users(connection, question.district_id, named - related, students)
    if user_id and user_id not in related and user_id not in others:
        raise no_user(user_id)
    names = {(question.district_id, key) for key in all_keys(change)}
    states = await read_facts(connection, names)
    return Gathered(
        change=change,
        stored=stored,
        world=replace(world, users=others),
        states={key: decode_state(text) for (_, key), text in states.items()},
        fact_deliveries=await fact_deliveries(connection, names, lock=False),
        provenance={
            student_id: await fetch_provenance(
                connection,
                ProvenanceQuery(
                    district_id=question.district_id,
                    student_id=student_id,
                    kind=change.kind,
                    calendar_ids=world.calendars.keys(),
                    user_ids=related | others.keys(),
                ),
            )
            for student_id in students
        },
        relationships=await _relationships(connection, question.district_id, students),
        user_id=user_id,
    )


async def _relationships(
    connection: AsyncConnection, district_id: str, students: Iterable[str]
) -> dict[tuple[str, str], StoredRelationship]:
    found = [await get_student(connection, district_id, student_id) for student_id in students]
    return {
        (relationship.record.student_id, relationship.record.guardian_id): relationship
        for student in found
        if student is not None
        for relationship in student.relationships
    }


def _change(question: Question, stored: Accepted | None) -> Change:
    if isinstance(question.subject, Submitted):
        return question.subject.change
    assert stored is not None, "a key that names nothing was refused"
    return parse_change(stored.row.content)


async def _stored(connection: AsyncConnection, question: Question) -> Accepted | None:
    key = question.subject
    if isinstance(key, Submitted):
        return None
    position = await status_log.position(connection)
    row = (await fetch_changes(connection, [(question.district_id, key)])).get(
        (question.district_id, key)
    )
    if row is None:
        raise no_change(key)
    query = DeliveryQuery(district_ids=[question.district_id], keys=[key], limit=_ALL)
    deliveries = await list_deliveries(connection, query)
    return Accepted(
        row=row,
        record=decode_record(row.decision),
        deliveries={one.device_id: one for one in deliveries},
        store_id=position.store_id,
    )


def _check(question: Question, world: World | None) -> None:
    if isinstance(question.subject, Submitted):
        refused = refusals.of_world(
            question.district_id,
            question.subject,
            world,
            question.now,
            replay=question.replay,
            prefix="change.",
        )
        if refused is not None:
            raise refused.error


async def _person(connection: AsyncConnection, question: Question) -> str:
    """Return the only person to explain; a device leads to its owner."""
    if not question.device_id:
        return question.user_id
    owner = await owner_of(connection, question.district_id, question.device_id)
    if owner is None or question.user_id not in ("", owner):
        raise no_device(question.device_id)
    return owner


def _related(world: World, change: Change) -> Iterable[str]:
    for student in map(world.students.get, change.student_ids):
        if student is not None:
            yield student.student.user_id
            for relationship in student.relationships:
                yield relationship.guardian.user_id


def _recorded(stored: Accepted | None) -> set[str]:
    """Return who was decided on then: they are explained also where nothing relates them now."""
    if stored is None:
        return set()
    return {recipient.user_id for recipient in stored.record.decision.recipients}
