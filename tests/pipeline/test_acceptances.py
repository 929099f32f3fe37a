"""The plain end of a delivery is written as the general way would write it."""

from __future__ import annotations

import datetime as dt
import itertools
from pathlib import Path
from typing import Any, cast

import pytest

from schoolbell_server.dispatch.acceptances import Acceptances
from schoolbell_server.dispatch.finished import Finished
from schoolbell_server.domain.delivery import Attempt, Delivery, changed
from schoolbell_server.domain.kinds import CancelCause, DeliveryState, HoldCause, Outcome
from schoolbell_server.gateways.common.push import PushResult
from schoolbell_storage.deliveries import fetch_deliveries, store_accepted
from tests.pipeline.test_outcomes import OWNER, outcomes
from tests.storage.engines import databases, open_database
from tests.storage.rosters import START
from tests.storage.waiting import store
from tests.unit.domain.deliveries import waiting_delivery

NOW = START + dt.timedelta(seconds=9)
LATER = START + dt.timedelta(seconds=1)
TRIED = (Attempt(start_time=START, end_time=LATER, outcome=Outcome.PROVIDER_DOWN),)


def end_of(row: Delivery, outcome: Outcome = Outcome.ACCEPTED, **result: Any) -> Finished:
    found = PushResult(delivery_id=row.delivery_id, outcome=outcome, **result)
    return Finished(row=row, result=found, start_time=START, end_time=LATER)


def rows() -> list[Delivery]:
    """Return deliveries in every standing that a leased one without an attempt can have."""
    standings = itertools.product(
        [(DeliveryState.PENDING, None), (DeliveryState.HELD, HoldCause.CIRCUIT)],
        [None, CancelCause.PERSON],
        [False, True],
        ["", "before"],
    )
    return [
        waiting_delivery(
            f"d{number}",
            state=state,
            hold_cause=hold_cause,
            cancel_cause=cause,
            answer_lost=lost,
            provider_message_id=message,
            lease_owner=OWNER,
        )
        for number, ((state, hold_cause), cause, lost, message) in enumerate(standings)
    ]


@pytest.mark.parametrize("reason", ["", "of its own"])
@pytest.mark.parametrize("message", ["", "projects/p/messages/1"])
def test_the_plain_way_makes_what_the_general_way_makes(message: str, reason: str) -> None:
    general = outcomes(cast(Any, None))
    for row in rows():
        end = end_of(row, provider_message_id=message, provider_reason=reason)
        before = changed(row)
        assert Acceptances(NOW).row(row, end) == general._ended(row, end, NOW)
        assert row == before, "a row is never changed in place"


@pytest.mark.parametrize(
    ("row", "end"),
    [
        ({}, {"outcome": Outcome.PROVIDER_DOWN}),
        ({}, {"held": True}),
        ({"attempt_count": 1, "attempts": TRIED}, {}),
        ({"attempt_count": 1}, {}),
        ({"state": DeliveryState.DISPLAYED}, {}),
        ({"state": DeliveryState.CANCELLED}, {}),
        ({"accept_time": START}, {}),
    ],
)
def test_whatever_else_happened_goes_the_general_way(
    row: dict[str, Any], end: dict[str, Any]
) -> None:
    found = waiting_delivery("d", lease_owner=OWNER, **row)
    assert Acceptances(NOW).row(found, end_of(found, **end)) is None


@databases()
async def test_what_is_written_of_an_acceptance_is_all_that_changed(
    database: str, tmp_path: Path
) -> None:
    before = rows()
    plain = [Acceptances(NOW).row(row, end_of(row, provider_message_id="m")) for row in before]
    accepted = [row for row in plain if row is not None]
    assert len(accepted) == len(before)
    async with open_database(database, tmp_path) as storage:
        await store(storage, *before)
        async with storage.write() as connection:
            await store_accepted(connection, accepted)
        async with storage.read() as connection:
            found = await fetch_deliveries(connection, [row.delivery_id for row in before])
    assert found == {row.delivery_id: row for row in accepted}
