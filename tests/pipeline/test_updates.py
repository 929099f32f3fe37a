"""What watchers read is, put together from parts, what each delivery is as a message."""

from __future__ import annotations

import datetime as dt
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from schoolbell.v1.change_pb2 import ChangeSummary
from schoolbell.v1.status_service_pb2 import WatchStatusResponse
from schoolbell_server.contract.change_records import write_change_summary
from schoolbell_server.contract.deliveries import write_committed
from schoolbell_server.contract.updates import write_updates
from schoolbell_server.domain.change import ChangeKey
from schoolbell_server.domain.delivery import Attempt, Delivery
from schoolbell_server.domain.kinds import (
    CancelCause,
    DeliveryState,
    Gate,
    HoldCause,
    Kind,
    Outcome,
    Platform,
    RefusalReason,
)
from tests.storage.rosters import START
from tests.unit.domain.deliveries import waiting_delivery

KEYS = [ChangeKey(source="sis", change_id=str(number)) for number in range(3)]
TIMES = [START + dt.timedelta(microseconds=number * 1_000_001) for number in range(3)]
times = st.sampled_from(TIMES)
attempts = st.builds(
    Attempt,
    start_time=times,
    end_time=times,
    outcome=st.sampled_from(Outcome),
    provider_reason=st.sampled_from(["", "Unregistered"]),
)
standings: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {
        "key": st.sampled_from(KEYS),
        "district_id": st.sampled_from(["maple", "oak"]),
        "student_id": st.sampled_from(["s1", "s2"]),
        "user_id": st.sampled_from(["", "u" * 200]),
        "platform": st.sampled_from(Platform),
        "kind": st.sampled_from(Kind),
        "calendar_id": st.sampled_from(["", "north"]),
        "state": st.sampled_from(DeliveryState),
        "hold_cause": st.none() | st.sampled_from(HoldCause),
        "cancel_cause": st.none() | st.sampled_from(CancelCause),
        "revision": st.integers(1, 2**40),
        "attempt_count": st.integers(0, 300),
        "attempts": st.lists(attempts, max_size=2).map(tuple),
        "provider_message_id": st.sampled_from(["", "m" * 128]),
        "lease_owner": st.sampled_from(["", "me"]),
        "create_time": times,
        "due_time": times,
        "expire_time": times,
        "update_time": times,
        "accept_time": st.none() | times,
        "display_time": st.none() | times,
        "open_time": st.none() | times,
    }
)


def rows_of(found: list[dict[str, Any]]) -> list[Delivery]:
    return [waiting_delivery(f"d{number}", **one) for number, one in enumerate(found)]


@given(st.lists(standings, max_size=12).map(rows_of))
def test_the_parts_parse_as_the_whole(rows: list[Delivery]) -> None:
    found = write_updates(rows, ())
    for district_id in {row.district_id for row in rows}:
        theirs = [row for row in rows if row.district_id == district_id]
        parsed = WatchStatusResponse.FromString(found.pop(district_id))
        assert list(parsed.deliveries) == [write_committed(row) for row in theirs]
    assert not found


def summary(number: int) -> ChangeSummary:
    return write_change_summary(
        district_id="maple",
        key=KEYS[number],
        student_id="s",
        kind=Kind.GRADE,
        accept_time=TIMES[number],
        deliveries=number,
        refusals={(Gate.ENROLLED, RefusalReason.NOT_ENROLLED): number + 1},
    )


def test_changes_and_deliveries_are_told_together() -> None:
    changes, rows = [summary(0), summary(1)], [waiting_delivery("d", district_id="maple")]
    parsed = WatchStatusResponse.FromString(write_updates(rows, changes)["maple"])
    assert list(parsed.changes) == changes
    assert list(parsed.deliveries) == [write_committed(rows[0])]
