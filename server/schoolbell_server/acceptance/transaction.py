"""Accept, fold, decide and write the deliveries of a group of changes: one transaction.

Locks are taken in one order everywhere: change keys, facts, devices, deliveries, districts,
tallies, revision; each sorted. What is refused leaves no trace: its key is given back in the same
transaction.
"""

from __future__ import annotations

import datetime as dt
import secrets
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from sqlalchemy.ext.asyncio import AsyncConnection

from schoolbell.v1.change_pb2 import ChangeSummary
from schoolbell_server.acceptance import refusals
from schoolbell_server.acceptance.planned_rows import Leasing, PlannedRows, unleased
from schoolbell_server.acceptance.submission import (
    Accepted,
    Answer,
    Duplicate,
    Submission,
    Submitted,
)
from schoolbell_server.contract.change_records import write_change_summary
from schoolbell_server.contract.resume_tokens import ResumeToken, write_token
from schoolbell_server.domain import acceptance, timing
from schoolbell_server.domain.acceptance import Plan, Received
from schoolbell_server.domain.change import Change, ChangeKey
from schoolbell_server.domain.decision import Decision, DecisionRecord, count_refusals
from schoolbell_server.domain.delivery import Delivery
from schoolbell_server.domain.fact_keys import all_keys
from schoolbell_server.domain.kinds import Kind
from schoolbell_server.domain.transitions import SUPERSEDED, stop
from schoolbell_server.domain.world import World
from schoolbell_server.status import journal
from schoolbell_storage import changes as change_store
from schoolbell_storage import deliveries as delivery_store
from schoolbell_storage import facts as fact_store
from schoolbell_storage import status_log
from schoolbell_storage.changes import CHANGES_TALLY, ChangeRow, KeyClaim
from schoolbell_storage.decision_records import encode_record
from schoolbell_storage.fact_documents import decode_state, encode_state
from schoolbell_storage.status_log import LogPosition
from schoolbell_storage.world import Apps
from schoolbell_storage.world_cache import WorldCache

Name = tuple[str, ChangeKey]
_VARIANTS = "89ab"
"""The variant of RFC 9562 and two bits, as a digit."""


@dataclass(slots=True)
class _Group:
    """One transaction's changes: what is still to be answered, and what was."""

    now: dt.datetime
    position: LogPosition
    answers: list[list[Answer | None]]
    leasing: Leasing
    token: str
    """Lies before everything that the transaction writes."""
    pending: dict[Name, tuple[int, int]] = field(default_factory=dict)
    """Where the answer of a key belongs: (submission, index)."""
    again: list[tuple[Submitted, tuple[int, int], Submitted, tuple[int, int]]] = field(
        default_factory=list
    )
    """Changes whose key the group holds before them: each with its first."""

    def answer(self, where: tuple[int, int], answer: Answer) -> None:
        """Answer the change at a place."""
        self.answers[where[0]][where[1]] = answer

    def answer_repeated(self) -> None:
        """Answer the changes that repeat a key of their own group as their first was answered."""
        for first, first_at, repeated, where in self.again:
            answer = self.answers[first_at[0]][first_at[1]]
            if repeated.fingerprint != first.fingerprint:
                self.answer(where, refusals.reused(repeated.change.key))
            elif isinstance(answer, Accepted):
                self.answer(where, Duplicate(answer.resume_token, answer.delivery_count))
            elif answer is not None:
                self.answer(where, answer)


@dataclass(slots=True)
class Written:
    """What a transaction wrote, to be logged and counted once it is committed."""

    deliveries: list[Delivery] = field(default_factory=list)
    cancelled: list[Delivery] = field(default_factory=list)
    changes: list[ChangeSummary] = field(default_factory=list)
    tally: Counter[tuple[str, Kind, int, int]] = field(default_factory=Counter)
    decisions: list[Decision] = field(default_factory=list)


