"""The sample is a clean district whose day, moved to today, is told in full."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from schoolbell import feed, oneroster
from schoolbell_server import sample
from schoolbell_server.contract.changes import read_change
from schoolbell_server.domain.change import Change
from schoolbell_server.domain.kinds import (
    AssignmentAction,
    AttendanceStatus,
    Kind,
    ResponsiveScheduleAction,
)
from schoolbell_server.domain.kinds.assignment import AssignmentChange
from schoolbell_server.domain.kinds.attendance import AttendanceChange
from schoolbell_server.domain.kinds.grade import GradeChange
from schoolbell_server.domain.kinds.lunch_balance import LunchBalanceChange
from schoolbell_server.domain.kinds.responsive_schedule import ResponsiveScheduleChange
from schoolbell_server.sample import SampleDay

ZONE = "America/Chicago"
NOWS = {
    "afternoon": "2026-11-24T16:30-06:00",
    "noon": "2027-03-02T12:00-06:00",
    "just after midnight": "2026-06-30T00:00:01-05:00",
    "at midnight": "2027-01-01T00:00-06:00",
    "leap day": "2028-02-29T09:00-06:00",
    "the clocks went forward": "2027-03-14T04:00-05:00",
    "the clocks went back": "2026-11-01T03:00-06:00",
    "within the repeated hour": "2026-11-01T01:30-06:00",
    "already tomorrow in UTC": "2026-12-31T23:00-06:00",
    "a Sunday in July": "2029-07-15T20:00-05:00",
}


@pytest.fixture(params=NOWS, ids=lambda name: name.replace(" ", "-"))
def now(request: pytest.FixtureRequest) -> dt.datetime:
    return dt.datetime.fromisoformat(NOWS[request.param])


@pytest.fixture
def written(tmp_path: Path, now: dt.datetime) -> SampleDay:
    return sample.write(tmp_path, now, ZONE)


def roster_of(written: SampleDay) -> oneroster.Roster:
    return oneroster.read(written.roster, written.relationships)


def changes_of(written: SampleDay) -> list[Change]:
    return [change_of(line) for line in feed.read(written.changes, "none")]


def change_of(line: feed.Line | feed.BadLine) -> Change:
    assert isinstance(line, feed.Line), line
    complaints: list[str] = []
    change = read_change(
        line.change, lambda path, what, _reason=None, /: complaints.append(f"{path} {what}")
    )
    assert change is not None, complaints
    return change


def today(now: dt.datetime) -> dt.date:
    return now.astimezone(ZoneInfo(ZONE)).date()


def test_the_roster_is_read_without_a_problem(written: SampleDay) -> None:
    roster = roster_of(written)
    assert roster.problems == ()
    assert len(roster.schools) == 2
    assert 55 <= len({each.student_id for each in roster.enrollments}) <= 65


def test_the_school_year_and_a_term_cover_today(written: SampleDay, now: dt.datetime) -> None:
    calendars = roster_of(written).calendars
    assert len(calendars) == 2
    for calendar in calendars:
        assert calendar.school_year == written.school_year == calendar.end_date.year
        assert calendar.start_date < today(now) < calendar.end_date
        assert any(term.start_date <= today(now) <= term.end_date for term in calendar.terms)


def test_every_change_is_of_an_enrolled_student(written: SampleDay, now: dt.datetime) -> None:
    enrolled = {
        (each.student_id, each.calendar_id)
        for each in roster_of(written).enrollments
        if each.start_date <= today(now) <= each.end_date
    }
    for change in changes_of(written):
        assert (change.student_id, change.calendar_id) in enrolled


def test_the_terms_that_changes_name_are_there(written: SampleDay) -> None:
    terms = {
        (calendar.calendar_id, term.term_id)
        for calendar in roster_of(written).calendars
        for term in calendar.terms
    }
    named = {
        (change.calendar_id, change.payload.term_id)
        for change in changes_of(written)
        if isinstance(change.payload, GradeChange)
    }
    assert named
    assert named <= terms


def test_the_day_ends_just_before_now_and_is_all_of_today(
    written: SampleDay, now: dt.datetime
) -> None:
    times = [change.occur_time for change in changes_of(written)]
    assert times == sorted(times)
    assert times[-1] <= now
    assert now - times[-1] <= dt.timedelta(seconds=3)
    assert all(time.astimezone(ZoneInfo(ZONE)).date() == today(now) for time in times)


def test_attendance_and_schedules_are_of_today_or_later(
    written: SampleDay, now: dt.datetime
) -> None:
    for change in changes_of(written):
        if isinstance(change.payload, AttendanceChange):
            assert change.payload.date == today(now)
        if isinstance(change.payload, ResponsiveScheduleChange):
            assert change.payload.date >= today(now)


@pytest.fixture
def whole_day(tmp_path: Path) -> SampleDay:
    return sample.write(tmp_path, dt.datetime.fromisoformat(NOWS["afternoon"]), ZONE)


def test_an_afternoon_keeps_the_spacing_of_the_day(whole_day: SampleDay) -> None:
    times = [change.occur_time for change in changes_of(whole_day)]
    assert dt.timedelta(hours=7) < times[-1] - times[0] < dt.timedelta(hours=9)


def test_every_kind_and_action_occurs(whole_day: SampleDay) -> None:
    payloads = [change.payload for change in changes_of(whole_day)]
    assert 250 <= len(payloads) <= 350
    assert {change.kind for change in changes_of(whole_day)} == set(Kind)
    actions = {one.action for one in payloads if isinstance(one, AssignmentChange)}
    assert actions == set(AssignmentAction)
    statuses = {one.status for one in payloads if isinstance(one, AttendanceChange)}
    assert statuses == set(AttendanceStatus)
    schedule = {one.action for one in payloads if isinstance(one, ResponsiveScheduleChange)}
    assert schedule == set(ResponsiveScheduleAction)
    grades = [one for one in payloads if isinstance(one, GradeChange)]
    assert any(one.percent is None and not one.mark for one in grades), "a grade removed"


def test_limits_are_crossed_and_values_repeat(whole_day: SampleDay) -> None:
    payloads = [change.payload for change in changes_of(whole_day)]
    grades = [
        (one.previous_percent, one.percent)
        for one in payloads
        if isinstance(one, GradeChange) and one.previous_percent and one.percent
    ]
    lunches = [
        (one.previous_balance, one.balance)
        for one in payloads
        if isinstance(one, LunchBalanceChange) and one.previous_balance is not None
    ]
    assert any(before >= 70 > after for before, after in grades)
    assert sum(before >= 10 > after for before, after in lunches) >= 3
    assert any(before == after for before, after in grades)
    assert any(before == after for before, after in lunches)


def test_two_sections_mark_one_absence_and_one_section_corrects_itself(
    whole_day: SampleDay,
) -> None:
    marks: dict[tuple[str, str], list[tuple[str, AttendanceStatus]]] = {}
    for change in changes_of(whole_day):
        if isinstance(change.payload, AttendanceChange):
            key = (change.student_id, change.payload.period)
            marks.setdefault(key, []).append((change.payload.section_id, change.payload.status))
    absent = [
        {section for section, status in said if status is AttendanceStatus.ABSENT}
        for said in marks.values()
    ]
    assert any(len(sections) > 1 for sections in absent)
    assert any(
        (section, AttendanceStatus.ABSENT) in said[: said.index((section, status))]
        for said in marks.values()
        for section, status in said
        if status is AttendanceStatus.PRESENT
    )


def test_families_are_of_every_sort(whole_day: SampleDay) -> None:
    roster = roster_of(whole_day)
    relationships = roster.relationships
    assert [
        relationship.portal_enabled for relationship in relationships if relationship.barred
    ] == [True], "a bar beats the flag"
    assert any(not relationship.portal_enabled for relationship in relationships)
    assert not all(user.enabled for user in roster.users)
    children = [relationship.guardian_id for relationship in relationships]
    assert any(children.count(guardian) > 1 for guardian in children)
    calendars = [each.student_id for each in roster.enrollments]
    assert sum(calendars.count(student) > 1 for student in set(calendars)) == 1
    eighteen = today(dt.datetime.fromisoformat(NOWS["afternoon"])).replace(year=2008)
    assert sum(user.birth_date <= eighteen for user in roster.users if user.birth_date) == 1


def test_the_keys_are_new_each_time_and_differ_within_a_day(tmp_path: Path) -> None:
    def keys(now: str) -> list[str]:
        written = sample.write(tmp_path, dt.datetime.fromisoformat(now), ZONE)
        return [change.key.change_id for change in changes_of(written)]

    first, second = keys("2026-11-24T15:00:00Z"), keys("2026-11-24T15:00:07Z")
    assert len(set(first) | set(second)) == len(first) + len(second)
