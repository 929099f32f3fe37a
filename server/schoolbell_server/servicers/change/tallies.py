"""Tallies: how many changes, who was not told and why, and where deliveries stand."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable

from google.protobuf.message import Message
from sqlalchemy.ext.asyncio import AsyncConnection

from schoolbell.v1 import common_pb2, delivery_pb2
from schoolbell.v1 import status_service_pb2 as messages
from schoolbell_server.contract.change_records import write_refusals
from schoolbell_server.contract.fields import read_time
from schoolbell_server.domain.kinds import Gate, Kind, RefusalReason
from schoolbell_server.rpc.validation import Violations
from schoolbell_server.servicers.change.readers import read_each
from schoolbell_storage.changes import CHANGES_TALLY, read_tally
from schoolbell_storage.delivery_queries import count_states
from schoolbell_storage.engine import Storage

_DAY = dt.timedelta(days=1)


async def read_tallies(
    storage: Storage, district_ids: Iterable[str], request: messages.GetTalliesRequest
) -> messages.GetTalliesResponse:
    """Return the tallies of these districts; the counts are kept by UTC day."""
    violations = Violations()
    start = _midnight(request, "start_accept_time", violations)
    end = _midnight(request, "end_accept_time", violations)
    asked = read_each(Kind, request.kinds, "kinds", violations)
    violations.refuse()
    kinds = set(asked) or set(Kind)
    async with storage.read() as connection:
        tallies = [
            tally
            for district_id in district_ids
            for tally in await _district(connection, district_id, start, end)
            if Kind(tally.kind) in kinds
        ]
    return messages.GetTalliesResponse(tallies=tallies)


async def _district(
    connection: AsyncConnection,
    district_id: str,
    start: dt.datetime | None,
    end: dt.datetime | None,
) -> list[messages.Tally]:
    tallies: dict[Kind, messages.Tally] = defaultdict(messages.Tally)
    last = None if end is None else (end - _DAY).date()
    counted = await read_tally(connection, district_id, start.date() if start else None, last)
    for (kind, gate, reason), count in sorted(counted.items()):
        if gate == CHANGES_TALLY:
            tallies[kind].change_count += count
        else:
            refused = {(Gate(gate), RefusalReason(reason)): count}
            tallies[kind].refusals.extend(write_refusals(refused))
    states = await count_states(connection, district_id, start, end)
    for (kind, state), count in sorted(states.items()):
        tallies[kind].deliveries.add(state=delivery_pb2.DeliveryState.ValueType(state), count=count)
    for kind, tally in tallies.items():
        tally.district_id = district_id
        tally.kind = common_pb2.Kind.ValueType(kind)
    return [tallies[kind] for kind in sorted(tallies)]


def _midnight(request: Message, field: str, violations: Violations) -> dt.datetime | None:
    if not request.HasField(field):
        return None
    time = read_time(getattr(request, field), field, violations.add)
    if time is not None and time.time() != dt.time():
        violations.add(field, "must be midnight UTC: tallies are kept by UTC day")
    return time
