"""Time, as facts: how late a change is, which day it is judged on, how long it lives.

Days are local days of the school's zone. Nothing here reads a clock.
"""

from __future__ import annotations

import datetime as dt
from functools import lru_cache
from zoneinfo import ZoneInfo

from schoolbell_server.domain.change import Change
from schoolbell_server.domain.decision import Moment
from schoolbell_server.domain.world import KindSettings

MOST_AHEAD = dt.timedelta(minutes=5)
"""How far ahead of the clock an occur time may lie."""
LONGEST_LIFE = dt.timedelta(days=28)
"""What a provider keeps at most (FCM)."""
_ZERO = dt.timedelta(0)
_DAY = dt.timedelta(days=1)
# A change may claim any time of the years 1 to 9999, in which not every zone has a local time.
_FIRST = dt.datetime(2, 1, 1, tzinfo=dt.UTC)
_LAST = dt.datetime(9998, 12, 31, tzinfo=dt.UTC)


@lru_cache(maxsize=64)
def zone_of(name: str) -> ZoneInfo:
    """Return a time zone by its IANA name."""
    return ZoneInfo(name)


def local_date(time: dt.datetime, zone: str) -> dt.date:
    """Return the day that a time falls on in a zone."""
    return min(max(time, _FIRST), _LAST).astimezone(zone_of(zone)).date()


def moment(change: Change, receive_time: dt.datetime, zone: str, *, replay: bool) -> Moment:
    """Return when a change is judged: under replay, as if it were received when it happened."""
    if replay:
        return Moment(lateness=_ZERO, school_day=local_date(change.occur_time, zone))
    return Moment(
        lateness=max(_ZERO, receive_time - change.occur_time),
        school_day=local_date(receive_time, zone),
    )


def is_ahead(change: Change, receive_time: dt.datetime) -> bool:
    """Return whether a change claims to have happened too far ahead of the clock."""
    return change.occur_time - receive_time > MOST_AHEAD


def judged_date(change: Change, zone: str) -> dt.date:
    """Return the day on which enrollment and term are judged."""
    return change.payload.day or local_date(change.occur_time, zone)


def end_of_life(change: Change, settings: KindSettings, zone: str, *, lifted: bool) -> dt.timedelta:
    """Return how long a change lives, from its occur time; at least 0.

    One that lifts an attendance mark lives for the day on which it is made, however old the mark.
    """
    if settings.time_to_live is not None:
        return settings.time_to_live
    day = change.payload.day
    if day is None:
        return change.payload.life
    return _until_end_of(local_date(change.occur_time, zone) if lifted else day, change, zone)


def expire_time(
    receive_time: dt.datetime, lateness: dt.timedelta, life: dt.timedelta
) -> dt.datetime:
    """Return when a delivery of a change is no longer sent: by the real clock, also in replay."""
    return receive_time + min(max(life - lateness, _ZERO), LONGEST_LIFE)


def _until_end_of(date: dt.date, change: Change, zone: str) -> dt.timedelta:
    """Return the time from the change's happening to the end of a local day."""
    within = min(max(date, _FIRST.date()), _LAST.date())
    midnight = dt.datetime.combine(within + _DAY, dt.time(), tzinfo=zone_of(zone))
    return max(_ZERO, midnight.astimezone(dt.UTC) - change.occur_time)
