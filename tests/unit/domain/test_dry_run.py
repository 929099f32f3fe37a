"""A dry run counts each person and device once a change, each refusal where it is recorded."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from schoolbell_server.domain.decision import Decision
from schoolbell_server.domain.dry_run import DryRun, dry_run
from schoolbell_server.domain.eligibility import decide
from schoolbell_server.domain.kinds import Gate, RefusalReason
from tests.decision_table.scenario import scenario


def _decision(given: Mapping[str, Any]) -> Decision:
    facts = scenario(given=given)
    return decide(facts.change, facts.moment, facts.update, facts.world, facts.baselines)


def test_nothing_is_counted_of_no_changes() -> None:
    assert dry_run([]) == DryRun(recipients=0, devices=0, refusals={})


def test_a_person_counts_once_a_change_however_many_devices() -> None:
    tablet = {
        "user": "mom",
        "app_id": "family",
        "platform": "IOS",
        "stay_logged_in": True,
        "subscriptions": {"ann": {"GRADE": {"enabled": True}}},
    }
    counted = dry_run([_decision({"devices.mom-tablet": tablet}), _decision({})])
    assert counted == DryRun(recipients=6, devices=7, refusals={})


def test_refusals_are_counted_by_gate_and_reason() -> None:
    off = _decision({"district.enabled": False})
    barred = _decision({"students.ann.bars": {"mom": ["sis"], "dad": [""]}})
    counted = dry_run([off, off, barred])
    assert (counted.recipients, counted.devices) == (1, 1)
    assert counted.refusals == {
        (Gate.DISTRICT_ENABLED, RefusalReason.DISTRICT_DISABLED): 2,
        (Gate.RELATED, RefusalReason.BARRED): 2,
    }
