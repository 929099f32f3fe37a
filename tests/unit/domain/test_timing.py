"""Days, lateness and lives, in the school's own zone."""

from __future__ import annotations

import datetime as dt

import pytest

from schoolbell_server.domain.change import Change, Payload
from schoolbell_server.domain.kinds import AttendanceStatus, ResponsiveScheduleAction
from schoolbell_server.domain.timing import (
    LONGEST_LIFE,
    MOST_AHEAD,
    end_of_life,
    expire_time,
    is_ahead,
    judged_date,
    local_date,
    moment,
)
from schoolbell_server.domain.world import KindSettings
from tests.unit.domain.happenings import (
    NOON,
    TODAY,
    ZONE,
    assignment,
    at,
    balance,
    change,
    flex,
    grade,
    mark,
)

ABSENT = AttendanceStatus.ABSENT
OWN_RULE = KindSettings()
HOUR, DAY = dt.timedelta(hours=1), dt.timedelta(days=1)


def occurring(payload: Payload, time: dt.datetime) -> Change:
    return change(payload, (time - NOON) / dt.timedelta(minutes=1))


def utc(*parts: int) -> dt.datetime:
    return dt.datetime(*parts, tzinfo=dt.UTC)  # type: ignore[misc,arg-type]


class TestMoment:
    """Lateness and school day are facts of the receipt."""

    def test_lateness_is_from_occurring_to_receiving(self) -> None:
        judged = moment(change(grade("80"), 0), at(7), ZONE, replay=False)
        assert judged.lateness == dt.timedelta(minutes=7)

    def test_lateness_is_never_negative(self) -> None:
        judged = moment(change(grade("80"), 3), at(0), ZONE, replay=False)
        assert judged.lateness == dt.timedelta(0)

    @pytest.mark.parametrize(
        ("zone", "day"),
        [
            ("America/Chicago", dt.date(2026, 9, 14)),
            ("America/New_York", dt.date(2026, 9, 15)),
            ("Pacific/Auckland", dt.date(2026, 9, 15)),
        ],
    )
    def test_the_school_day_is_the_receive_date_in_the_zone(self, zone: str, day: dt.date) -> None:
        late_at_night = utc(2026, 9, 15, 4, 30)
        judged = moment(change(grade("80"), -9999), late_at_night, zone, replay=False)
        assert judged.school_day == day

    def test_a_replay_is_received_as_it_occurs(self) -> None:
        judged = moment(change(grade("80")), NOON + 100 * DAY, ZONE, replay=True)
        assert (judged.lateness, judged.school_day) == (dt.timedelta(0), TODAY)


class TestAhead:
    """Clocks differ by five minutes at most."""

    def test_five_minutes_are_accepted(self) -> None:
        assert dt.timedelta(minutes=5) == MOST_AHEAD
        assert not is_ahead(change(grade("80"), 5), at(0))

    def test_more_are_not(self) -> None:
        just_over = occurring(grade("80"), at(5) + dt.timedelta(microseconds=1))
        assert is_ahead(just_over, at(0))

    def test_the_past_is_never_ahead(self) -> None:
        assert not is_ahead(change(grade("80"), -1), at(0))


class TestJudgedDate:
    """The payload's date, else the local date of the occurring."""

    def test_of_what_has_a_date(self) -> None:
        tomorrow = TODAY + DAY
        for payload in (
            mark(ABSENT, date=tomorrow),
            flex(ResponsiveScheduleAction.ADDED, "4", date=tomorrow),
        ):
            assert judged_date(change(payload), ZONE) == tomorrow

    @pytest.mark.parametrize("payload", [assignment(), grade("80"), balance("5")])
    def test_of_what_has_none(self, payload: Payload) -> None:
        one = occurring(payload, utc(2026, 9, 16, 4, 59))
        assert judged_date(one, ZONE) == TODAY
        assert judged_date(one, "America/New_York") == TODAY + DAY

    def test_a_due_date_is_not_it(self) -> None:
        one = change(assignment(due=TODAY + 9 * DAY))
        assert judged_date(one, ZONE) == TODAY


