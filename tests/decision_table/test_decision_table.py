"""Every gate both ways and at its edges, row by row."""

from __future__ import annotations

import pytest

from schoolbell_server.domain.decision import Refusal
from schoolbell_server.domain.eligibility import decide
from schoolbell_server.domain.explain import Explanation, GateRow, explain
from schoolbell_server.domain.kinds import AppType, Gate, RefusalReason
from tests.decision_table.rows import ROWS, Row
from tests.decision_table.scenario import Scenario, scenario
from tests.unit.domain.verdicts import device_of, explained, refusal_of


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_a_row_of_the_table(row: Row) -> None:
    facts = scenario(row.change, row.given, row.without)
    refusal = _decided(facts, row)
    if row.expect in ("told", "correction"):
        assert refusal is None
        decision = decide(facts.change, facts.moment, facts.update, facts.world, facts.baselines)
        assert device_of(decision, row.device).correction == (row.expect == "correction")
    else:
        gate, reason = row.expect.split()
        assert refusal is not None
        assert (refusal.gate, refusal.reason) == (Gate(int(gate)), RefusalReason[reason])
        assert row.value in (None, refusal.value)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_an_explanation_agrees_with_the_row(row: Row) -> None:
    facts = scenario(row.change, row.given, row.without)
    explanation = explain(
        facts.change,
        facts.moment,
        facts.update,
        facts.world,
        facts.baselines,
        user_id=row.user_id(),
    )
    failure = _explained_failure(explanation, row)
    refusal = _decided(facts, row)
    if refusal is None:
        assert failure is None
    else:
        assert failure is not None
        assert (failure.gate, failure.reason, failure.value) == (
            refusal.gate,
            refusal.reason,
            refusal.value,
        )


def _decided(facts: Scenario, row: Row) -> Refusal | None:
    decision = decide(facts.change, facts.moment, facts.update, facts.world, facts.baselines)
    unrelated = row.expect == "8 NO_RELATIONSHIP"
    if unrelated:
        assert row.user_id() not in {recipient.user_id for recipient in decision.recipients}
        return Refusal(Gate.RELATED, RefusalReason.NO_RELATIONSHIP)
    app = AppType.STUDENT if row.user_id() == facts.change.student_id else AppType.PARENT
    return refusal_of(decision, app, row.user_id(), row.device)


def _explained_failure(explanation: Explanation, row: Row) -> GateRow | None:
    (recipient,) = explanation.recipients
    if row.device and recipient.devices:
        return explained(explanation, row.device).first_failure
    return recipient.first_failure


def test_the_table_walks_every_gate_and_every_reason() -> None:
    reasons = {row.expect.split()[1] for row in ROWS if " " in row.expect}
    gates = {int(row.expect.split()[0]) for row in ROWS if " " in row.expect}
    assert gates == set(map(int, Gate))
    assert reasons == {reason.name for reason in RefusalReason}


def test_the_table_has_no_row_twice() -> None:
    names = [row.name for row in ROWS]
    assert len(names) == len(set(names))
    assert len(names) >= 150
