"""Which changes speak of the same fact, and which never do."""

from __future__ import annotations

import dataclasses
import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schoolbell_server.domain.change import Change, Payload
from schoolbell_server.domain.fact_keys import all_keys, fact_key, other_keys
from schoolbell_server.domain.kinds import (
    AssignmentAction,
    AttendanceStatus,
    ResponsiveScheduleAction,
)
from schoolbell_server.domain.kinds.grade import GradeChange
from schoolbell_server.domain.kinds.lunch_balance import account_key
from schoolbell_server.domain.kinds.registry import key_prefixes, kind_of_key
from tests.unit.domain.happenings import (
    TODAY,
    VENDOR,
    assignment,
    balance,
    change,
    flex,
    grade,
    mark,
)

ABSENT, CLEARED = AttendanceStatus.ABSENT, AttendanceStatus.CLEARED
ADDED, MOVED, REMOVED = (
    ResponsiveScheduleAction.ADDED,
    ResponsiveScheduleAction.MOVED,
    ResponsiveScheduleAction.REMOVED,
)

SAME = {
    "a score, and that it is missing": (
        change(assignment(AssignmentAction.SCORED, "80")),
        change(assignment(AssignmentAction.MISSING)),
    ),
    "assigned, and withdrawn": (
        change(assignment(AssignmentAction.ASSIGNED)),
        change(assignment(AssignmentAction.WITHDRAWN)),
    ),
    "a grade from two sources": (change(grade("80")), change(grade("70", "C"), source=VENDOR)),
    "one period, two sections": (change(mark(ABSENT, "a")), change(mark(CLEARED, "b"))),
    "a lunch account, whatever the calendar": (
        change(balance("5")),
        change(balance("6"), calendar_id=None),
    ),
    "an offering, and its removal": (change(flex(ADDED, "4")), change(flex(REMOVED, "4", ""))),
    "a move's new place": (change(flex(MOVED, "4", before="5")), change(flex(ADDED, "4"))),
}


@pytest.mark.parametrize(("one", "other"), SAME.values(), ids=SAME)
def test_changes_of_one_fact(one: Change, other: Change) -> None:
    assert fact_key(one) == fact_key(other)


def test_every_part_of_an_identity_tells_facts_apart() -> None:
    changes = [
        *(change(assignment(action)) for action in _ASPECTS),
        change(assignment(assignment_id="poem")),
        change(assignment(), student_id="bob"),
        change(grade("80")),
        change(dataclasses.replace(grade("80"), grading_task="Exam")),
        change(dataclasses.replace(grade("80"), grading_period="T2")),
        change(dataclasses.replace(grade("80"), section_id="english-2")),
        change(mark(ABSENT)),
        change(mark(ABSENT, period="")),
        change(mark(ABSENT, date=TODAY + dt.timedelta(days=1))),
        change(mark(ABSENT), calendar_id="oak:2027"),
        change(balance("5")),
        change(dataclasses.replace(balance("5"), account_id="snacks")),
        change(flex(ADDED, "1")),
        change(flex(ADDED, "2")),
        change(flex(ADDED, "1", date=TODAY + dt.timedelta(days=1))),
        change(flex(ADDED, "1"), calendar_id="oak:2027"),
    ]
    assert len({fact_key(one) for one in changes}) == len(changes)


_ASPECTS = (
    AssignmentAction.ASSIGNED,
    AssignmentAction.SCORED,
    AssignmentAction.DUE_DATE_MOVED,
)


_IDS = st.tuples(*[st.text(max_size=4, alphabet='a",[]\\\x00é')] * 4)


@given(_IDS, _IDS)
def test_no_ids_collide(ones: tuple[str, ...], others: tuple[str, ...]) -> None:
    first, second = (
        change(
            GradeChange(section_id=section, grading_task=task, grading_period=period),
            student_id=student,
        )
        for student, section, task, period in (ones, others)
    )
    assert (fact_key(first) == fact_key(second)) == (ones == others)


def test_a_move_touches_its_old_place_too() -> None:
    moved = change(flex(MOVED, "4", before="5"))
    assert other_keys(moved) == (fact_key(change(flex(REMOVED, "5"))),)
    assert all_keys(moved) == (fact_key(moved), *other_keys(moved))


