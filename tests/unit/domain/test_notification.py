"""The identity of what one person is told."""

from __future__ import annotations

import datetime as dt
import uuid

import pytest

from schoolbell_server.domain.change import ChangeKey
from schoolbell_server.domain.notification import notification_id, written_at

KEY = ChangeKey(source="sis", change_id="1")
NOW = dt.datetime(2026, 11, 24, 15, 4, 5, 123_456, tzinfo=dt.UTC)


def test_it_is_one_for_a_change_and_a_person() -> None:
    one = notification_id("maple", KEY, "mother", NOW)
    assert one == notification_id("maple", KEY, "mother", NOW)
    others = {
        notification_id("oak", KEY, "mother", NOW),
        notification_id("maple", ChangeKey(source="sis", change_id="2"), "mother", NOW),
        notification_id("maple", ChangeKey(source="vendor", change_id="1"), "mother", NOW),
        notification_id("maple", KEY, "father", NOW),
    }
    assert len(others | {one}) == 5


def test_it_is_a_uuid_of_version_8_in_lower_case() -> None:
    text = notification_id("maple", KEY, "mother", NOW)
    found = uuid.UUID(text)
    assert (found.version, found.variant, str(found)) == (8, uuid.RFC_4122, text)


def test_it_says_when_its_deliveries_were_written() -> None:
    span = written_at(notification_id("maple", KEY, "mother", NOW))
    assert span is not None
    start, end = span
    assert start <= NOW < end
    assert end - start == dt.timedelta(milliseconds=1)


@pytest.mark.parametrize(
    "text", ["", "x", "\0", "ffffffff-ffff-8fff-bfff-ffffffffffff", "1" * 200, "{" * 40]
)
def test_what_is_no_id_is_found_nowhere(text: str) -> None:
    assert written_at(text) is None
