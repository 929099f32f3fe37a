"""From the changes of a request to a submission, and from its answers to acks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from schoolbell.v1 import change_pb2
from schoolbell.v1 import change_service_pb2 as messages
from schoolbell_server.acceptance.submission import (
    Accepted,
    Answer,
    Duplicate,
    Refused,
    Submission,
    Submitted,
)
from schoolbell_server.contract.changes import (
    fingerprint,
    foreign_currencies,
    normalise,
    read_change,
)
from schoolbell_server.contract.resume_tokens import read_token
from schoolbell_server.rpc.caller import current_caller
from schoolbell_server.rpc.errors import InvalidFields
from schoolbell_server.rpc.status import to_status
from schoolbell_server.rpc.texts import bad_texts
from schoolbell_server.rpc.validation import Violations
from schoolbell_server.servicers.common.sources import not_own

_Result = messages.PublishResult


@dataclass(frozen=True, slots=True)
class Draft:
    """The changes of a request: those that may be submitted, and why the others may not."""

    submission: Submission
    answers: Sequence[Refused | None]
    """By change of the request; None is one of the submission, in its order."""

    def merge(self, answers: Sequence[Answer]) -> list[Answer]:
        """Return an answer to every change of the request."""
        given = iter(answers)
        return [refused or next(given) for refused in self.answers]


def draft(district_id: str, changes: Sequence[change_pb2.Change], *, single: bool = False) -> Draft:
    """Validate every change by itself: a bad one never spoils its batch.

    `single` says that one change is all that the call publishes.
    """
    read = [_read(change) for change in changes]
    return Draft(
        Submission(
            district_id=district_id,
            changes=[one for one in read if isinstance(one, Submitted)],
            key_id=current_caller().key.key_id,
            single=single,
        ),
        [one if isinstance(one, Refused) else None for one in read],
    )


def _read(message: change_pb2.Change) -> Submitted | Refused:
    violations = Violations(bad_texts(message))
    change = read_change(message, violations.add)
    try:
        violations.refuse()
    except InvalidFields as error:
        return Refused(error)
    assert change is not None
    if not current_caller().key.allows_source(change.key.source):
        return Refused(not_own(change.key.source))
    content = normalise(message)
    return Submitted(
        change=change,
        content=content,
        fingerprint=fingerprint(content),
        foreign_currencies=lambda currency_code: foreign_currencies(message, currency_code),
        every_source=not current_caller().key.sources,
    )


def write_ack(answer: Answer) -> messages.PublishAck:
    """Return the ack of one change."""
    match answer:
        case Accepted(delivery_count=count):
            return messages.PublishAck(result=_Result.PUBLISH_RESULT_ACCEPTED, delivery_count=count)
        case Duplicate(delivery_count=count):
            return messages.PublishAck(
                result=_Result.PUBLISH_RESULT_DUPLICATE, delivery_count=count
            )
        case Refused(error):
            return messages.PublishAck(
                result=_Result.PUBLISH_RESULT_REFUSED, error=to_status(error), reason=error.reason
            )


def earliest_token(answers: Sequence[Answer]) -> str:
    """Return the token that lies before everything accepted, now or before; '' if nothing was."""
    tokens = [one.resume_token for one in answers if not isinstance(one, Refused)]
    return min(tokens, default="", key=_order)


def _order(token: str) -> tuple[int, int]:
    position = read_token(token)
    return (0, 0) if position is None else (position.revision, position.offset)