def test_a_move_to_another_day_keeps_its_period() -> None:
    monday = TODAY - dt.timedelta(days=1)
    moved = change(flex(MOVED, "4", date_before=monday))
    assert other_keys(moved) == (fact_key(change(flex(ADDED, "4", date=monday))),)


def test_a_move_within_its_place_touches_one_fact() -> None:
    assert other_keys(change(flex(MOVED, "4", before="4", date_before=TODAY))) == ()


def test_an_addition_touches_one_fact_whatever_was_before() -> None:
    assert other_keys(change(flex(ADDED, "4", before="5"))) == ()


def test_a_withdrawal_touches_every_aspect() -> None:
    withdrawn = change(assignment(AssignmentAction.WITHDRAWN))
    assert set(all_keys(withdrawn)) == {fact_key(change(assignment(a))) for a in _ASPECTS}


def test_other_changes_touch_only_what_they_tell() -> None:
    for payload in (assignment(), grade("80"), mark(CLEARED), flex(REMOVED, "4")):
        assert all_keys(change(payload)) == (fact_key(change(payload)),)


@pytest.mark.parametrize(
    ("payload", "key"),
    [
        (grade("65"), '["grade","ann","english-1","Term grade","T1"]'),
        (
            assignment(AssignmentAction.ASSIGNED),
            '["assignment","ann","english-1","essay","assigned"]',
        ),
        (assignment(AssignmentAction.SCORED), '["assignment","ann","english-1","essay","score"]'),
        (
            assignment(AssignmentAction.DUE_DATE_MOVED),
            '["assignment","ann","english-1","essay","due"]',
        ),
        (mark(ABSENT), '["attendance","ann","maple:2027","2026-09-15","1"]'),
        (balance("1"), '["lunch","meals"]'),
        (flex(ADDED, "4"), '["responsive","ann","maple:2027","2026-09-15","4"]'),
        (flex(ADDED, "Café"), '["responsive","ann","maple:2027","2026-09-15","Café"]'),
    ],
)
def test_a_stored_key_stays_what_it_is(payload: Payload, key: str) -> None:
    """Facts are known by it: another text would make everything known unknown."""
    assert fact_key(change(payload)) == key


def test_a_balance_touches_what_was_said_for_each_student_who_shares_the_account() -> None:
    shared = dataclasses.replace(balance("1"), shared_student_ids=("bob",))
    keys = ('["lunch","meals"]', '["lunch","ann","meals"]', '["lunch","bob","meals"]')
    assert all_keys(change(shared)) == keys
    assert [account_key(key) for key in keys[1:]] == [keys[0]] * 2


@pytest.mark.parametrize("student", ["ann", "meals", 'a"nn', "ann,"])
def test_an_account_s_own_key_lies_in_no_student_s_range(student: str) -> None:
    key = fact_key(change(dataclasses.replace(balance("1"), account_id=student)))
    assert not any(first <= key < beyond for first, beyond in key_prefixes(student))


@pytest.mark.parametrize(
    "payload", [grade("65"), assignment(), mark(ABSENT), balance("1"), flex(ADDED, "4")]
)
def test_a_student_s_keys_lie_in_the_student_s_ranges_and_nobody_else_s_do(
    payload: Payload,
) -> None:
    ranges = key_prefixes("ann")
    inside = {
        name: [first <= key < beyond for first, beyond in ranges].count(True)
        for name in ("ann", "an", "anna", "ann-2", "bob", '"ann"')
        for key in all_keys(change(payload, student_id=name))[-1:]
    }
    assert inside == {"ann": 1, "an": 0, "anna": 0, "ann-2": 0, "bob": 0, '"ann"': 0}


def test_a_key_tells_the_kind_by_its_whole_word() -> None:
    """Two words that begin alike, as a later kind's may, are two kinds."""
    for each in (
        assignment(),
        grade("80"),
        mark(ABSENT),
        balance("5"),
        flex(MOVED, "4", before="5"),
    ):
        happened = change(each)
        assert {kind_of_key(key) for key in all_keys(happened)} == {happened.kind}
    with pytest.raises(KeyError):
        kind_of_key('["assessment","ann","essay"]')
