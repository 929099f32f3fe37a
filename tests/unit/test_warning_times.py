"""A warning begins when what it warns of begins, not when the server did."""

from __future__ import annotations

import datetime as dt

from schoolbell.v1 import status_pb2
from schoolbell_server.status.warnings import ActiveWarning, WarningTimes

START = dt.datetime(2026, 9, 1, 7, tzinfo=dt.UTC)
YEAR = ActiveWarning(status_pb2.WARNING_CODE_NO_ACTIVE_YEAR, "no year")
ONE = ActiveWarning(status_pb2.WARNING_CODE_CREDENTIAL_REFUSED, "one is refused", subject="one")
TWO = ActiveWarning(status_pb2.WARNING_CODE_CREDENTIAL_REFUSED, "two is refused", subject="two")


class District:
    """A district whose state is looked at every minute."""

    def __init__(self) -> None:
        self.minute = 0
        self._times = WarningTimes(lambda: START + dt.timedelta(minutes=self.minute))

    def look(self, *found: ActiveWarning) -> list[int]:
        """Return since which minute there is each of these warnings."""
        self.minute += 1
        dated = self._times.dated("maple", found)
        return [
            int((one.start_time.ToDatetime(dt.UTC) - START).total_seconds()) // 60 for one in dated
        ]


def test_a_warning_keeps_its_beginning_for_as_long_as_it_lasts() -> None:
    district = District()
    assert district.look() == []
    assert district.look(YEAR) == [2]
    assert district.look(YEAR, ONE) == [2, 3]
    assert district.look(TWO, ONE, YEAR) == [4, 3, 2]
    assert district.look(ONE) == [3]
    assert district.look(YEAR, ONE) == [6, 3], "it is over, and begins anew"


def test_what_is_watched_for_says_itself_since_when() -> None:
    known = ActiveWarning(status_pb2.WARNING_CODE_BACKLOG, "full", START)
    assert District().look(known) == [0]
