"""Put an explanation together: every gate now, what was recorded then, and both in words."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from schoolbell.v1 import change_service_pb2 as messages
from schoolbell.v1 import common_pb2, explanation_pb2
from schoolbell_server.contract.explanations import write_gates, write_recorded
from schoolbell_server.contract.fields import write_time
from schoolbell_server.contract.roster_answers import write_relationship
from schoolbell_server.domain import timing
from schoolbell_server.domain.decision import Decision
from schoolbell_server.domain.explain import (
    DeviceExplanation,
    Explanation,
    GateRow,
    RecipientExplanation,
    first_failed,
)
from schoolbell_server.domain.explain_shared import explain_all
from schoolbell_server.domain.fact_keys import all_keys
from schoolbell_server.domain.fold import fold
from schoolbell_server.domain.kinds import RefusalReason
from schoolbell_server.domain.ledger import baselines_of
from schoolbell_server.domain.shared import about, decide_all
from schoolbell_server.domain.timing import zone_of
from schoolbell_server.servicers.change.explain_facts import Gathered, Question
from schoolbell_server.servicers.change.explain_then import Then, fate_of
from schoolbell_server.servicers.change.fact_origins import FactOrigins
from schoolbell_server.servicers.change.readers import write_record
from schoolbell_server.texts.summaries import Summaries, Verdicts, Why

_MOVED_BY_ITSELF = frozenset(
    {
        RefusalReason.TOO_LATE,
        RefusalReason.NOT_CROSSING,
        RefusalReason.UNCHANGED,
        RefusalReason.ALREADY_TOLD,
        RefusalReason.OLDER_THAN_KNOWN,
    }
)
"""The causes that time and an accepted change itself bring about: its value is known since. Their
rows are shown; a sentence on today's roster and settings leaves them out."""


