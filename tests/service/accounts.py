"""A family with one lunch account, for tests of the whole service."""

from __future__ import annotations

from typing import Any

from google.type.money_pb2 import Money

from schoolbell.v1 import roster_pb2
from schoolbell.v1.change_pb2 import Change
from tests.service.scene import (
    FATHER,
    MOTHER,
    SIBLING,
    STUDENT,
    change,
    populate,
    upsert,
)
from tests.service.whole import Whole

STEPFATHER = "stepfather"
"""Of the sibling alone; the father is the student's alone, the mother both children's."""
_NAMES = {STUDENT: "Ana", SIBLING: "Ben"}


async def live_together(service: Whole) -> None:
    """Create the district with the family; the children have names."""
    await populate(service)
    await upsert(
        service,
        roster_pb2.RosterRecord(user=roster_pb2.User(user_id=STEPFATHER, enabled=True)),
        relationship(SIBLING, STEPFATHER),
        *(
            roster_pb2.RosterRecord(
                user=roster_pb2.User(
                    user_id=student,
                    enabled=True,
                    names=roster_pb2.PersonNames(given_name=name),
                )
            )
            for student, name in _NAMES.items()
        ),
    )


def relationship(student_id: str, guardian_id: str, **fields: Any) -> roster_pb2.RosterRecord:
    """Return how a guardian is related to a student."""
    values: dict[str, Any] = {"portal_enabled": True, "relation": "parent"} | fields
    return roster_pb2.RosterRecord(
        relationship=roster_pb2.Relationship(
            student_id=student_id, guardian_id=guardian_id, **values
        )
    )


def balance(
    change_id: str,
    units: int = -5,
    nanos: int = -500_000_000,
    *,
    student_id: str = STUDENT,
    shared: tuple[str, ...] = (),
    currency: str = "",
) -> Change:
    """Return a balance of the family's account, -5.50 in the district's currency."""
    found = change(change_id, student_id)
    found.calendar_id = ""
    found.lunch_balance.account_id = "family"
    money = Money(currency_code=currency, units=units, nanos=nanos)
    found.lunch_balance.balance.CopyFrom(money)
    found.lunch_balance.shared_student_ids.extend(shared)
    return found


PEOPLE = (STUDENT, SIBLING, MOTHER, FATHER, STEPFATHER)
