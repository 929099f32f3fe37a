"""Conditions and subscriptions as JSON documents."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from schoolbell_server.domain.kinds import (
    AssignmentAction,
    AttendanceExcuse,
    AttendanceStatus,
    LimitTrigger,
)
from schoolbell_server.domain.world import (
    AssignmentCondition,
    AttendanceCondition,
    Condition,
    GradeCondition,
    LunchBalanceCondition,
)

Document = dict[str, Any]


def encode_condition(condition: Condition | None) -> Document | None:
    """Return a condition as a document that names its arm."""
    match condition:
        case None:
            return None
        case AssignmentCondition():
            return {
                "arm": "assignment",
                "actions": sorted(condition.actions),
                "below": _text(condition.below_percent),
                "repeat": condition.limit_trigger,
            }
        case GradeCondition():
            below = _text(condition.below_percent)
            return {"arm": "grade", "below": below, "repeat": condition.limit_trigger}
        case AttendanceCondition():
            return {
                "arm": "attendance",
                "statuses": sorted(condition.statuses),
                "excuses": sorted(condition.excuses),
            }
        case LunchBalanceCondition():
            below = _text(condition.below_balance)
            return {"arm": "lunch", "below": below, "repeat": condition.limit_trigger}


def decode_condition(document: Document | None) -> Condition | None:
    """Return the condition that `encode_condition` wrote."""
    if document is None:
        return None
    match document["arm"]:
        case "assignment":
            return AssignmentCondition(
                actions=frozenset(AssignmentAction(number) for number in document["actions"]),
                below_percent=_decimal(document["below"]),
                limit_trigger=LimitTrigger(document["repeat"]),
            )
        case "grade":
            return GradeCondition(
                below_percent=_decimal(document["below"]),
                limit_trigger=LimitTrigger(document["repeat"]),
            )
        case "attendance":
            return AttendanceCondition(
                statuses=frozenset(AttendanceStatus(number) for number in document["statuses"]),
                excuses=frozenset(AttendanceExcuse(number) for number in document["excuses"]),
            )
        case "lunch":
            return LunchBalanceCondition(
                below_balance=_decimal(document["below"]),
                limit_trigger=LimitTrigger(document["repeat"]),
            )
    raise ValueError(f"no condition has the arm {document['arm']!r}")


def _text(number: Decimal | None) -> str | None:
    return None if number is None else str(number)


def _decimal(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)
