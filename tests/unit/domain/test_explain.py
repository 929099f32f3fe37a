"""Explanations: everybody who is related, anybody who is named, every gate with its facts."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from schoolbell_server.domain.explain import (
    Explanation,
    GateRow,
    RecipientExplanation,
    Verdict,
    explain,
)
from schoolbell_server.domain.gate import EntityKind, SeenFact, text_of
from schoolbell_server.domain.kinds import AppType, Gate, RefusalReason
from schoolbell_server.domain.world import UserFacts
from tests.decision_table.scenario import Scenario, scenario
from tests.unit.domain.verdicts import explained


def _explain(
    facts: Scenario, user_id: str | None = None, device_id: str | None = None
) -> Explanation:
    return explain(
        facts.change,
        facts.moment,
        facts.update,
        facts.world,
        facts.baselines,
        user_id=user_id,
        device_id=device_id,
    )


def _given(given: Mapping[str, Any], change: str = "grade") -> Explanation:
    return _explain(scenario(change, given))


def _row(rows: tuple[GateRow, ...], gate: Gate) -> GateRow:
    (found,) = (row for row in rows if row.gate is gate)
    return found


def _facts(row: GateRow) -> dict[str, str]:
    return {fact.name: fact.value for fact in row.facts}


def _person(explanation: Explanation, user_id: str) -> RecipientExplanation:
    (found,) = (one for one in explanation.recipients if one.user_id == user_id)
    return found


def test_every_gate_has_its_row() -> None:
    explanation = _given({})
    person = _person(explanation, "mom")
    rows = (*explanation.gates, *person.gates, *person.devices[0].gates)
    assert sorted(row.gate for row in rows) == sorted(Gate)
    assert {row.verdict for row in rows} == {Verdict.PASSED}
    assert {row.reason for row in rows} == {None}
    assert all(row.facts for row in rows)


def test_everybody_related_is_explained_also_the_barred_and_the_ended() -> None:
    explanation = _given(
        {
            "students.ann.bars.mom": ["sis"],
            "students.ann.guardians.dad.active": False,
            "users.aunt": {},
            "students.ann.guardians.aunt": {"relation": "aunt"},
        }
    )
    reasons = {
        one.user_id: one.first_failure.reason if one.first_failure else None
        for one in explanation.recipients
    }
    assert reasons == {
        "ann": None,
        "aunt": RefusalReason.PORTAL_OFF,
        "dad": RefusalReason.RELATIONSHIP_ENDED,
        "mom": RefusalReason.BARRED,
    }


def test_gates_are_evaluated_after_a_failure_too() -> None:
    explanation = _given(
        {
            "district.enabled": False,
            "students.ann.guardians.mom.portal_enabled": False,
            "devices.mom-phone.stay_logged_in": False,
        }
    )
    mom = _person(explanation, "mom")
    (phone,) = mom.devices
    assert _row(explanation.gates, Gate.DISTRICT_ENABLED).verdict is Verdict.FAILED
    assert _row(mom.gates, Gate.RELATED).reason is RefusalReason.PORTAL_OFF
    assert _row(phone.gates, Gate.STAYS_LOGGED_IN).verdict is Verdict.FAILED
    assert _row(phone.gates, Gate.SUBSCRIBED).verdict is Verdict.PASSED
    for failure in (explanation.first_failure, mom.first_failure, phone.first_failure):
        assert failure is not None
        assert failure.gate is Gate.DISTRICT_ENABLED


def test_a_person_is_told_on_one_device_or_not_at_all() -> None:
    tablet = {"user": "mom", "app_id": "family", "platform": "IOS"}
    assert _person(_given({"devices.mom-tablet": tablet}), "mom").is_told
    assert not _person(_given({"users.mom.enabled": False}), "mom").is_told


def test_relations_are_those_of_the_roster() -> None:
    explanation = _given({})
    assert _person(explanation, "mom").relations == ("mother",)
    assert _person(explanation, "ann").relations == ()
    assert _person(explanation, "ann").app is AppType.STUDENT


def test_an_unrelated_person_who_is_named() -> None:
    facts = scenario()
    clerk = UserFacts(user_id="clerk", devices=facts.world.users["dad"].devices)
    facts = replace(facts, world=replace(facts.world, users={"clerk": clerk}))
    (person,) = _explain(facts, user_id="clerk").recipients
    assert person.known
    assert person.app is AppType.PARENT
    assert person.first_failure is not None
    assert person.first_failure.reason is RefusalReason.NO_RELATIONSHIP
    assert _row(person.gates, Gate.ACCOUNT).verdict is Verdict.PASSED
    assert len(person.devices) == 1


def test_an_unknown_person_who_is_named() -> None:
    (person,) = _explain(scenario(), user_id="nobody").recipients
    assert not person.known
    assert person.devices == ()
    assert _row(person.gates, Gate.RELATED).reason is RefusalReason.NO_RELATIONSHIP
    assert _row(person.gates, Gate.ACCOUNT).reason is RefusalReason.ACCOUNT_DISABLED


def test_an_unknown_student() -> None:
    explanation = _given({"change.student_id": "eve"})
    (student,) = explanation.recipients
    assert (student.user_id, student.known) == ("eve", False)
    assert _row(explanation.gates, Gate.ENROLLED).reason is RefusalReason.STUDENT_INACTIVE


def test_a_person_without_a_device() -> None:
    (mom,) = _explain(scenario(given={"devices": {}}), user_id="mom").recipients
    assert mom.known
    assert mom.devices == ()
    assert mom.first_failure is not None
    assert mom.first_failure.reason is RefusalReason.NO_DEVICE


def test_a_named_person_leaves_out_all_others() -> None:
    assert [one.user_id for one in _explain(scenario(), user_id="dad").recipients] == ["dad"]


def test_a_named_device_leaves_out_all_others() -> None:
    tablet = {"user": "mom", "app_id": "family", "platform": "IOS"}
    facts = scenario(given={"devices.mom-tablet": tablet})
    (mom,) = _explain(facts, device_id="mom-tablet").recipients
    assert (mom.user_id, [device.device_id for device in mom.devices]) == ("mom", ["mom-tablet"])
    (dad,) = _explain(facts, user_id="dad", device_id="mom-tablet").recipients
    assert (dad.user_id, dad.devices) == ("dad", ())


def test_a_device_says_what_it_was_compared_with() -> None:
    told = {"value": {"status": "TARDY"}, "attempted": True}
    facts = scenario(
        "attendance",
        {
            "payloads.attendance.status": "PRESENT",
            "known.status": "ABSENT",
            "baseline.mom-phone": told,
        },
    )
    explanation = _explain(facts)
    phone = explained(explanation, "mom-phone")
    assert phone.correction
    assert phone.app_id == "family"
    assert not explained(explanation, "dad-phone").correction
    assert phone.previous == facts.baselines["mom-phone"].previous
    assert explained(explanation, "dad-phone").previous == facts.update.previous


def test_a_condition_without_a_subscription_has_nothing_to_judge() -> None:
    phone = explained(_given({"devices.mom-phone.subscriptions": {}}), "mom-phone")
    row = _row(phone.gates, Gate.CONDITION)
    assert (row.verdict, row.facts) == (Verdict.NOT_APPLICABLE, ())


def test_without_a_calendar_there_is_nothing_to_judge() -> None:
    facts = scenario("lunch", {"students.ann.enrollments": {}}, without=["change.calendar_id"])
    explanation = _explain(facts)
    idle = Verdict.NOT_APPLICABLE
    assert _row(explanation.gates, Gate.ACTIVE_YEAR).verdict is idle
    assert _row(explanation.gates, Gate.CALENDAR_ENABLED).verdict is idle
    assert _row(_person(explanation, "mom").gates, Gate.TOOL_SHOWN).verdict is idle
    assert _row(explanation.gates, Gate.ENROLLED).reason is RefusalReason.NOT_ENROLLED


def test_an_unknown_calendar_fails_and_leaves_its_options_alone() -> None:
    explanation = _given({"change.calendar_id": "pine"})
    assert _row(explanation.gates, Gate.ACTIVE_YEAR).verdict is Verdict.FAILED
    assert _row(explanation.gates, Gate.CALENDAR_ENABLED).verdict is Verdict.NOT_APPLICABLE


def test_the_gates_of_the_change_show_their_facts() -> None:
    explanation = _given({"moment.lateness": "1h", "update.known_time": None})
    assert _facts(_row(explanation.gates, Gate.DISTRICT_ENABLED)) == {"enabled": "true"}
    assert _facts(_row(explanation.gates, Gate.KIND_LICENSED)) == {
        "licensed_kinds": "ASSIGNMENT ATTENDANCE GRADE LUNCH_BALANCE RESPONSIVE_SCHEDULE"
    }
    assert _facts(_row(explanation.gates, Gate.TIMELY)) == {
        "historical": "false",
        "lateness": "1h",
        "time_to_live": "3d",
    }
    assert _facts(_row(explanation.gates, Gate.NEWEST)) == {
        "occur_time": "2026-09-15T17:00:00+00:00",
        "known_time": "",
    }


def test_the_gates_of_the_calendar_show_their_facts() -> None:
    explanation = _given({})
    assert _row(explanation.gates, Gate.ACTIVE_YEAR).facts == (
        SeenFact("active_school_year", "2027", EntityKind.DISTRICT, "maple-valley"),
        SeenFact("school_year", "2027", EntityKind.CALENDAR, "maple"),
    )
    assert _row(explanation.gates, Gate.CALENDAR_ENABLED).facts == (
        SeenFact("display_enabled", "true", EntityKind.CALENDAR, "maple"),
        SeenFact("term_enabled", "true", EntityKind.TERM, "fall"),
    )
    assert _row(_person(explanation, "mom").gates, Gate.TOOL_SHOWN).facts == (
        SeenFact("tool_shown", "true", EntityKind.CALENDAR, "maple"),
    )
    assert _row(explanation.gates, Gate.ENROLLED).facts == (
        SeenFact("student_active", "true", EntityKind.USER, "ann"),
        SeenFact("judged_date", "2026-09-15", EntityKind.CHANGE, "c1"),
        SeenFact("start_date", "2026-08-17", EntityKind.ENROLLMENT, "main"),
        SeenFact("end_date", "", EntityKind.ENROLLMENT, "main"),
        SeenFact("portal_visible", "true", EntityKind.ENROLLMENT, "main"),
    )


def test_a_term_that_is_not_enabled_is_seen() -> None:
    explanation = _given({"calendars.maple.display_options.disabled_term_ids": ["fall"]})
    assert _facts(_row(explanation.gates, Gate.CALENDAR_ENABLED))["term_enabled"] == "false"


def test_the_gates_of_a_person_show_their_facts() -> None:
    mom = _person(_given({"district.adult_students": "STOP_AT_18"}), "mom")
    assert _facts(_row(mom.gates, Gate.RELATED)) == {
        "school_day": "2026-09-15",
        "student_of_age": "false",
        "adult_students": "STOP_AT_18",
        "relation": "mother",
        "relationship_active": "true",
        "portal_enabled": "true",
        "barred": "false",
        "adult_consent": "false",
        "start_date": "",
        "end_date": "",
    }
    assert _facts(_row(mom.gates, Gate.ACCOUNT)) == {
        "account_enabled": "true",
        "account_active": "true",
        "device_count": "1",
    }


def test_the_gates_of_a_device_show_their_facts() -> None:
    phone = explained(
        _given({"district.minimum_versions.family.IOS": {"os_version": "17", "app_version": "5"}}),
        "mom-phone",
    )
    assert _facts(_row(phone.gates, Gate.DEVICE_USABLE)) == {
        "retirement": "",
        "app_id": "family",
        "platform": "IOS",
        "os_version": "18.2",
        "app_version": "5.3.1",
        "app": "PARENT",
        "minimum_os_version": "17",
        "minimum_app_version": "5",
    }
    assert _facts(_row(phone.gates, Gate.STAYS_LOGGED_IN)) == {"stay_logged_in": "true"}
    assert _facts(_row(phone.gates, Gate.SUBSCRIBED)) == {
        "muted": "false",
        "subscription_enabled": "true",
        "subscription_level": "DEVICE",
    }


@pytest.mark.parametrize(
    ("given", "level"),
    [
        ({}, "DEVICE"),
        ({"devices.mom-phone.subscriptions": {}}, "PERSON"),
        ({"devices.mom-phone.subscriptions": {}, "users.mom.subscriptions": {}}, "DISTRICT"),
    ],
)
def test_a_choice_is_seen_where_it_is_stored(given: dict[str, Any], level: str) -> None:
    chosen = {"PARENT": {"ann": {"GRADE": {"enabled": True}}}}
    phone = explained(_given({"users.mom.subscriptions": chosen} | given), "mom-phone")
    row = _row(phone.gates, Gate.SUBSCRIBED)
    assert _facts(row)["subscription_level"] == level
    person = (EntityKind.PERSON_SUBSCRIPTION, "mom")
    device = (EntityKind.SUBSCRIPTION, "mom-phone")
    entities = {(one.entity, one.entity_id) for one in row.facts if one.name != "muted"}
    assert entities == {person if level == "PERSON" else device}
    conditions = _row(phone.gates, Gate.CONDITION).facts
    assert all((one.entity, one.entity_id) in entities for one in conditions[:1])


def test_an_app_that_is_not_the_district_s_has_no_side() -> None:
    phone = explained(
        _given({"devices.mom-phone.app_id": "x", "devices.mom-phone.retirement": "STALE"}),
        "mom-phone",
    )
    facts = _facts(_row(phone.gates, Gate.DEVICE_USABLE))
    assert (facts["app"], facts["retirement"]) == ("", "STALE")


def test_a_condition_shows_its_facts() -> None:
    condition = {
        "below_percent": 70,
        "limit_trigger": "WHILE_BELOW",
        "actions": ["SCORED", "MISSING"],
    }
    facts = {
        "devices.mom-phone.subscriptions.ann.ASSIGNMENT": {"enabled": True, "condition": condition},
        "known.percent": 75,
    }
    row = _row(explained(_given(facts, "assignment"), "mom-phone").gates, Gate.CONDITION)
    assert _facts(row) == {
        "actions": "MISSING SCORED",
        "below": "70",
        "limit_trigger": "WHILE_BELOW",
        "limit_time": "",
        "number": "65",
        "known_number": "75",
        "correction": "false",
    }


def test_the_condition_of_each_kind_shows_what_was_chosen() -> None:
    chosen = {
        "grade": ("GRADE", {"below_percent": 70}),
        "attendance": ("ATTENDANCE", {"statuses": ["TARDY"], "excuses": ["UNEXCUSED"]}),
        "lunch": ("LUNCH_BALANCE", {"below_balance": 5}),
    }
    shown = {}
    for change, (kind, condition) in chosen.items():
        path = f"devices.mom-phone.subscriptions.ann.{kind}"
        explanation = _given({path: {"enabled": True, "condition": condition}}, change)
        row = _row(explained(explanation, "mom-phone").gates, Gate.CONDITION)
        shown[change] = {
            fact.name: fact.value
            for fact in row.facts
            if fact.entity is EntityKind.SUBSCRIPTION and fact.value
        }
    assert shown == {
        "grade": {"below": "70", "limit_trigger": "ON_CROSSING"},
        "attendance": {"statuses": "TARDY", "excuses": "UNEXCUSED"},
        "lunch": {"below": "5", "limit_trigger": "ON_CROSSING"},
    }


def test_the_value_is_shown_as_known_and_new() -> None:
    phone = explained(_given({"known.percent": 75}), "mom-phone")
    facts = _facts(_row(phone.gates, Gate.VALUE_CHANGED))
    assert "75" in facts.pop("known_value")
    assert "65" in facts.pop("new_value")
    assert facts == {"changed": "true", "same_setter": "false"}
    unknown = explained(_given({}), "mom-phone")
    assert _facts(_row(unknown.gates, Gate.NOT_ALREADY_TOLD))["known_value"] == ""


_OWNERS = {
    Gate.DISTRICT_ENABLED: {(EntityKind.DISTRICT, "maple-valley")},
    Gate.KIND_LICENSED: {(EntityKind.DISTRICT, "maple-valley")},
    Gate.TIMELY: {(EntityKind.CHANGE, "c1")},
    Gate.ACTIVE_YEAR: {(EntityKind.DISTRICT, "maple-valley"), (EntityKind.CALENDAR, "maple")},
    Gate.CALENDAR_ENABLED: {(EntityKind.CALENDAR, "maple"), (EntityKind.TERM, "fall")},
    Gate.TOOL_SHOWN: {(EntityKind.CALENDAR, "maple")},
    Gate.ENROLLED: {
        (EntityKind.USER, "ann"),
        (EntityKind.CHANGE, "c1"),
        (EntityKind.ENROLLMENT, "main"),
    },
    Gate.RELATED: {
        (EntityKind.CHANGE, "c1"),
        (EntityKind.USER, "ann"),
        (EntityKind.DISTRICT, "maple-valley"),
        (EntityKind.BAR, "mom"),
        (EntityKind.RELATIONSHIP, "mom"),
    },
    Gate.ACCOUNT: {(EntityKind.USER, "mom")},
    Gate.DEVICE_USABLE: {
        (EntityKind.DEVICE, "mom-phone"),
        (EntityKind.DISTRICT, "maple-valley"),
    },
    Gate.STAYS_LOGGED_IN: {(EntityKind.DEVICE, "mom-phone")},
    Gate.SUBSCRIBED: {(EntityKind.DEVICE, "mom-phone"), (EntityKind.SUBSCRIPTION, "mom-phone")},
    Gate.CONDITION: {(EntityKind.SUBSCRIPTION, "mom-phone"), (EntityKind.FACT, "the fact")},
    Gate.VALUE_CHANGED: {(EntityKind.FACT, "the fact")},
    Gate.NOT_ALREADY_TOLD: {(EntityKind.FACT, "the fact")},
    Gate.NEWEST: {(EntityKind.CHANGE, "c1"), (EntityKind.FACT, "the fact")},
}


def test_every_fact_says_whose_it_is() -> None:
    (mom,) = _explain(scenario(given={"update.key": "the fact"}), user_id="mom").recipients
    explanation = _given({"update.key": "the fact"})
    rows = (*explanation.gates, *mom.gates, *mom.devices[0].gates)
    owners = {row.gate: {(fact.entity, fact.entity_id) for fact in row.facts} for row in rows}
    assert owners == _OWNERS


def test_bars_are_seen_with_their_origin_also_of_the_unrelated() -> None:
    given = {"students.ann.bars": {"mom": ["", "sis"], "aunt": ["vendor"]}, "users.aunt": {}}
    mom = _row(_person(_given(given), "mom").gates, Gate.RELATED)
    bars = [fact for fact in mom.facts if fact.entity is EntityKind.BAR]
    assert [(fact.name, fact.value, fact.entity_id) for fact in bars] == [
        ("barred", "true", "mom\n"),
        ("bar_origin", "district", "mom\n"),
        ("barred", "true", "mom\nsis"),
        ("bar_origin", "source", "mom\nsis"),
    ]
    (aunt,) = _explain(scenario(given=given), user_id="aunt").recipients
    assert _row(aunt.gates, Gate.RELATED).reason is RefusalReason.BARRED


def test_dates_and_times_are_seen() -> None:
    known = dt.datetime(2026, 9, 14, 12, tzinfo=dt.UTC)
    explanation = _given(
        {
            "update.known_time": known,
            "students.ann.enrollments.main.end_date": dt.date(2027, 6, 4),
            "students.ann.guardians.mom.start_date": dt.date(2026, 1, 2),
            "students.ann.guardians.mom.end_date": dt.date(2027, 1, 2),
        }
    )
    assert _facts(_row(explanation.gates, Gate.NEWEST))["known_time"] == known.isoformat()
    assert _facts(_row(explanation.gates, Gate.ENROLLED))["end_date"] == "2027-06-04"
    relationship = _facts(_row(_person(explanation, "mom").gates, Gate.RELATED))
    assert (relationship["start_date"], relationship["end_date"]) == ("2026-01-02", "2027-01-02")


def test_a_number_from_before_the_limit_is_seen_as_unknown() -> None:
    limit_time = dt.datetime(2026, 9, 10, tzinfo=dt.UTC)
    condition = {"enabled": True, "condition": {"below_percent": 70}, "limit_time": limit_time}
    explanation = _given(
        {
            "devices.mom-phone.subscriptions.ann.GRADE": condition,
            "known.percent": 68,
            "known_set": limit_time - dt.timedelta(seconds=1),
        }
    )
    facts = _facts(_row(explained(explanation, "mom-phone").gates, Gate.CONDITION))
    assert (facts["limit_time"], facts["known_number"]) == (limit_time.isoformat(), "")


def test_an_unknown_person_has_an_account_that_is_neither_enabled_nor_active() -> None:
    (person,) = _explain(scenario(), user_id="nobody").recipients
    assert person.user_id == "nobody"
    assert _facts(_row(person.gates, Gate.ACCOUNT)) == {
        "account_enabled": "false",
        "account_active": "false",
        "device_count": "0",
    }


def test_age_is_seen_on_the_school_day() -> None:
    birthday = dt.date(2008, 9, 15)
    mom = _person(_given({"students.ann.account.birth_date": birthday}), "mom")
    assert _facts(_row(mom.gates, Gate.RELATED))["student_of_age"] == "true"


@pytest.mark.parametrize(
    ("span", "text"),
    [
        (dt.timedelta(days=3), "3d"),
        (dt.timedelta(minutes=90), "1h 30m"),
        (dt.timedelta(seconds=139.6597), "2m 19.66s"),
        (dt.timedelta(0), "0s"),
        (dt.timedelta(hours=-1), "-1h"),
    ],
)
def test_a_span_is_told_in_no_language(span: dt.timedelta, text: str) -> None:
    assert text_of(span) == text
