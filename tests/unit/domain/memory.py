"""What is stored of facts, fed change by change."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping

from hypothesis import strategies as st

from schoolbell_server.domain.change import Change, Payload
from schoolbell_server.domain.fact import FactKey, FactState, FactUpdate, Folded, Mark, Value
from schoolbell_server.domain.fact_keys import fact_key
from schoolbell_server.domain.fold import fold
from schoolbell_server.domain.kinds import (
    AssignmentAction,
    AttendanceStatus,
    ResponsiveScheduleAction,
)
from tests.unit.domain.happenings import (
    SIS,
    VENDOR,
    assignment,
    at,
    balance,
    change,
    flex,
    grade,
    mark,
)


class Memory:
    """What is stored, fed change by change; each is received a second after it occurred."""

    def __init__(self) -> None:
        self.states: dict[FactKey, FactState] = {}

    def take(self, one: Change) -> Folded:
        folded = fold(one, one.occur_time + dt.timedelta(seconds=1), self.states)
        self.states.update(folded.states)
        return folded

    def tell(self, payload: Payload, minute: float, source: str = SIS) -> FactUpdate:
        return self.take(change(payload, minute, source=source)).update

    def value(self, payload: Payload) -> Value | None:
        state = self.states.get(fact_key(change(payload)))
        return None if state is None else state.value


Core = tuple[Value | None, dt.datetime, frozenset[Mark]]


def core(states: Mapping[FactKey, FactState]) -> dict[FactKey, Core]:
    """Return what the order of arrival must not matter to."""
    return {
        key: (state.value, state.occur_time, frozenset(state.marks))
        for key, state in states.items()
    }


def folded_in(order: Iterable[Change]) -> dict[FactKey, Core]:
    memory = Memory()
    for one in order:
        memory.take(one)
    return core(memory.states)


_PERIODS = st.sampled_from("123")
_PAYLOADS: st.SearchStrategy[Payload] = st.one_of(
    st.builds(assignment, st.sampled_from(AssignmentAction), st.sampled_from(["60", "80", None])),
    st.builds(grade, st.sampled_from(["60", "60.0", "80", None]), st.sampled_from(["", "B"])),
    st.builds(mark, st.sampled_from(AttendanceStatus), st.sampled_from("ab")),
    st.builds(balance, st.sampled_from(["1", "2"])),
    st.builds(
        flex,
        st.sampled_from(ResponsiveScheduleAction),
        _PERIODS,
        st.sampled_from(["Robotics", "Chess"]),
        before=_PERIODS,
    ),
)


@st.composite
def days(draw: st.DrawFn) -> list[Change]:
    """Return changes that all occurred at different times."""
    payloads = draw(st.lists(_PAYLOADS, max_size=12))
    sources = draw(st.lists(st.sampled_from([SIS, VENDOR]), min_size=12, max_size=12))
    return [
        change(payload, minute, source=source)
        for minute, (payload, source) in enumerate(zip(payloads, sources, strict=False))
    ]


NOTHING: Core = (None, at(0), frozenset())
