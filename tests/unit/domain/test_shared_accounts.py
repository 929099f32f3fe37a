"""A lunch account that siblings share: each person is told once, of the children they may see."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from schoolbell_server.domain.acceptance import Plan
from schoolbell_server.domain.decision import Decision, DecisionRecord, Refusal
from schoolbell_server.domain.fact_keys import fact_key
from schoolbell_server.domain.kinds import AppType, Gate, Kind, RefusalReason
from schoolbell_server.domain.kinds.lunch_balance import BalanceValue
from schoolbell_server.domain.shared import Rechecked, recheck_all
from schoolbell_server.domain.world import Subscription, World
from schoolbell_storage.decision_records import decode_record, encode_record
from tests.unit.domain.family import (
    ANN,
    BOB,
    DAD,
    EVERY,
    MOM,
    NONE,
    STEP,
    below,
    family,
    shared,
    single,
)
from tests.unit.domain.happenings import TODAY, at
from tests.unit.domain.town import Town


def told(made: Plan) -> dict[str, tuple[str, ...]]:
    """Return, by device, of whom each is told."""
    return {
        one.device_id: (one.student_id, *one.told.shared_student_ids)
        for one in made.deliveries
        if one.superseded_by is None
    }


def refusal(decision: Decision, user_id: str) -> Refusal | None:
    """Return what was recorded of a person, on the person or the only device."""
    (one,) = [one for one in decision.recipients if one.user_id == user_id]
    return one.refusal or one.devices[0].refusal


def test_a_shared_balance_tells_each_person_once_of_whom_they_may_see() -> None:
    made = Town(family()).publish(shared("-5.50"))
    assert told(made) == {
        ANN: (ANN,),
        BOB: (BOB,),
        MOM: (ANN, BOB),
        DAD: (ANN,),
        STEP: (BOB,),
    }


def test_the_order_of_the_names_is_the_change_s() -> None:
    made = Town(family()).publish(shared("-5.50", first=BOB, other=ANN))
    assert told(made)[MOM] == (BOB, ANN)


def test_two_changes_of_one_account_tell_a_mother_once_and_a_stepfather_still() -> None:
    """Reproduced before the account was one fact: the mother of both was told twice."""
    town = Town(family())
    assert told(town.publish(single("-5.50", ANN))) == {ANN: (ANN,), MOM: (ANN,), DAD: (ANN,)}
    town.attempt()
    made = town.publish(single("-5.50", BOB, 1))
    assert told(made) == {BOB: (BOB,), STEP: (BOB,)}
    found = refusal(made.decisions[0], MOM)
    assert found == Refusal(Gate.NOT_ALREADY_TOLD, RefusalReason.ALREADY_TOLD)


@pytest.mark.parametrize("minute", [-1, 0, 1])
def test_in_one_batch_and_whichever_occurred_first(minute: float) -> None:
    made = Town(family()).publish(single("-5.50", ANN), single("-5.50", BOB, minute))
    assert sorted(one.device_id for one in made.deliveries) == sorted([ANN, BOB, MOM, DAD, STEP])


def test_a_second_change_that_arrives_out_of_order_is_not_older() -> None:
    town = Town(family())
    town.publish(single("-5.50", ANN, 5))
    assert told(town.publish(single("-5.50", BOB, 4))) == {BOB: (BOB,), STEP: (BOB,)}


def test_another_value_that_is_older_is_refused_for_every_sibling() -> None:
    town = Town(family())
    town.publish(single("-5.50", ANN, 5))
    made = town.publish(single("9", BOB, 4))
    assert made.decisions[0].refusal is not None
    assert made.decisions[0].refusal.reason is RefusalReason.OLDER_THAN_KNOWN
    assert town.states[fact_key(single("1", ANN))].value == BalanceValue(Decimal("-5.50"))


def test_the_same_balance_again_is_unchanged_for_everybody() -> None:
    town = Town(family())
    town.publish(shared("-5.50"))
    town.attempt()
    for again in (shared("-5.50", 1), single("-5.50", ANN, 2), single("-5.50", BOB, 3)):
        assert told(town.publish(again)) == {}


def test_a_balance_that_goes_and_comes_back_is_told_again() -> None:
    town = Town(family())
    for minute, amount in enumerate(("-5", "3", "-5")):
        made = town.publish(single(amount, ANN if minute != 1 else BOB, minute))
        assert MOM in told(made)
        town.attempt()


def test_a_newer_balance_supersedes_only_what_its_own_people_wait_for() -> None:
    """Reproduced: the father of Ann alone was told nothing once Bob's lunch was bought."""
    town = Town(family())
    town.publish(single("-5.50", ANN))
    made = town.publish(single("-7.50", BOB, 1))
    assert {town.told[name].device_id for name in made.superseded} == {MOM}
    assert told(made).keys() == {BOB, MOM, STEP}
    assert len(town.waiting) == 5


