"""The condition of a default subscription as fields of a form and back.

A kind's fields are those of its rule in the contract: lists to choose from, and a limit with when
it is told. Their names are `PART-APP-KIND`, with `-MEMBER` for each choice of a list.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from google.type.money_pb2 import Money

from schoolbell.v1 import change_pb2, common_pb2
from schoolbell.v1.subscription_pb2 import LIMIT_TRIGGER_ON_CROSSING, Condition, LimitTrigger

Values = dict[str, str]

CHOICES: dict[str, Any] = {
    "actions": change_pb2.AssignmentAction,
    "statuses": change_pb2.AttendanceStatus,
    "excuses": change_pb2.AttendanceExcuse,
}
_PERCENT, _BALANCE, _TRIGGER = "below_percent", "below_balance", "limit_trigger"
_AMOUNT = re.compile(r"-?\d{1,9}(\.\d{1,9})?", re.ASCII)
_NANOS = 1_000_000_000


def parts_of(kind: int) -> list[str]:
    """Return the parts of a kind's rule: `below`, `when` and lists; none where it has no rule."""
    rule = getattr(Condition(), _rule_name(kind), None)
    names = {_PERCENT: "below", _BALANCE: "below", _TRIGGER: "when"}
    fields_of = rule.DESCRIPTOR.fields if rule is not None else ()
    return [names.get(one.name, one.name) for one in fields_of]


def is_percent(kind: int) -> bool:
    """Return whether the limit of a kind is a percentage, not an amount."""
    return kind in (common_pb2.KIND_ASSIGNMENT, common_pb2.KIND_GRADE)


def fields(app: int, kind: int) -> list[str]:
    """Return the names of a kind's fields, in their order on the page."""
    return [
        name
        for part in parts_of(kind)
        for name in (
            [f"{part}-{app}-{kind}-{one}" for one in CHOICES[part].values()[1:]]
            if part in CHOICES
            else [f"{part}-{app}-{kind}"]
        )
    ]


def from_condition(condition: Condition, app: int, kind: int) -> Values:
    """Return what the fields show of a condition."""
    values = dict.fromkeys(fields(app, kind), "")
    rule = getattr(condition, _rule_name(kind), None)
    for part in parts_of(kind):
        name = f"{part}-{app}-{kind}"
        if part in CHOICES:
            values |= {f"{name}-{one}": "on" for one in getattr(rule, part)}
        elif part == "when":
            values[name] = str(int(getattr(rule, _TRIGGER) or LIMIT_TRIGGER_ON_CROSSING))
        else:
            values[name] = _limit_text(rule, kind)
    return values


def to_condition(values: Values, app: int, kind: int) -> Condition:
    """Return the condition that the fields ask for; it has no rule where they ask for nothing."""
    found = Condition()
    rule = getattr(found, _rule_name(kind), None)
    for part in parts_of(kind):
        name = f"{part}-{app}-{kind}"
        if part in CHOICES:
            members = [one for one in CHOICES[part].values()[1:] if values[f"{name}-{one}"]]
            if members:  # to extend by nothing would make a rule
                getattr(rule, part).extend(members)
        elif part == "below" and values[name]:
            _set_limit(rule, kind, values[name])
            trigger = values[f"when-{app}-{kind}"]
            setattr(rule, _TRIGGER, int(trigger) if trigger in ("1", "2") else 1)
    return found


def wrong(values: Values) -> set[str]:
    """Return the fields of limits that are no percentage, or no amount."""
    return {
        name
        for name, value in values.items()
        if name.startswith("below-") and value and not _is_limit(value, int(name.split("-")[2]))
    }


def lines(values: Values, app: int, kind: int, words: Any) -> Iterator[str]:
    """Yield what a condition says, a part each; nothing where there is none."""
    for part in parts_of(kind):
        name = f"{part}-{app}-{kind}"
        if part in CHOICES:
            members = [one for one in CHOICES[part].values()[1:] if values[f"{name}-{one}"]]
            yield from (words.member(CHOICES[part], one) for one in members)
        elif part == "below" and values[name]:
            yield words("only-below", value=values[name] + ("%" if is_percent(kind) else ""))
            trigger = values[f"when-{app}-{kind}"]
            yield words.member(LimitTrigger, int(trigger) if trigger in ("1", "2") else 1)


def line(condition: Condition, kind: int, words: Any) -> str:
    """Return what a condition says, in one line."""
    return ", ".join(lines(from_condition(condition, 0, kind), 0, kind, words))


def _rule_name(kind: int) -> str:
    return common_pb2.Kind.Name(common_pb2.Kind.ValueType(kind)).removeprefix("KIND_").lower()


def _limit_text(rule: Any, kind: int) -> str:
    if is_percent(kind):
        return f"{rule.below_percent:.10g}" if rule.HasField(_PERCENT) else ""
    if not rule.HasField(_BALANCE):
        return ""
    amount = Decimal(rule.below_balance.units) + Decimal(rule.below_balance.nanos) / _NANOS
    return f"{amount.normalize():f}"


def _set_limit(rule: Any, kind: int, text: str) -> None:
    if is_percent(kind):
        rule.below_percent = float(text)
        return
    amount = Decimal(text)
    units = int(amount)
    rule.below_balance.CopyFrom(Money(units=units, nanos=int((amount - units) * _NANOS)))


def _is_limit(text: str, kind: int) -> bool:
    found = _AMOUNT.fullmatch(text) is not None
    return found and (not is_percent(kind) or 0 <= float(text) <= 100)
