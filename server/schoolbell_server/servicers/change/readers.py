"""Accepted changes and recorded decisions, as they are looked up."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import TypeVar

from google.protobuf.message import Message
from sqlalchemy.ext.asyncio import AsyncConnection

from schoolbell.v1 import change_pb2, common_pb2, explanation_pb2
from schoolbell.v1 import change_service_pb2 as messages
from schoolbell.v1.error_reason_pb2 import ErrorReason
from schoolbell_server.contract.change_filters import read_change_filter
from schoolbell_server.contract.change_records import write_change_record
from schoolbell_server.contract.explanations import write_recorded
from schoolbell_server.contract.fields import read_id, read_time
from schoolbell_server.contract.resume_tokens import ResumeToken, write_token
from schoolbell_server.domain.change import ChangeKey
from schoolbell_server.domain.decision import DecisionRecord, Refusal, count_refusals
from schoolbell_server.domain.delivery import Delivery
from schoolbell_server.domain.kinds import AppType, Gate, Kind
from schoolbell_server.rpc.caller import current_caller
from schoolbell_server.rpc.errors import SchoolbellError
from schoolbell_server.rpc.validation import Violations
from schoolbell_server.servicers.common.audit_trail import asked_of, audit_act
from schoolbell_server.servicers.common.paging import Page, read_page
from schoolbell_server.servicers.common.sources import check_source, own_sources
from schoolbell_storage import status_log
from schoolbell_storage.accounts import sharers_of
from schoolbell_storage.changes import (
    ChangePlace,
    ChangeQuery,
    ChangeRow,
    fetch_changes,
    list_changes,
)
from schoolbell_storage.codec import to_micros
from schoolbell_storage.decision_records import decode_record
from schoolbell_storage.delivery_queries import DeliveryQuery, list_deliveries
from schoolbell_storage.engine import Storage
from schoolbell_storage.pacing import paced
from schoolbell_storage.relations import students_of

MOST_VALUES = 100
_Member = TypeVar("_Member", bound=IntEnum)
_SCANNED = 2_000
"""Changes that one page of decisions looks through at most."""
_ALL = 100_000
_POSITION = (int, int, str)


class ChangeReaders:
    """Reads what the accepting transactions wrote."""

    def __init__(self, storage: Storage, clock: Callable[[], dt.datetime]) -> None:
        self._storage = storage
        self._clock = clock

    async def get(self, request: messages.GetChangeRequest) -> messages.GetChangeResponse:
        """Return one change with what was decided."""
        violations = Violations()
        key = ChangeKey(
            source=read_id(request.key.source, "key.source", violations.add),
            change_id=read_id(request.key.change_id, "key.change_id", violations.add),
        )
        violations.refuse()
        check_source(key.source)
        async with self._storage.read() as connection:
            position = await status_log.position(connection)
            found = await fetch_changes(connection, [(request.district_id, key)])
        row = found.get((request.district_id, key))
        if row is None:
            raise no_change(key)
        return messages.GetChangeResponse(record=write_record(row, position.store_id))

    async def list(self, request: messages.ListChangesRequest) -> messages.ListChangesResponse:
        """Return a page of changes, newest first."""
        violations = Violations()
        page = read_page(request, _POSITION, violations)
        districts = current_caller().districts(request.district_id)
        wanted = read_change_filter(request.filter, districts, "filter", violations.add)
        query = replace(
            wanted,
            sources=own_sources(wanted.sources),
            before=_before(page),
            limit=page.limit,
        )
        violations.refuse()
        async with self._storage.read() as connection:
            position = await status_log.position(connection)
            found = await list_changes(connection, query)
        shown, token = page.cut(found, _place)
        return messages.ListChangesResponse(
            records=[write_record(row, position.store_id) async for row in paced(shown)],
            next_page_token=token,
            resume_token=write_token(ResumeToken(position.store_id, position.value)),
        )

    async def decisions(
        self, request: messages.ListDecisionsRequest
    ) -> messages.ListDecisionsResponse:
        """Return a page of decisions: those of the newest changes first.

        A page holds whole changes, so it may be shorter or longer than asked; the token goes on
        behind the last change that was looked at.
        """
        violations = Violations()
        page = read_page(request, _POSITION, violations)
        asked = request.filter
        for field in ("user_ids", "student_ids", "change_keys", "kinds", "gates"):
            violations.count(getattr(asked, field), f"filter.{field}", most=MOST_VALUES)
        wanted = _Wanted(
            users=frozenset(asked.user_ids),
            gates=frozenset(read_each(Gate, asked.gates, "filter.gates", violations)),
        )
        query = ChangeQuery(
            district_ids=[request.district_id],
            keys=[ChangeKey(source=k.source, change_id=k.change_id) for k in asked.change_keys],
            student_ids=list(asked.student_ids),
            kinds=read_each(Kind, asked.kinds, "filter.kinds", violations),
            start_time=_time(asked, "start_decide_time", violations),
            end_time=_time(asked, "end_decide_time", violations),
            before=_before(page),
            limit=min(page.limit, _SCANNED),
        )
        violations.refuse()
        async with self._storage.read() as connection:
            query = await self._of_users(connection, request.district_id, query, wanted)
            found = await list_changes(connection, query)
            shown, token = page.cut(found, _place)
            deliveries = await _deliveries(connection, request.district_id, shown)
        await audit_act(
            self._storage,
            district_id=request.district_id,
            method="schoolbell.v1.ChangeService/ListDecisions",
            subject="decisions",
            now=self._clock(),
            asked=asked_of(request.filter),
        )
        decisions = [
            one async for row in paced(shown) for one in _decisions(row, wanted, deliveries)
        ]
        return messages.ListDecisionsResponse(decisions=decisions, next_page_token=token)

    async def _of_users(
        self, connection: AsyncConnection, district_id: str, query: ChangeQuery, wanted: _Wanted
    ) -> ChangeQuery:
        """Narrow the changes to the students whom the users are, or are related to.

        A change of a lunch account is found by the student who shares it, too.
        """
        if not wanted.users or query.student_ids:
            return query
        students = wanted.users | await students_of(connection, district_id, wanted.users)
        students |= await sharers_of(connection, district_id, sorted(students))
        return replace(query, student_ids=sorted(students))


@dataclass(frozen=True, slots=True)
class _Wanted:
    users: frozenset[str]
    gates: frozenset[Gate]


def no_change(key: ChangeKey) -> SchoolbellError:
    """Return that there is no such change."""
    return SchoolbellError(
        ErrorReason.ERROR_REASON_CHANGE_NOT_FOUND,
        f"there is no change {key.change_id} of {key.source}, or it is no longer kept",
        metadata={"source": key.source, "change_id": key.change_id},
    )


def write_record(row: ChangeRow, store_id: str) -> change_pb2.ChangeRecord:
    """Return a stored change with what was decided."""
    record = decode_record(row.decision)
    return write_change_record(
        district_id=row.district_id,
        content=row.content,
        accept_time=row.accept_time,
        deliveries=row.deliveries,
        refusals=count_refusals([record.decision]),
        resume_token=write_token(ResumeToken(store_id, row.token_revision)),
    )


def read_each(
    enum: type[_Member], numbers: Iterable[int], field: str, violations: Violations
) -> list[_Member]:
    """Return the members that a repeated field names."""
    found = [
        violations.member(enum, number, f"{field}[{index}]") for index, number in enumerate(numbers)
    ]
    return [member for member in found if member is not None]


def _time(asked: Message, field: str, violations: Violations) -> dt.datetime | None:
    if not asked.HasField(field):
        return None
    return read_time(getattr(asked, field), f"filter.{field}", violations.add)


def _before(page: Page) -> ChangePlace | None:
    if page.after is None:
        return None
    accept_time, position, district_id = page.after
    return int(accept_time), int(position), str(district_id)


def _place(row: ChangeRow) -> ChangePlace:
    return to_micros(row.accept_time), row.position, row.district_id


Deliveries = dict[tuple[ChangeKey, str], Delivery]


async def _deliveries(
    connection: AsyncConnection, district_id: str, rows: Sequence[ChangeRow]
) -> Deliveries:
    told = [row.key for row in rows if row.deliveries]
    if not told:
        return {}
    query = DeliveryQuery(district_ids=[district_id], keys=told, limit=_ALL)
    found = await list_deliveries(connection, query)
    return {(one.key, one.device_id): one async for one in paced(found)}


def _decisions(
    row: ChangeRow, wanted: _Wanted, deliveries: Deliveries
) -> Iterator[explanation_pb2.Decision]:
    record = decode_record(row.decision)
    for app, user_id, device_id, refusal in _places(record):
        if wanted.users and user_id not in wanted.users:
            continue
        if wanted.gates and (refusal is None or refusal.gate not in wanted.gates):
            continue
        delivery = deliveries.get((row.key, device_id))
        yield explanation_pb2.Decision(
            change_key=common_pb2.ChangeKey(source=row.key.source, change_id=row.key.change_id),
            student_id=row.student_id,
            kind=common_pb2.Kind.ValueType(row.kind),
            app_type=common_pb2.AppType.ValueType(app or 0),
            user_id=user_id,
            device_id=device_id,
            delivery_id="" if delivery is None or refusal else delivery.delivery_id,
            recorded=write_recorded(record, refusal),
        )


def _places(record: DecisionRecord) -> Iterator[tuple[AppType | None, str, str, Refusal | None]]:
    """Yield every place at which a decision was recorded: app, user_id, device_id, refusal."""
    decision = record.decision
    if decision.refusal is not None:
        yield None, "", "", decision.refusal
    for app, refusal in decision.app_refusals:
        yield app, "", "", refusal
    for recipient in decision.recipients:
        if recipient.refusal is not None:
            yield recipient.app, recipient.user_id, "", recipient.refusal
        for device in recipient.devices:
            yield recipient.app, recipient.user_id, device.device_id, device.refusal