class TestLife:
    """How long a change lives from its occurring."""

    @pytest.mark.parametrize(
        ("payload", "life"),
        [
            (assignment(), 24 * HOUR),
            (balance("5"), 24 * HOUR),
            (grade("80"), 72 * HOUR),
            (mark(ABSENT), 12 * HOUR),
            (mark(ABSENT, date=TODAY + DAY), 36 * HOUR),
            (mark(ABSENT, date=TODAY - DAY), dt.timedelta(0)),
            (flex(ResponsiveScheduleAction.ADDED, "4"), 12 * HOUR),
            (flex(ResponsiveScheduleAction.MOVED, "4", date=TODAY + DAY, before="3"), 36 * HOUR),
        ],
    )
    def test_by_the_kinds_own_rule(self, payload: Payload, life: dt.timedelta) -> None:
        assert end_of_life(change(payload), OWN_RULE, ZONE, lifted=False) == life

    @pytest.mark.parametrize("payload", [assignment(), grade("80"), mark(ABSENT)])
    def test_a_setting_replaces_the_rule(self, payload: Payload) -> None:
        settings = KindSettings(time_to_live=dt.timedelta(minutes=90))
        for lifted in (False, True):
            life = end_of_life(change(payload), settings, ZONE, lifted=lifted)
            assert life == dt.timedelta(minutes=90)

    def test_a_correction_lives_for_the_day_on_which_it_is_made(self) -> None:
        correction = change(mark(AttendanceStatus.PRESENT, date=TODAY - 5 * DAY))
        assert end_of_life(correction, OWN_RULE, ZONE, lifted=True) == 12 * HOUR

    def test_a_late_present_that_lifts_nothing_is_no_correction(self) -> None:
        present = change(mark(AttendanceStatus.PRESENT, date=TODAY - 5 * DAY))
        assert end_of_life(present, OWN_RULE, ZONE, lifted=False) == dt.timedelta(0)

    def test_a_correction_in_advance_lives_for_its_own_day_only(self) -> None:
        cleared = change(mark(AttendanceStatus.CLEARED, date=TODAY + 5 * DAY))
        assert end_of_life(cleared, OWN_RULE, ZONE, lifted=True) == 12 * HOUR


MIDNIGHTS = {
    "an ordinary day": ("America/Chicago", dt.date(2026, 9, 15), utc(2026, 9, 16, 5)),
    "the day clocks go forward": ("America/Chicago", dt.date(2027, 3, 14), utc(2027, 3, 15, 5)),
    "the eve of it": ("America/Chicago", dt.date(2027, 3, 13), utc(2027, 3, 14, 6)),
    "the day clocks go back": ("America/Chicago", dt.date(2026, 11, 1), utc(2026, 11, 2, 6)),
    "midnight skipped": ("Africa/Cairo", dt.date(2024, 4, 25), utc(2024, 4, 25, 22)),
    "midnight twice": ("America/Havana", dt.date(2024, 11, 2), utc(2024, 11, 3, 4)),
    "half an hour off": ("Asia/Kolkata", dt.date(2026, 9, 15), utc(2026, 9, 15, 18, 30)),
    "the far side of the date line": (
        "Pacific/Kiritimati",
        dt.date(2026, 9, 15),
        utc(2026, 9, 15, 10),
    ),
}


@pytest.mark.parametrize(("zone", "date", "end"), MIDNIGHTS.values(), ids=MIDNIGHTS)
def test_a_day_ends_at_local_midnight(zone: str, date: dt.date, end: dt.datetime) -> None:
    occur_time = end - 5 * HOUR
    marked = occurring(mark(ABSENT, date=date), occur_time)
    assert end_of_life(marked, OWN_RULE, zone, lifted=False) == 5 * HOUR


class TestExpiry:
    """What is left of the life, by the real clock, and 28 days at most."""

    def test_lateness_is_taken_off(self) -> None:
        assert expire_time(at(0), 10 * HOUR, 24 * HOUR) == at(0) + 14 * HOUR

    def test_a_replay_leaves_the_whole_life(self) -> None:
        assert expire_time(at(0), dt.timedelta(0), 72 * HOUR) == at(0) + 72 * HOUR

    def test_no_longer_than_a_provider_keeps_it(self) -> None:
        assert LONGEST_LIFE == 28 * DAY
        assert expire_time(at(0), dt.timedelta(0), 400 * DAY) == at(0) + 28 * DAY
        assert expire_time(at(0), 380 * DAY, 400 * DAY) == at(0) + 20 * DAY

    def test_never_before_it_was_received(self) -> None:
        assert expire_time(at(0), 30 * HOUR, 24 * HOUR) == at(0)


@pytest.mark.parametrize("zone", ["America/Chicago", "Asia/Tokyo", "Pacific/Kiritimati"])
@pytest.mark.parametrize("time", [utc(1, 1, 1), NOON, utc(9999, 12, 31, 23, 59, 59)])
@pytest.mark.parametrize("date", [dt.date.min, TODAY, dt.date.max])
@pytest.mark.parametrize("lifted", [False, True])
def test_the_ends_of_the_calendar_break_nothing(
    zone: str, time: dt.datetime, date: dt.date, lifted: bool
) -> None:
    marked = occurring(mark(ABSENT, date=date), time)
    judged = moment(marked, NOON, zone, replay=False)
    replayed = moment(marked, NOON, zone, replay=True)
    life = end_of_life(marked, OWN_RULE, zone, lifted=lifted)
    assert judged.school_day == local_date(NOON, zone)
    assert replayed.school_day == local_date(time, zone)
    assert NOON <= expire_time(NOON, judged.lateness, life) <= NOON + LONGEST_LIFE
