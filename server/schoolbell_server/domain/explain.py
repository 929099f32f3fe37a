"""Why somebody is, or is not, told of a change: every gate, with the facts it sees.

The rows come from the very rules that decide, so the first row that failed is the gate that a
decision over the same facts records.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import IntEnum, unique
from operator import attrgetter

from schoolbell_server.domain.calendar_gates import (
    PLACE_RULES,
    TOOL_SHOWN,
    AppCase,
    Survey,
    survey,
)
from schoolbell_server.domain.cases import (
    ChangeCase,
    DeviceCase,
    RecipientCase,
    change_case,
    device_case,
    named_recipient,
    places,
    recipients,
)
from schoolbell_server.domain.change import Change
from schoolbell_server.domain.change_gates import ARRIVAL_RULES, NEWEST
from schoolbell_server.domain.condition_gate import is_correction
from schoolbell_server.domain.decision import Moment
from schoolbell_server.domain.device_gates import DEVICE_RULES
from schoolbell_server.domain.fact import Baseline, FactUpdate, Previous
from schoolbell_server.domain.gate import GATE_ORDER, Case, GateCheck, SeenFact
from schoolbell_server.domain.kinds import AppType, Gate, RefusalReason
from schoolbell_server.domain.recipient_gates import RECIPIENT_RULES
from schoolbell_server.domain.world import World


@unique
class Verdict(IntEnum):
    """What a gate says."""

    PASSED = 1
    FAILED = 2
    NOT_APPLICABLE = 3
    """There is nothing for it to judge, as a condition where there is no subscription."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GateRow:
    """One gate, evaluated whether or not an earlier one failed."""

    gate: Gate
    verdict: Verdict
    reason: RefusalReason | None = None
    value: str = ""
    """The value that made it fail."""
    facts: tuple[SeenFact, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceExplanation:
    """The gates of one device."""

    device_id: str
    app_id: str
    gates: tuple[GateRow, ...]
    first_failure: GateRow | None
    """Over the gates of the change, the app, the person and the device."""
    previous: Previous
    """The baseline that gates 13 to 15 look at."""
    correction: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class RecipientExplanation:
    """The gates of one person, with those of every device."""

    user_id: str
    app: AppType
    student_id: str
    """By whom of the change's students this person is explained."""
    relations: tuple[str, ...]
    """Of a guardian, as the roster words them; empty for the student and the unrelated."""
    known: bool
    """False where nobody has an account of this id."""
    change_gates: tuple[GateRow, ...]
    """The gates of the change as it is about that student."""
    gates: tuple[GateRow, ...]
    """Gate 6 for this person's app, then 8 and 9."""
    first_failure: GateRow | None
    """Over the gates of the change, the app and the person."""
    devices: tuple[DeviceExplanation, ...]

    @property
    def is_told(self) -> bool:
        """Return whether at least one device of this person is told."""
        return any(device.first_failure is None for device in self.devices)


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """The whole answer, by the facts of now."""

    student_id: str
    """By whom of the change's students its own gates are explained."""
    gates: tuple[GateRow, ...]
    """Gates 1 to 5, 7 and 16: those that judge the change itself."""
    first_failure: GateRow | None
    """The gate of the change that failed first; gate 6 is in each recipient."""
    recipients: tuple[RecipientExplanation, ...]


def explain(
    change: Change,
    moment: Moment,
    update: FactUpdate,
    world: World,
    baselines: Mapping[str, Baseline],
    user_id: str | None = None,
    device_id: str | None = None,
) -> Explanation:
    """Explain a change to all related persons, or only to the one named.

    A named user may be unrelated (then `world.users` has the account) or unknown. A named
    device leaves out all others, and without a named user everybody who does not own it.
    """
    case = change_case(change, moment, update, world, baselines)
    found = survey(places(case, world))
    gates = (
        *_rows(ARRIVAL_RULES, case),
        *_rows(PLACE_RULES, found.leading),
        *_rows((NEWEST,), case),
    )
    people = _People(case, found, gates, baselines, device_id)
    return Explanation(
        student_id=change.student_id,
        gates=gates,
        first_failure=first_failed(gates),
        recipients=tuple(map(people.explain, _asked(case, world, user_id, device_id))),
    )


def _asked(
    case: ChangeCase, world: World, user_id: str | None, device_id: str | None
) -> Iterator[RecipientCase]:
    if user_id is not None:
        yield named_recipient(case, user_id, world)
        return
    for recipient in recipients(case):
        if device_id is None or device_id in map(_DEVICE_ID, recipient.user.devices):
            yield recipient


_DEVICE_ID = attrgetter("device_id")


@dataclass(frozen=True, slots=True)
class _People:
    """Explains one person after the other, given what holds for all of them."""

    case: ChangeCase
    survey: Survey
    change_gates: tuple[GateRow, ...]
    baselines: Mapping[str, Baseline]
    device_id: str | None

    def explain(self, recipient: RecipientCase) -> RecipientExplanation:
        gates = (
            *_rows((TOOL_SHOWN,), AppCase(recipient.app, self.survey)),
            *_rows(RECIPIENT_RULES, recipient),
        )
        failure = first_failed((*self.change_gates, *gates))
        return RecipientExplanation(
            user_id=recipient.user.user_id,
            app=recipient.app,
            student_id=self.case.change.student_id,
            relations=tuple(
                sorted(relationship.relation for relationship in recipient.relationships)
            ),
            known=recipient.user.known,
            change_gates=self.change_gates,
            gates=gates,
            first_failure=failure,
            devices=tuple(self._explain_devices(recipient, failure)),
        )

    def _explain_devices(
        self, recipient: RecipientCase, failure: GateRow | None
    ) -> Iterator[DeviceExplanation]:
        for device in sorted(recipient.user.devices, key=_DEVICE_ID):
            if self.device_id in (None, device.device_id):
                baseline = self.baselines.get(device.device_id, self.case.untold)
                yield _explain_device(device_case(recipient, device, baseline), failure)


def _explain_device(case: DeviceCase, failure: GateRow | None) -> DeviceExplanation:
    gates = _rows(DEVICE_RULES, case)
    return DeviceExplanation(
        device_id=case.device.device_id,
        app_id=case.device.app_id,
        gates=gates,
        first_failure=failure or first_failed(gates),
        previous=case.baseline.previous,
        correction=is_correction(case),
    )


def _rows(rules: Iterable[GateCheck[Case]], case: Case) -> tuple[GateRow, ...]:
    return tuple(_row(rule, case) for rule in rules)


def _row(rule: GateCheck[Case], case: Case) -> GateRow:
    refusal, facts = rule.refuse(case), rule.see(case)
    if refusal is not None:
        return GateRow(
            gate=rule.gate,
            verdict=Verdict.FAILED,
            reason=refusal.reason,
            value=refusal.value,
            facts=facts,
        )
    verdict = Verdict.PASSED if rule.applies(case) else Verdict.NOT_APPLICABLE
    return GateRow(gate=rule.gate, verdict=verdict, facts=facts)


def first_failed(rows: Iterable[GateRow]) -> GateRow | None:
    """Return the row that a decision would record: the first that failed, in the fixed order."""
    failed = (row for row in rows if row.verdict is Verdict.FAILED)
    return min(failed, key=lambda row: GATE_ORDER.index(row.gate), default=None)