def test_a_stale_balance_that_waits_goes_once_the_newest_is_said_for_its_student() -> None:
    town = Town(family())
    town.publish(single("-5.50", ANN))
    town.publish(single("-7.50", BOB, 1))
    made = town.publish(single("-7.50", ANN, 2))
    assert {town.told[name].device_id for name in made.superseded} == {ANN, DAD}
    assert told(made) == {ANN: (ANN,), DAD: (ANN,)}


class TestSubscriptions:
    """One of the siblings is enough."""

    @pytest.mark.parametrize("wanted", [ANN, BOB])
    def test_to_one_of_the_siblings_tells_of_all(self, wanted: str) -> None:
        other = BOB if wanted == ANN else ANN
        town = Town(family({(MOM, wanted): EVERY, (MOM, other): NONE}))
        assert told(town.publish(shared("-5.50")))[MOM] == (ANN, BOB)

    def test_to_none_is_recorded_once(self) -> None:
        town = Town(family({(MOM, ANN): NONE, (MOM, BOB): NONE}))
        made = town.publish(shared("-5.50"))
        assert MOM not in told(made)
        (one,) = [one for one in made.decisions[0].recipients if one.user_id == MOM]
        assert [device.refusal for device in one.devices] == [
            Refusal(Gate.SUBSCRIBED, RefusalReason.NOT_SUBSCRIBED)
        ]

    def test_the_furthest_refusal_is_recorded(self) -> None:
        town = Town(family({(MOM, ANN): NONE, (MOM, BOB): below("-10")}))
        found = refusal(town.publish(shared("-5.50")).decisions[0], MOM)
        assert found == Refusal(Gate.CONDITION, RefusalReason.NOT_BELOW_LIMIT, "-5.50")

    def test_one_whose_condition_holds_is_enough(self) -> None:
        town = Town(family({(MOM, ANN): below("-10"), (MOM, BOB): below("0")}))
        assert told(town.publish(shared("-5.50")))[MOM] == (ANN, BOB)

    def test_to_the_second_alone_is_told_by_the_second_change(self) -> None:
        town = Town(family({(MOM, ANN): NONE, (MOM, BOB): EVERY}))
        assert MOM not in told(town.publish(single("-5.50", ANN)))
        assert told(town.publish(single("-5.50", BOB, 1)))[MOM] == (BOB,)

    @pytest.mark.parametrize("wish", [below("0"), EVERY])
    def test_a_limit_crosses_for_the_second_s_own_people_too(self, wish: Subscription) -> None:
        town = Town(family({(STEP, BOB): wish, (MOM, ANN): wish, (MOM, BOB): wish}))
        town.publish(shared("10"))
        town.attempt()
        assert MOM in told(town.publish(single("-5", ANN, 1)))
        town.attempt()
        assert told(town.publish(single("-5", BOB, 2))).keys() == {BOB, STEP}