class Acceptance:
    """The transaction that accepts."""

    def __init__(self, apps: Apps, *, replay: bool, new_id: Callable[[], str]) -> None:
        self._worlds = WorldCache(apps)
        self._settled = 0
        """A revision up to which the status log was complete, lately."""
        self._replay = replay
        self._new_id = new_id

    async def accept(
        self,
        connection: AsyncConnection,
        submissions: Sequence[Submission],
        now: dt.datetime,
        leasing: Leasing = unleased,
    ) -> tuple[list[list[Answer]], Written]:
        """Take a group in its order; return an answer to every change, and what was written.

        `leasing` says which of the new deliveries go to a sender as soon as they are committed.
        """
        position = await status_log.position(connection, self._settled)
        self._settled = position.value
        answers: list[list[Answer | None]] = [[None] * len(one.changes) for one in submissions]
        group = _Group(now, position, answers, leasing, _token(position, position.value))
        await self._claim(connection, submissions, group)
        written = Written()
        for district_id, names in sorted(_by_district(group.pending).items()):
            found = [(name, _at(submissions, group.pending[name])) for name in names]
            await self._take_district(connection, district_id, found, group, written)
        group.answer_repeated()
        await self._finish(connection, written, now)
        return [_complete(answers) for answers in group.answers], written

    async def probe(self, connection: AsyncConnection, now: dt.datetime) -> None:
        """Write what every accepting transaction writes first and last, of no district."""
        nobody = KeyClaim("", ChangeKey(source="", change_id=self._new_id()), "")
        await change_store.claim_keys(connection, [nobody], now, 0)
        await status_log.append(connection, now, {"": b""})

    async def _claim(
        self, connection: AsyncConnection, submissions: Sequence[Submission], group: _Group
    ) -> None:
        """Claim every key once and answer those that were used before."""
        first: dict[Name, tuple[Submitted, tuple[int, int]]] = {}
        for place, submission in enumerate(submissions):
            for index, submitted in enumerate(submission.changes):
                name = (submission.district_id, submitted.change.key)
                if name in first:
                    group.again.append((*first[name], submitted, (place, index)))
                else:
                    first[name] = (submitted, (place, index))
        claims = [KeyClaim(*name, one.fingerprint) for name, (one, _) in first.items()]
        free = await change_store.claim_keys(connection, claims, group.now, group.position.value)
        known = await change_store.known_keys(connection, first.keys() - free)
        for name, (submitted, where) in first.items():
            if name in known:
                group.answer(where, self._known(submitted, known[name], group))
            else:
                group.pending[name] = where

    def _known(self, submitted: Submitted, known: change_store.KnownKey, group: _Group) -> Answer:
        if known.fingerprint != submitted.fingerprint:
            return refusals.reused(submitted.change.key)
        token = _token(group.position, known.token_revision)
        return Duplicate(token, known.delivery_count)

    async def _take_district(
        self,
        connection: AsyncConnection,
        district_id: str,
        found: Sequence[tuple[Name, Submitted]],
        group: _Group,
        written: Written,
    ) -> None:
        changes = [submitted.change for _, submitted in found]
        world = await self._worlds.fetch(connection, district_id, changes)
        taken = []
        refused: list[Name] = []
        for name, submitted in found:
            refusal = refusals.of_world(
                district_id, submitted, world, group.now, replay=self._replay
            )
            if refusal is None:
                taken.append(submitted)
            else:
                group.answer(group.pending[name], refusal)
                refused.append(name)
        await change_store.free_keys(connection, refused)
        if world is not None and taken:
            await self._store(connection, world, taken, group, written)

    async def _store(
        self,
        connection: AsyncConnection,
        world: World,
        taken: Sequence[Submitted],
        group: _Group,
        written: Written,
    ) -> None:
        district_id = world.district.district_id
        batch = [self._received(one.change, world, group.now) for one in taken]
        names = {(district_id, key) for one in taken for key in all_keys(one.change)}
        locked = await fact_store.lock_facts(connection, names, group.now)
        states = {key: decode_state(text) for (_, key), text in locked.items()}
        existing = await delivery_store.fact_deliveries(connection, locked.keys())
        plan = acceptance.plan(batch, world, states, existing)
        await self._store_plan(connection, district_id, plan, existing, group, written)
        made = PlannedRows(
            batch=batch, world=world, now=group.now, new_id=self._new_id, leasing=group.leasing
        )
        rows = list(made.rows(plan.deliveries))
        await delivery_store.insert_deliveries(connection, rows)
        written.deliveries += rows
        await self._store_changes(connection, world, taken, plan, group, written)

    async def _store_plan(
        self,
        connection: AsyncConnection,
        district_id: str,
        plan: Plan,
        existing: Sequence[Delivery],
        group: _Group,
        written: Written,
    ) -> None:
        texts = {(district_id, key): encode_state(state) for key, state in plan.states.items()}
        await fact_store.store_facts(connection, texts, group.now)
        cancelled = [
            stop(row, SUPERSEDED, group.now)
            for row in existing
            if row.delivery_id in plan.superseded
        ]
        await delivery_store.store_deliveries(connection, cancelled)
        written.cancelled += cancelled

    def _received(self, change: Change, world: World, now: dt.datetime) -> Received:
        zone = world.zone_of(change.calendar_id)
        moment = timing.moment(change, now, zone, replay=self._replay)
        return Received(change=change, receive_time=now, moment=moment)

    async def _store_changes(
        self,
        connection: AsyncConnection,
        world: World,
        taken: Sequence[Submitted],
        plan: Plan,
        group: _Group,
        written: Written,
    ) -> None:
        told = Counter(planned.index for planned in plan.deliveries)
        rows = []
        for index, (submitted, decision) in enumerate(zip(taken, plan.decisions, strict=True)):
            change, counted = submitted.change, count_refusals([decision])
            where = group.pending[world.district.district_id, change.key]
            group.answer(where, Accepted(group.token, told[index]))
            record = DecisionRecord(
                decision=decision,
                facts_version=world.district.facts_version,
                decide_time=group.now,
            )
            rows.append(
                ChangeRow(
                    district_id=world.district.district_id,
                    key=change.key,
                    student_id=change.student_id,
                    kind=change.kind,
                    occur_time=change.occur_time,
                    accept_time=group.now,
                    position=len(written.changes),
                    token_revision=group.position.value,
                    deliveries=told[index],
                    content=submitted.content,
                    decision=encode_record(record),
                )
            )
            written.changes.append(
                write_change_summary(
                    district_id=world.district.district_id,
                    key=change.key,
                    student_id=change.student_id,
                    kind=change.kind,
                    accept_time=group.now,
                    deliveries=told[index],
                    refusals=counted,
                )
            )
            written.tally[world.district.district_id, change.kind, CHANGES_TALLY, 0] += 1
            for (gate, reason), count in counted.items():
                written.tally[world.district.district_id, change.kind, gate, reason] += count
        written.decisions += plan.decisions
        await change_store.insert_changes(connection, rows)

    async def _finish(
        self, connection: AsyncConnection, written: Written, now: dt.datetime
    ) -> None:
        await change_store.add_tally(connection, now.date(), written.tally)
        snapshots = [*written.cancelled, *written.deliveries]
        await journal.record(connection, now, snapshots, written.changes)


def new_delivery_id() -> str:
    """Return a new UUID of version 7 (RFC 9562) in the form that APNs echoes.

    It begins with the time, so that what is written together lies together in the database's index.
    """
    time_part, random = f"{time.time_ns() // 1_000_000:012x}", secrets.token_hex(10)
    variant = _VARIANTS[int(random[3], 16) & 0b11]
    return f"{time_part[:8]}-{time_part[8:]}-7{random[:3]}-{variant}{random[4:7]}-{random[7:19]}"


def _by_district(pending: Iterable[Name]) -> dict[str, list[Name]]:
    districts: dict[str, list[Name]] = defaultdict(list)
    for name in pending:
        districts[name[0]].append(name)
    return districts


def _at(submissions: Sequence[Submission], place: tuple[int, int]) -> Submitted:
    return submissions[place[0]].changes[place[1]]


def _token(position: LogPosition, revision: int) -> str:
    return write_token(ResumeToken(position.store_id, revision))


def _complete(answers: Iterable[Answer | None]) -> list[Answer]:
    return [answer for answer in answers if answer is not None]
