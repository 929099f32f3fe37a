"""Gate 13: the whole condition of a subscription.

No condition is every change; but what is told only when named (a withdrawal, a cleared score, a
PRESENT or CLEARED mark) still has to be named.
"""

from __future__ import annotations

from decimal import Decimal

from schoolbell_server.domain.attendance import is_lifted
from schoolbell_server.domain.cases import DeviceCase
from schoolbell_server.domain.change import (
    AssignmentChange,
    AttendanceChange,
    GradeChange,
    LunchBalanceChange,
    ResponsiveScheduleChange,
)
from schoolbell_server.domain.decision import Refusal
from schoolbell_server.domain.fact import AttendanceValue, Value
from schoolbell_server.domain.gate import EntityKind, Rule, Seeable, SeenFact, names_of, seen
from schoolbell_server.domain.kinds import (
    PROMPT_STATUSES,
    AssignmentAction,
    AttendanceExcuse,
    AttendanceStatus,
    Gate,
    LimitTrigger,
    RefusalReason,
    SubscriptionLevel,
)
from schoolbell_server.domain.limits import known_number, limit_refusal, number_of
from schoolbell_server.domain.world import (
    AssignmentCondition,
    AttendanceCondition,
    Condition,
    GradeCondition,
    LunchBalanceCondition,
)

_ONLY_IF_NAMED = frozenset({AssignmentAction.WITHDRAWN, AssignmentAction.CLEARED})
_EVERY_ASSIGNMENT = AssignmentCondition()
_EVERY_GRADE = GradeCondition()
_EVERY_MARK = AttendanceCondition()
_EVERY_BALANCE = LunchBalanceCondition()


def is_correction(case: DeviceCase) -> bool:
    """Return whether a mark that this device was told of is lifted.

    Judged against the device's own baseline: a lifting that is still waiting unsent when the
    next mark replaces it must not leave the family with the mark that was lifted.
    """
    before, after = case.baseline.previous.value, case.recipient.case.update.current
    return case.baseline.attempted and is_lifted(before, after)


def _refuse_condition(case: DeviceCase) -> Refusal | None:
    condition = None if case.subscription is None else case.subscription.condition
    match case.recipient.case.change.payload:
        case AssignmentChange() as assignment:
            chosen = condition if isinstance(condition, AssignmentCondition) else _EVERY_ASSIGNMENT
            return _refuse_assignment(case, assignment, chosen)
        case AttendanceChange():
            wanted = condition if isinstance(condition, AttendanceCondition) else _EVERY_MARK
            return _refuse_mark(case, wanted)
        case GradeChange():
            grade = condition if isinstance(condition, GradeCondition) else _EVERY_GRADE
            return _refuse_number(case, grade.below_percent, grade.limit_trigger)
        case LunchBalanceChange():
            lunch = condition if isinstance(condition, LunchBalanceCondition) else _EVERY_BALANCE
            return _refuse_number(case, lunch.below_balance, lunch.limit_trigger)
        case ResponsiveScheduleChange():
            return None


def _refuse_assignment(
    case: DeviceCase, assignment: AssignmentChange, condition: AssignmentCondition
) -> Refusal | None:
    action = assignment.action
    if not _is_chosen(action, condition):
        return Refusal(Gate.CONDITION, RefusalReason.ACTION_NOT_CHOSEN, action.name)
    numberless = number_of(case.recipient.case.update.current) is None
    if action is AssignmentAction.MISSING and numberless:
        return None
    return _refuse_number(case, condition.below_percent, condition.limit_trigger)


def _is_chosen(action: AssignmentAction, condition: AssignmentCondition) -> bool:
    if condition.actions:
        return action in condition.actions
    return action not in _ONLY_IF_NAMED


def _refuse_mark(case: DeviceCase, condition: AttendanceCondition) -> Refusal | None:
    """Refuse by the fact's value: of a doubly marked period the most serious mark is told."""
    if is_correction(case):
        return None
    status, excuse = _mark(case.recipient.case.update.current)
    if status not in (condition.statuses or PROMPT_STATUSES):
        return Refusal(Gate.CONDITION, RefusalReason.STATUS_NOT_CHOSEN, status.name)
    if status not in PROMPT_STATUSES or not condition.excuses or excuse in condition.excuses:
        return None
    return Refusal(Gate.CONDITION, RefusalReason.EXCUSE_NOT_CHOSEN, excuse.name)


def _mark(value: Value | None) -> tuple[AttendanceStatus, AttendanceExcuse]:
    """Return the mark that stands; none is a cleared one."""
    if not isinstance(value, AttendanceValue) or value.status is None:
        return AttendanceStatus.CLEARED, AttendanceExcuse.UNDECIDED
    return value.status, value.excuse or AttendanceExcuse.UNDECIDED


def _refuse_number(
    case: DeviceCase, below: Decimal | None, limit_trigger: LimitTrigger
) -> Refusal | None:
    if below is None or case.subscription is None:
        return None
    number = number_of(case.recipient.case.update.current)
    known = known_number(case.baseline.previous, case.subscription.limit_time)
    return limit_refusal(below, limit_trigger, number, known)


def see_subscription(case: DeviceCase, **values: Seeable) -> tuple[SeenFact, ...]:
    """Return values of the choice that holds, as seen where it is stored."""
    if case.level is SubscriptionLevel.PERSON:
        return seen(EntityKind.PERSON_SUBSCRIPTION, case.recipient.user.user_id, **values)
    return seen(EntityKind.SUBSCRIPTION, case.device.device_id, **values)


def _see_condition(case: DeviceCase) -> tuple[SeenFact, ...]:
    if case.subscription is None:
        return ()
    update, since = case.recipient.case.update, case.subscription.limit_time
    chosen = {**_choices(case.subscription.condition), "limit_time": since}
    return (
        *see_subscription(case, **chosen),
        *seen(
            EntityKind.FACT,
            update.key,
            number=number_of(update.current),
            known_number=known_number(case.baseline.previous, since),
            correction=is_correction(case),
        ),
    )


def _choices(condition: Condition | None) -> dict[str, Seeable]:
    match condition:
        case AssignmentCondition(actions=actions, below_percent=below, limit_trigger=limit_trigger):
            return {
                "actions": names_of(actions),
                "below": below,
                "limit_trigger": limit_trigger.name,
            }
        case GradeCondition(below_percent=below, limit_trigger=limit_trigger):
            return {"below": below, "limit_trigger": limit_trigger.name}
        case LunchBalanceCondition(below_balance=below, limit_trigger=limit_trigger):
            return {"below": below, "limit_trigger": limit_trigger.name}
        case AttendanceCondition(statuses=statuses, excuses=excuses):
            return {"statuses": names_of(statuses), "excuses": names_of(excuses)}
        case None:
            return {}


def _has_subscription(case: DeviceCase) -> bool:
    return case.subscription is not None


CONDITION = Rule(Gate.CONDITION, _refuse_condition, _see_condition, _has_subscription)