class TestWhomAPersonMaySee:
    """Every gate is each student's own."""

    def test_a_barred_parent_is_told_of_the_other_child_alone(self) -> None:
        town = Town(family(mom_bob={"barred": True}))
        assert told(town.publish(shared("-5.50")))[MOM] == (ANN,)

    def test_a_parent_without_the_portal_flag_for_either_is_not_told(self) -> None:
        off = {"portal_enabled": False}
        town = Town(family(mom_ann=off, mom_bob=off))
        found = refusal(town.publish(shared("-5.50")).decisions[0], MOM)
        assert found == Refusal(Gate.RELATED, RefusalReason.PORTAL_OFF)

    def test_a_student_who_left_takes_nobody_along(self) -> None:
        facts = family()
        ann = replace(facts.students[ANN], enrollments=())
        town = Town(replace(facts, students={**facts.students, ANN: ann}))
        made = town.publish(shared("-5.50"))
        assert told(made) == {BOB: (BOB,), MOM: (BOB,), STEP: (BOB,)}
        decision = made.decisions[0]
        assert decision.refusal is None
        for person in (ANN, DAD):
            assert refusal(decision, person) == Refusal(
                Gate.ENROLLED, RefusalReason.NOT_ENROLLED, TODAY.isoformat()
            )

    def test_of_students_who_all_left_the_change_is_refused(self) -> None:
        facts = family()
        students = {name: replace(one, enrollments=()) for name, one in facts.students.items()}
        made = Town(replace(facts, students=students)).publish(shared("-5.50"))
        assert made.decisions[0].refusal is not None
        assert made.decisions[0].recipients == ()

    def test_a_tool_that_is_hidden_at_one_school_ends_that_side_alone(self) -> None:
        town = Town(_hidden(family(), "maple:2027"))
        made = town.publish(shared("-5.50"))
        assert told(made).keys() == {ANN, BOB, MOM, STEP}
        assert told(made)[MOM] == (BOB,)
        found = refusal(made.decisions[0], DAD)
        assert found == Refusal(Gate.TOOL_SHOWN, RefusalReason.TOOL_HIDDEN, "PARENT")

    def test_a_tool_that_is_hidden_at_both_is_recorded_for_the_app(self) -> None:
        town = Town(_hidden(_hidden(family(), "maple:2027"), "oak:2027"))
        made = town.publish(shared("-5.50"))
        assert told(made).keys() == {ANN, BOB}
        assert dict(made.decisions[0].app_refusals).keys() == {AppType.PARENT}

    def test_a_calendar_is_that_of_the_change_s_own_student(self) -> None:
        named = replace(shared("-5.50"), calendar_id="maple:2027")
        assert told(Town(family()).publish(named))[STEP] == (BOB,)


def _hidden(facts: World, calendar_id: str) -> World:
    calendar = facts.calendars[calendar_id]
    shown = {AppType.PARENT: frozenset[Kind](), AppType.STUDENT: frozenset(Kind)}
    options = replace(calendar.display_options, app_kinds=shown)
    changed = replace(calendar, display_options=options)
    return replace(facts, calendars={**facts.calendars, calendar_id: changed})


def test_a_guardian_who_is_a_sibling_too_is_recorded_once() -> None:
    """A grown-up student may be the guardian of another who shares the account."""
    facts = family()
    bob = facts.students[BOB]
    relationship = replace(bob.relationships[0], guardian=facts.students[ANN].student)
    grown = replace(bob, relationships=(*bob.relationships, relationship))
    made = Town(replace(facts, students={**facts.students, BOB: grown})).publish(shared("1"))
    people = [one.user_id for one in made.decisions[0].recipients]
    assert sorted(people) == sorted(set(people))
    assert [one.app for one in made.deliveries if one.device_id == ANN] == [AppType.STUDENT]


def test_a_decision_on_several_students_is_kept_as_it_is() -> None:
    (decision,) = Town(family()).publish(shared("-5.50")).decisions
    record = DecisionRecord(decision=decision, facts_version=1, decide_time=at(0))
    assert decode_record(encode_record(record)) == record


class TestRecheck:
    """Before an attempt, and when the text is fetched."""

    def _recheck(self, facts: World, user_id: str = MOM) -> Rechecked:
        change = shared("-5.50")
        return recheck_all(change, (ANN, BOB), user_id, user_id, TODAY, facts)

    def test_lets_through_what_still_holds(self) -> None:
        assert self._recheck(family()) == Rechecked(None, (ANN, BOB))

    def test_a_child_whom_the_person_may_no_longer_see_is_not_named(self) -> None:
        assert self._recheck(family(mom_ann={"barred": True})) == Rechecked(None, (BOB,))

    def test_a_subscription_to_one_is_enough(self) -> None:
        assert self._recheck(family({(MOM, ANN): NONE})) == Rechecked(None, (ANN, BOB))

    def test_the_furthest_refusal_stops_it(self) -> None:
        facts = family({(MOM, BOB): NONE}, mom_ann={"barred": True})
        refused = Refusal(Gate.SUBSCRIBED, RefusalReason.NOT_SUBSCRIBED)
        assert self._recheck(facts) == Rechecked(refused, (BOB,))

    def test_nobody_is_named_to_a_stranger(self) -> None:
        assert self._recheck(family(), "stranger").student_ids == ()


def test_who_shares_an_account_is_remembered_up_to_a_number() -> None:
    town = Town(family())
    town.publish(single("1", ANN), single("2", BOB, 1))
    key = fact_key(single("1", ANN))
    assert town.states[key].students == (ANN, BOB)
    for number in range(150):
        town.publish(single("3", f"s{number}", 2 + number))
    assert town.states[key].students == tuple(f"s{number}" for number in range(50, 150))
