"""Rehearse a publish: what it would do, counted without writing anything."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from schoolbell_server.contract.change_records import count_refusals
from schoolbell_server.domain.decision import Decision
from schoolbell_server.domain.kinds import Gate, RefusalReason
from schoolbell_server.pipeline.acceptance import Acceptance
from schoolbell_server.pipeline.submission import Answer, Submission
from schoolbell_storage.engine import Storage


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsed:
    """How many would be told, and how many not, by gate and reason."""

    answers: Sequence[Answer]
    recipients: int
    devices: int
    refusals: Counter[tuple[Gate, RefusalReason]]


class Rehearsal:
    """Runs the accepting transaction and takes it back."""

    def __init__(
        self, storage: Storage, acceptance: Acceptance, clock: Callable[[], dt.datetime]
    ) -> None:
        self._storage = storage
        self._acceptance = acceptance
        self._clock = clock

    async def rehearse(self, submission: Submission) -> Rehearsed:
        """Return what publishing would do now; the very code that would do it decides."""
        try:
            async with self._storage.write() as connection:
                answers, written = await self._acceptance.accept(
                    connection, [submission], self._clock()
                )
                raise _TakenBack
        except _TakenBack:
            return _count(answers[0], written.decisions)


class _TakenBack(Exception):
    """Ends the transaction without a commit."""


def _count(answers: Sequence[Answer], decisions: Sequence[Decision]) -> Rehearsed:
    told = [
        (index, recipient.user_id, device.device_id)
        for index, decision in enumerate(decisions)
        for recipient, device in decision.told()
    ]
    return Rehearsed(
        answers=answers,
        recipients=len({(index, user_id) for index, user_id, _ in told}),
        devices=len(told),
        refusals=count_refusals(decisions),
    )
