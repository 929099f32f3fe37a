"""The shape of a decision: who is in it, in which order, and where a refusal stands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from schoolbell_server.domain.decision import Decision, Refusal
from schoolbell_server.domain.eligibility import decide
from schoolbell_server.domain.fact import Baseline, Previous
from schoolbell_server.domain.kinds import AppType, Gate, RefusalReason
from schoolbell_server.domain.kinds.grade import GradeValue
from schoolbell_server.domain.world import RelationshipFacts, StudentFacts, UserFacts
from tests.decision_table.scenario import Scenario, scenario
from tests.unit.domain.verdicts import device_of

_HIDDEN = {"calendars.maple.display_options.app_kinds": {"STUDENT": ["GRADE"], "PARENT": []}}


def _decide(facts: Scenario) -> Decision:
    return decide(facts.change, facts.moment, facts.update, facts.world, facts.baselines)


def _given(given: Mapping[str, Any]) -> Decision:
    return _decide(scenario(given=given))


def _with_relationships(*relationships: RelationshipFacts) -> Decision:
    facts = scenario()
    ann = replace(facts.world.students["ann"], relationships=relationships)
    return _decide(replace(facts, world=replace(facts.world, students={"ann": ann})))


def _mom() -> UserFacts:
    return scenario().world.users["mom"]


def test_the_student_comes_first_then_guardians_by_id() -> None:
    decision = _given({})
    assert [(one.user_id, one.app) for one in decision.recipients] == [
        ("ann", AppType.STUDENT),
        ("dad", AppType.PARENT),
        ("mom", AppType.PARENT),
    ]
    assert [device.device_id for _, device in decision.told()] == [
        "ann-phone",
        "dad-phone",
        "mom-phone",
    ]


def test_a_refused_person_keeps_the_app() -> None:
    decision = _given({"users.mom.enabled": False, "students.ann.account.enabled": False})
    assert [(one.user_id, one.app) for one in decision.recipients if one.refusal] == [
        ("ann", AppType.STUDENT),
        ("mom", AppType.PARENT),
    ]


def test_devices_come_by_id() -> None:
    tablet = {"user": "mom", "app_id": "family", "platform": "IOS"}
    decision = _given({"devices.mom-a": tablet, "devices.mom-z": tablet})
    mom = decision.recipients[-1]
    assert [device.device_id for device in mom.devices] == ["mom-a", "mom-phone", "mom-z"]


def test_a_change_gate_leaves_nobody() -> None:
    decision = _given({"district.enabled": False})
    assert decision == Decision(
        refusal=Refusal(Gate.DISTRICT_ENABLED, RefusalReason.DISTRICT_DISABLED)
    )


def test_a_hidden_tool_ends_one_side() -> None:
    decision = _given(_HIDDEN)
    hidden = Refusal(Gate.TOOL_SHOWN, RefusalReason.TOOL_HIDDEN, "PARENT")
    assert decision.refusal is None
    assert decision.app_refusals == ((AppType.PARENT, hidden),)
    assert [one.user_id for one in decision.recipients] == ["ann"]


def test_a_tool_hidden_in_both_apps_ends_the_decision() -> None:
    decision = _given(
        {"calendars.maple.display_options.app_kinds": {}, "students.ann.enrollments": {}}
    )
    assert [app for app, _ in decision.app_refusals] == [AppType.STUDENT, AppType.PARENT]
    assert decision.refusal is None
    assert decision.recipients == ()


def test_a_later_gate_of_the_change_stands_beside_the_side_that_ended() -> None:
    decision = _given({**_HIDDEN, "update.older": True})
    assert [app for app, _ in decision.app_refusals] == [AppType.PARENT]
    assert decision.refusal == Refusal(Gate.NEWEST, RefusalReason.OLDER_THAN_KNOWN)
    assert [refusal.gate for refusal in decision.refusals()] == [Gate.NEWEST, Gate.TOOL_SHOWN]


def test_a_calendar_that_is_not_enabled_ends_no_side_by_itself() -> None:
    decision = _given({**_HIDDEN, "calendars.maple.display_options.enabled": False})
    assert decision.app_refusals == ()
    assert decision.refusal == Refusal(Gate.CALENDAR_ENABLED, RefusalReason.CALENDAR_DISABLED)


def test_a_guardian_of_two_relationships_is_judged_once() -> None:
    relationship = RelationshipFacts(guardian=_mom(), portal_enabled=True)
    decision = _with_relationships(relationship, replace(relationship, portal_enabled=False))
    assert [one.user_id for one in decision.recipients] == ["ann", "mom"]
    assert decision.recipients[1].refusal is None


def test_a_bar_beats_every_relationship() -> None:
    decision = _given({"students.ann.bars.mom": [""]})
    mom = next(one for one in decision.recipients if one.user_id == "mom")
    assert mom.refusal == Refusal(Gate.RELATED, RefusalReason.BARRED)


def test_of_two_closed_relationships_one_cause_is_told_in_any_order() -> None:
    hidden = RelationshipFacts(guardian=_mom())
    ended = replace(hidden, active=False)
    refusals = {
        _with_relationships(*relationships).recipients[1].refusal
        for relationships in ((hidden, ended), (ended, hidden))
    }
    assert refusals == {Refusal(Gate.RELATED, RefusalReason.PORTAL_OFF)}


def test_a_student_is_nobody_s_guardian_of_oneself() -> None:
    facts = scenario()
    ann: StudentFacts = facts.world.students["ann"]
    decision = _with_relationships(RelationshipFacts(guardian=ann.student, portal_enabled=True))
    assert [(one.user_id, one.app) for one in decision.recipients] == [("ann", AppType.STUDENT)]


def test_a_parent_who_is_a_student_too_is_told_in_the_parents_app_only() -> None:
    own = {"app_id": "pupil", "platform": "IOS", "stay_logged_in": True, "user": "mom"}
    decision = _given({"devices.mom-school": own})
    assert device_of(decision, "mom-phone").refusal is None
    refusal = device_of(decision, "mom-school").refusal
    assert refusal == Refusal(Gate.DEVICE_USABLE, RefusalReason.WRONG_APP, "STUDENT")


def test_a_device_keeps_the_baseline_it_was_judged_against() -> None:
    facts = scenario(given={"known.percent": 65})
    before = Previous(value=GradeValue(mark="before"))
    decision = _decide(replace(facts, baselines={"mom-phone": Baseline(previous=before)}))
    assert device_of(decision, "mom-phone").previous == before
    assert device_of(decision, "dad-phone").previous == facts.update.previous


def test_a_refused_correction_is_none() -> None:
    told = {"value": {"status": "ABSENT"}, "attempted": True}
    facts = scenario(
        "attendance",
        {
            "payloads.attendance.status": "PRESENT",
            "known.status": "ABSENT",
            "baseline.mom-phone": told,
            "devices.mom-phone.stay_logged_in": False,
        },
    )
    assert not device_of(_decide(facts), "mom-phone").correction