class ExplainAnswer:
    """The answer to one question."""

    def __init__(self, question: Question, gathered: Gathered, summaries: Summaries) -> None:
        self._question = question
        self._gathered = gathered
        self._summaries = summaries
        self._change = gathered.change
        self._stored = gathered.stored
        zone = gathered.world.zone_of(self._change.calendar_id)
        self._moment = timing.moment(self._change, question.now, zone, replay=question.replay)
        self._update = fold(self._change, question.now, gathered.states).update
        self._baselines = baselines_of(self._update, gathered.fact_deliveries, gathered.states)
        self._origins = {name: self._origins_of(name) for name in self._change.student_ids}

    def _origins_of(self, student_id: str) -> FactOrigins:
        """Return who set the facts of one student's side of the change."""
        gathered, change = self._gathered, about(self._change, student_id)
        known = map(gathered.states.get, reversed(all_keys(change)))  # the student's own first
        return FactOrigins(
            change=change,
            accept_time=None if self._stored is None else self._stored.row.accept_time,
            update=self._update.of(student_id),
            state=next((state for state in known if state is not None), None)
            if change.payload.of_account
            else gathered.states.get(self._update.key),
            provenance=gathered.provenance[student_id],
        )

    def write(self) -> messages.ExplainChangeResponse:
        """Return the whole answer."""
        now = self._explain(self._gathered.user_id)
        answer = messages.ExplainChangeResponse(
            gates=write_gates(now.gates, self._origins[now.student_id].of),
            recipients=[self._recipient(one) for one in self._people(now)],
            summary=self._summary(now),
            evaluate_time=write_time(self._question.now),
        )
        if self._stored is not None:
            answer.record.CopyFrom(write_record(self._stored.row, self._stored.store_id))
            refusal = self._stored.record.decision.refusal
            if refusal is not None:
                answer.recorded.CopyFrom(write_recorded(self._stored.record, refusal))
        return answer

    def _explain(self, user_id: str) -> Explanation:
        return explain_all(
            self._change,
            self._moment,
            self._update,
            self._gathered.world,
            self._baselines,
            user_id=user_id or None,
            device_id=self._question.device_id or None,
        )

    def _people(self, now: Explanation) -> Iterator[RecipientExplanation]:
        """Yield who is asked about, and of everybody also those whom nothing relates any more."""
        yield from now.recipients
        if self._stored is None or self._gathered.user_id:
            return
        known = {recipient.user_id for recipient in now.recipients}
        for recorded in self._stored.record.decision.recipients:
            if recorded.user_id not in known:
                yield from self._explain(recorded.user_id).recipients

    def _recipient(self, now: RecipientExplanation) -> explanation_pb2.ExplainedRecipient:
        origins = self._origins[now.student_id]
        message = explanation_pb2.ExplainedRecipient(
            user_id=now.user_id,
            app_type=common_pb2.AppType.ValueType(now.app),
            is_student=now.user_id == now.student_id,
            gates=write_gates(now.gates, origins.of),
        )
        relationship = self._gathered.relationships.get((now.student_id, now.user_id))
        if relationship is not None and not message.is_student:
            message.relationship.CopyFrom(write_relationship(relationship))
        if self._stored is None:
            message.devices.extend(_device(device, origins) for device in now.devices)
            message.summary = self._summaries.would(_verdicts(now))
            return message
        then = Then(self._stored, now, self._question.device_id)
        if then.refusal is not None:
            message.recorded.CopyFrom(write_recorded(self._stored.record, then.refusal))
        for device in now.devices:
            message.devices.append(_device(device, origins))
            then.complete(message.devices[-1])
        message.devices.extend(then.lost_devices())
        message.summary = self._summaries.then_and_now(
            then.verdicts, list(then.fates()), _verdicts(now, without=_MOVED_BY_ITSELF)
        )
        return message

    def _summary(self, now: Explanation) -> str:
        if self._stored is None:
            decision, _ = decide_all(
                self._change,
                self._moment,
                self._update,
                self._gathered.world,
                self._baselines,
            )
            failure = now.first_failure
            why = None if failure is None else _why(failure)
            return self._summaries.whole_would(_people_told(decision), why)
        recorded = self._stored.record
        zone = zone_of(self._gathered.world.district.time_zone)
        refusal = recorded.decision.refusal
        fates = [(row.user_id, fate_of(row)) for row in self._stored.deliveries.values()]
        return self._summaries.whole_then(
            recorded.decide_time.astimezone(zone),
            told=len({user_id for user_id, fate in fates if fate.is_told}),
            meant=_people_told(recorded.decision),
            why=None if refusal is None else Why(refusal.gate, refusal.reason),
        )


def _device(now: DeviceExplanation, origins: FactOrigins) -> explanation_pb2.ExplainedDevice:
    return explanation_pb2.ExplainedDevice(
        device_id=now.device_id, gates=write_gates(now.gates, origins.of)
    )


def _people_told(decision: Decision) -> int:
    return len({recipient.user_id for recipient, _ in decision.told()})


def _verdicts(
    person: RecipientExplanation,
    without: frozenset[RefusalReason] = frozenset(),
) -> Verdicts:
    """Return on how many devices a person passes every gate, but for causes that are left out."""
    shared = _first_failed([*person.change_gates, *person.gates], without)
    if shared is not None:
        return Verdicts(refusals=[_why(shared)])
    failed = [_first_failed(device.gates, without) for device in person.devices]
    refusals = [_why(row) for row in failed if row is not None]
    return Verdicts(told=len(failed) - len(refusals), refusals=refusals)


def _first_failed(rows: Iterable[GateRow], without: frozenset[RefusalReason]) -> GateRow | None:
    return first_failed(row for row in rows if row.reason not in without)


def _why(row: GateRow) -> Why:
    # Of several facts of a name the first counts, as of several bars the district's.
    facts = {fact.name: fact.value for fact in reversed(row.facts)}
    return Why(row.gate, row.reason, facts)
