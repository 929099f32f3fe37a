"""Every section has a mark of its own; only that section lifts it."""

from __future__ import annotations

from schoolbell_server.domain.fact import Mark, Setter
from schoolbell_server.domain.kinds import AttendanceExcuse, AttendanceStatus
from schoolbell_server.domain.kinds.attendance import AttendanceValue
from tests.unit.domain.happenings import SIS, VENDOR, at, mark
from tests.unit.domain.memory import Memory

ABSENT, TARDY = AttendanceStatus.ABSENT, AttendanceStatus.TARDY
PRESENT, CLEARED = AttendanceStatus.PRESENT, AttendanceStatus.CLEARED
UNKNOWN, EXCUSED = AttendanceExcuse.UNDECIDED, AttendanceExcuse.EXCUSED


def test_a_double_scheduled_absence_is_one_absence() -> None:
    memory = Memory()
    assert memory.tell(mark(ABSENT, "a"), 1).changed
    assert not memory.tell(mark(ABSENT, "b"), 2).changed


def test_only_the_section_that_set_a_mark_lifts_it() -> None:
    memory = Memory()
    memory.tell(mark(ABSENT, "a"), 1)
    other = memory.tell(mark(PRESENT, "b"), 2)
    assert (other.changed, other.lifted) == (False, False)
    assert other.current == AttendanceValue(ABSENT, UNKNOWN)
    own = memory.tell(mark(PRESENT, "a"), 3)
    assert (own.changed, own.lifted) == (True, True)
    assert own.current == AttendanceValue(PRESENT, UNKNOWN)


def test_another_source_does_not_lift_it_either() -> None:
    memory = Memory()
    memory.tell(mark(ABSENT), 1)
    assert not memory.tell(mark(CLEARED), 2, VENDOR).lifted
    assert memory.value(mark(ABSENT)) == AttendanceValue(ABSENT, UNKNOWN)


def test_clearing_one_of_two_leaves_the_other() -> None:
    memory = Memory()
    memory.tell(mark(ABSENT, "a"), 1)
    memory.tell(mark(TARDY, "b"), 2)
    update = memory.tell(mark(CLEARED, "a"), 3)
    assert update.current == AttendanceValue(TARDY, UNKNOWN)
    assert (update.changed, update.lifted) == (True, False)
    assert memory.tell(mark(CLEARED, "b"), 4).lifted


def test_absent_to_tardy_is_an_ordinary_change() -> None:
    memory = Memory()
    memory.tell(mark(ABSENT), 1)
    update = memory.tell(mark(TARDY), 2)
    assert update.previous.value == AttendanceValue(ABSENT, UNKNOWN)
    assert (update.changed, update.lifted) == (True, False)


def test_older_is_by_section() -> None:
    memory = Memory()
    memory.tell(mark(TARDY, "a"), 5)
    late = memory.tell(mark(ABSENT, "b"), 1)
    assert not late.older
    assert late.current == AttendanceValue(ABSENT, UNKNOWN)
    older = memory.tell(mark(PRESENT, "a"), 4)
    assert (older.older, older.known_time) == (True, at(5))
    assert older.current == AttendanceValue(ABSENT, UNKNOWN)


def test_a_cleared_mark_is_still_newer_than_what_came_before_it() -> None:
    memory = Memory()
    memory.tell(mark(CLEARED), 5)
    assert memory.tell(mark(ABSENT), 4).older
    assert memory.value(mark(ABSENT)) == AttendanceValue()


def test_an_excuse_that_arrives_later_changes_the_value() -> None:
    memory = Memory()
    memory.tell(mark(ABSENT), 1)
    assert memory.tell(mark(ABSENT, excuse=EXCUSED), 2).changed


def test_the_state_remembers_which_section_said_what() -> None:
    memory = Memory()
    memory.tell(mark(ABSENT, "a"), 1)
    memory.tell(mark(PRESENT, "b"), 2)
    (state,) = memory.states.values()
    assert set(state.marks) == {
        Mark(setter=Setter(SIS, "a"), status=ABSENT, excuse=UNKNOWN, occur_time=at(1)),
        Mark(setter=Setter(SIS, "b"), status=PRESENT, excuse=UNKNOWN, occur_time=at(2)),
    }


def test_of_equal_times_the_section_s_later_word_counts() -> None:
    memory = Memory()
    memory.tell(mark(ABSENT), 1)
    assert memory.tell(mark(PRESENT), 1).lifted


def test_the_fact_is_as_new_as_its_newest_mark() -> None:
    memory = Memory()
    memory.tell(mark(ABSENT, "a"), 5)
    memory.tell(mark(ABSENT, "b"), 1)
    (state,) = memory.states.values()
    assert state.occur_time == at(5)
