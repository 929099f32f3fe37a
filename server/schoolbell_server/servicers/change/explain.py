"""Why somebody was told of a change, would be, or not."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

from schoolbell.v1 import change_service_pb2 as messages
from schoolbell_server.acceptance.submission import Submitted
from schoolbell_server.contract.changes import foreign_currencies, normalise, read_change
from schoolbell_server.contract.fields import read_id, read_locale
from schoolbell_server.domain.change import Change, ChangeKey
from schoolbell_server.rpc import field_reasons as reasons
from schoolbell_server.rpc.texts import bad_texts
from schoolbell_server.rpc.validation import REQUIRED, Violations
from schoolbell_server.servicers.change.explain_answer import ExplainAnswer
from schoolbell_server.servicers.change.explain_facts import Question, gather
from schoolbell_server.servicers.common.audit_trail import asked_of, audit_act
from schoolbell_server.texts import Explanations
from schoolbell_server.texts.summaries import Summaries
from schoolbell_storage.engine import Storage
from schoolbell_storage.world import Apps


class Explainer:
    """Answers why; writes nothing but that it was asked.

    What is called now is what would be decided if the change were published now, under a key of
    its own: with today's roster and settings, and with what is known of its fact today. An
    accepted change is itself among what is known, so gates 13 to 16 see its own value, and gate 3
    its age.
    """

    def __init__(
        self,
        storage: Storage,
        *,
        apps: Apps,
        clock: Callable[[], dt.datetime],
        replay: bool,
    ) -> None:
        self._storage = storage
        self._apps = apps
        self._clock = clock
        self._replay = replay
        self._explanations = Explanations()

    async def explain(
        self, request: messages.ExplainChangeRequest
    ) -> messages.ExplainChangeResponse:
        """Return every gate now, what was recorded then, and both in words."""
        question = self._read(request)
        async with self._storage.read() as connection:
            gathered = await gather(connection, question, self._apps)
        await self._audit(request, gathered.change)
        locale = request.locale or gathered.world.district.locale
        return ExplainAnswer(question, gathered, Summaries(self._explanations, locale)).write()

    async def _audit(self, request: messages.ExplainChangeRequest, change: Change) -> None:
        """Write down who asked about whom; of a change that is only thought of, no content."""
        asked = {
            "change_key": asked_of(request.change_key),
            "student_id": change.student_id,
            "kind": change.kind.name,
            "user_id": request.user_id,
            "device_id": request.device_id,
        }
        await audit_act(
            self._storage,
            district_id=request.district_id,
            method="schoolbell.v1.ChangeService/ExplainChange",
            subject="explanations",
            now=self._clock(),
            asked={name: value for name, value in asked.items() if value},
        )

    def _read(self, request: messages.ExplainChangeRequest) -> Question:
        violations = Violations()
        subject = _subject(request, violations)
        read_locale(request.locale, "locale", violations.add)
        violations.refuse()
        assert subject is not None, "the lack of a subject was refused"
        return Question(
            district_id=request.district_id,
            subject=subject,
            user_id=request.user_id,
            device_id=request.device_id,
            now=self._clock(),
            replay=self._replay,
        )


def _subject(
    request: messages.ExplainChangeRequest, violations: Violations
) -> ChangeKey | Submitted | None:
    match request.WhichOneof("subject"):
        case "change_key":
            key = request.change_key
            return ChangeKey(
                source=read_id(key.source, "change_key.source", violations.add),
                change_id=read_id(key.change_id, "change_key.change_id", violations.add),
            )
        case "change":
            return _hypothetical(request, violations)
        case _:
            violations.add("subject", REQUIRED, reasons.REQUIRED)
            return None


def _hypothetical(
    request: messages.ExplainChangeRequest, violations: Violations
) -> Submitted | None:
    message = request.change
    for one in bad_texts(message, prefix="change."):
        violations.add(one.field, one.description, one.reason)
    change = read_change(message, violations.add, prefix="change", keyed=False)
    if change is None:
        return None
    return Submitted(
        change=change,
        content=normalise(message),
        fingerprint="",
        foreign_currencies=lambda currency_code: foreign_currencies(message, currency_code),
    )
