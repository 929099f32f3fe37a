"""What keeps a family from being told twice outlives what it protects."""

from __future__ import annotations

import datetime as dt

from schoolbell_server.contract.district_settings import LONGEST_HOLD
from schoolbell_server.domain.kinds import Kind
from schoolbell_server.domain.retention import KEY_LIFE, PASSING_LIFE, first_day_kept, key_life
from schoolbell_server.domain.timing import LONGEST_LIFE

DAY = dt.timedelta(days=1)
SUMMER = dt.date(2027, 6, 10)


def test_keys_and_facts_outlive_every_time_to_live_plus_hold() -> None:
    assert KEY_LIFE > LONGEST_LIFE + LONGEST_HOLD
    assert PASSING_LIFE > LONGEST_LIFE + LONGEST_HOLD
    assert key_life(DAY) == KEY_LIFE
    assert key_life(400 * DAY) == 400 * DAY


def test_a_years_facts_go_90_days_after_its_last_day() -> None:
    for kind in (Kind.ASSIGNMENT, Kind.GRADE, Kind.LUNCH_BALANCE):
        assert first_day_kept(kind, SUMMER + 90 * DAY, [SUMMER]) is None
        assert first_day_kept(kind, SUMMER + 91 * DAY, [SUMMER]) == SUMMER + DAY


def test_an_older_year_is_over_while_the_active_one_goes_on() -> None:
    ends = [SUMMER, SUMMER.replace(year=2026), SUMMER.replace(year=2025)]
    assert first_day_kept(Kind.GRADE, SUMMER, ends) == dt.date(2026, 6, 11)


def test_facts_about_one_day_need_no_year() -> None:
    for kind in (Kind.ATTENDANCE, Kind.RESPONSIVE_SCHEDULE):
        assert first_day_kept(kind, SUMMER, []) == SUMMER - 35 * DAY
