"""Every value that a fact can have, and what is stored of it, for property tests."""

from __future__ import annotations

import datetime as dt

from hypothesis import strategies as st

from schoolbell_server.domain.fact import FactState, Mark, Previous, Setter
from schoolbell_server.domain.kinds import AttendanceExcuse, AttendanceStatus
from schoolbell_server.domain.kinds.assignment import AssignedValue, DueDateValue, ScoreValue
from schoolbell_server.domain.kinds.attendance import AttendanceValue
from schoolbell_server.domain.kinds.grade import GradeValue
from schoolbell_server.domain.kinds.lunch_balance import BalanceValue
from schoolbell_server.domain.kinds.responsive_schedule import ScheduleValue

times = st.datetimes(
    min_value=dt.datetime(1, 1, 2), max_value=dt.datetime(9999, 12, 30), timezones=st.just(dt.UTC)
)
texts = st.text(st.characters(codec="utf-8"), max_size=8)
numbers = st.decimals(allow_nan=False, allow_infinity=False, places=4, min_value=-(10**9)) | (
    st.decimals(allow_nan=False, allow_infinity=False, min_value=0, max_value=1000)
)
maybe_numbers = st.none() | numbers
statuses = st.sampled_from(AttendanceStatus)
excuses = st.sampled_from(AttendanceExcuse)

values = st.one_of(
    st.builds(ScoreValue, maybe_numbers, maybe_numbers, st.booleans()),
    st.builds(AssignedValue, st.booleans()),
    st.builds(DueDateValue, st.none() | st.dates()),
    st.builds(GradeValue, maybe_numbers, texts),
    st.just(AttendanceValue()),
    st.builds(AttendanceValue, statuses, excuses),
    st.builds(BalanceValue, numbers),
    st.builds(ScheduleValue, texts, texts, st.booleans()),
)
previouses = st.builds(
    Previous,
    value=st.none() | values,
    from_publisher=st.booleans(),
    set_time=st.none() | times,
)
setters = st.builds(Setter, texts, texts)
marks = st.builds(Mark, setter=setters, status=statuses, excuse=excuses, occur_time=times)
states = st.builds(
    FactState,
    value=st.none() | values,
    occur_time=times,
    set_time=times,
    setter=setters,
    marks=st.lists(marks, max_size=3).map(tuple),
)
