"""All kinds of changes: the one list of them, and what is looked up in it."""

from __future__ import annotations

from collections.abc import Mapping

from schoolbell_server.domain.change import Payload
from schoolbell_server.domain.condition import Condition
from schoolbell_server.domain.fact import FactKey, Value
from schoolbell_server.domain.fact_keys import key_range
from schoolbell_server.domain.kinds import Kind
from schoolbell_server.domain.kinds.assignment import AssignmentChange
from schoolbell_server.domain.kinds.attendance import AttendanceChange
from schoolbell_server.domain.kinds.grade import GradeChange
from schoolbell_server.domain.kinds.lunch_balance import LunchBalanceChange
from schoolbell_server.domain.kinds.responsive_schedule import ResponsiveScheduleChange

_ALL: tuple[type[Payload], ...] = (
    AssignmentChange,
    GradeChange,
    AttendanceChange,
    LunchBalanceChange,
    ResponsiveScheduleChange,
)
PAYLOADS: Mapping[Kind, type[Payload]] = {payload.kind: payload for payload in _ALL}
"""What the changes of each kind say."""
VALUES: Mapping[str, type[Value]] = {
    value.tag: value for payload in _ALL for value in payload.values
}
"""What a fact can be, by the tag of its document."""
CONDITIONS: Mapping[Kind, type[Condition]] = {
    payload.kind: payload.condition for payload in _ALL if payload.condition is not None
}
"""The condition of each kind that has one."""
_WORDS: Mapping[str, Kind] = {payload.word: payload.kind for payload in _ALL}


def kind_of_key(key: FactKey) -> Kind:
    """Return the kind of the fact that a key names; raise KeyError or ValueError for no key."""
    return _WORDS[key[2 : key.index('"', 2)]]


def key_prefixes(student_id: str) -> list[tuple[FactKey, FactKey]]:
    """Return the ranges, by bytes and without their ends, in which a student's keys lie."""
    return [key_range(payload.word, student_id) for payload in _ALL]
