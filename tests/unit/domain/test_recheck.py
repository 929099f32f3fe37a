"""The second look before each attempt: the same gates, but for time and value."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any

import pytest

from schoolbell_server.domain.decision import Refusal
from schoolbell_server.domain.eligibility import recheck
from schoolbell_server.domain.kinds import Gate, RefusalReason
from tests.decision_table.rows import ROWS, Row
from tests.decision_table.scenario import Scenario, scenario

_NOT_LOOKED_AT = {
    Gate.TIMELY,
    Gate.NEWEST,
    Gate.CONDITION,
    Gate.VALUE_CHANGED,
    Gate.NOT_ALREADY_TOLD,
}


def _recheck(facts: Scenario, user_id: str, device_id: str) -> Refusal | None:
    return recheck(facts.change, user_id, device_id, facts.moment.school_day, facts.world)


def _mom(given: Mapping[str, Any], device_id: str = "mom-phone") -> Refusal | None:
    return _recheck(scenario(given=given), "mom", device_id)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_the_second_look_sees_what_the_first_saw(row: Row) -> None:
    facts = scenario(row.change, row.given, row.without)
    found = _recheck(facts, row.user_id(), row.device)
    gate = None if " " not in row.expect else Gate(int(row.expect.split()[0]))
    if gate is None or gate in _NOT_LOOKED_AT:
        assert found is None or found.gate not in _NOT_LOOKED_AT
    else:
        assert found is not None
        assert f"{int(found.gate)} {found.reason.name}" == row.expect
        assert row.value in (None, found.value)


def test_what_was_decided_still_holds() -> None:
    assert _mom({}) is None


def test_time_is_left_to_the_delivery() -> None:
    facts = {"change.historical": True, "district.kinds": {"GRADE": {"time_to_live": "0s"}}}
    assert _mom(facts) is None


def test_a_condition_that_changed_since_is_left_alone() -> None:
    condition = {"enabled": True, "condition": {"below_percent": 10}}
    assert _mom({"devices.mom-phone.subscriptions.ann.GRADE": condition}) is None


def test_a_bar_set_since_stops_it() -> None:
    refusal = _mom({"students.ann.bars.mom": ["sis"]})
    assert refusal == Refusal(Gate.RELATED, RefusalReason.BARRED)


def test_a_relationship_that_is_gone_stops_it() -> None:
    refusal = _mom({"students.ann.guardians": {}})
    assert refusal == Refusal(Gate.RELATED, RefusalReason.NO_RELATIONSHIP)


def test_a_day_that_has_come_since_stops_it() -> None:
    facts = scenario(given={"students.ann.guardians.mom.end_date": dt.date(2026, 9, 15)})
    tomorrow = dt.date(2026, 9, 16)
    refusal = recheck(facts.change, "mom", "mom-phone", tomorrow, facts.world)
    assert refusal == Refusal(Gate.RELATED, RefusalReason.RELATIONSHIP_ENDED, "2026-09-15")


def test_a_device_that_is_somebody_else_s_now_counts_as_retired() -> None:
    refusal = _mom(
        {"devices.mom-tablet": {"user": "dad", "app_id": "family", "platform": "IOS"}}, "mom-tablet"
    )
    assert refusal == Refusal(Gate.DEVICE_USABLE, RefusalReason.DEVICE_RETIRED)


def test_a_user_whose_devices_are_all_gone_has_none() -> None:
    assert _mom({"devices": {}}) == Refusal(Gate.ACCOUNT, RefusalReason.NO_DEVICE)


def test_the_student_is_looked_at_in_the_student_s_app() -> None:
    hidden = {"calendars.maple.display_options.app_kinds": {"STUDENT": [], "PARENT": ["GRADE"]}}
    facts = scenario(given=hidden)
    refusal = _recheck(facts, "ann", "ann-phone")
    assert refusal == Refusal(Gate.TOOL_SHOWN, RefusalReason.TOOL_HIDDEN, "STUDENT")
    assert _recheck(facts, "mom", "mom-phone") is None
