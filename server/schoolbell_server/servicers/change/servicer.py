"""What happened at school: publish it, look it up, and see what was decided."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Any

from schoolbell.v1 import change_pb2
from schoolbell.v1 import change_service_pb2 as messages
from schoolbell.v1.change_service_pb2_grpc import ChangeServiceServicer
from schoolbell_server.acceptance.acceptor import Acceptor
from schoolbell_server.acceptance.dry_run import DryAnswers, DryRunner
from schoolbell_server.acceptance.submission import Answer, Refused
from schoolbell_server.contract.change_records import write_refusals
from schoolbell_server.contract.changes import PAYLOAD_KINDS
from schoolbell_server.domain.kinds.registry import PAYLOADS
from schoolbell_server.rpc.validation import Violations
from schoolbell_server.servicers.change.explain import Explainer
from schoolbell_server.servicers.change.readers import ChangeReaders
from schoolbell_server.servicers.change.submissions import Draft, draft, earliest_token, write_ack

MOST_CHANGES = 500
WINDOW = 16
"""Unanswered batches of a stream, beyond which nothing more is read."""


class ChangeServicer(ChangeServiceServicer):
    """One handler behind the three ways in; the readers are beside it."""

    def __init__(
        self,
        acceptor: Acceptor,
        dry_runner: DryRunner,
        readers: ChangeReaders,
        explainer: Explainer,
    ) -> None:
        self._acceptor = acceptor
        self._dry_runner = dry_runner
        self._readers = readers
        self._explainer = explainer

    async def PublishChange(
        self, request: messages.PublishChangeRequest, _context: Any
    ) -> messages.PublishChangeResponse:
        """Publish one change; a refused one ends the call with its status."""
        violations = Violations()
        violations.required(request, "change")
        violations.refuse()
        answers, dry = await self._publish(
            request.district_id,
            [request.change],
            validate_only=request.validate_only,
            single=True,
        )
        answer = answers[0]
        if isinstance(answer, Refused):
            raise answer.error
        return messages.PublishChangeResponse(
            ack=write_ack(answer),
            resume_token="" if dry else answer.resume_token,
            dry_run=_write_dry_run(dry),
        )

    async def BatchPublishChanges(
        self, request: messages.BatchPublishChangesRequest, _context: Any
    ) -> messages.BatchPublishChangesResponse:
        """Publish a batch; an answer each."""
        _check_count(request.changes)
        answers, dry = await self._publish(
            request.district_id, request.changes, validate_only=request.validate_only
        )
        return messages.BatchPublishChangesResponse(
            acks=[write_ack(answer) for answer in answers],
            resume_token="" if dry else earliest_token(answers),
            dry_run=_write_dry_run(dry),
        )

    async def StreamPublishChanges(
        self, requests: AsyncIterator[messages.StreamPublishChangesRequest], _context: Any
    ) -> AsyncIterator[messages.StreamPublishChangesResponse]:
        """Publish batches as they come: one response each, in order.

        Up to `WINDOW` batches are under way; the acceptor takes them in the order of the stream.
        """
        waiting: asyncio.Queue[asyncio.Task[messages.StreamPublishChangesResponse] | None]
        waiting = asyncio.Queue(WINDOW)
        reader = asyncio.create_task(self._read(requests, waiting), name="stream of changes")
        reader.add_done_callback(_told_by_the_call)
        try:
            while (task := await waiting.get()) is not None:
                yield await task
            await reader
        finally:
            reader.cancel()
            while not waiting.empty():
                if (left := waiting.get_nowait()) is not None:
                    left.cancel()

    async def GetChange(
        self, request: messages.GetChangeRequest, _context: Any
    ) -> messages.GetChangeResponse:
        """Answer an accepted change."""
        return await self._readers.get(request)

    async def ListChanges(
        self, request: messages.ListChangesRequest, _context: Any
    ) -> messages.ListChangesResponse:
        """List accepted changes, newest first."""
        return await self._readers.list(request)

    async def ExplainChange(
        self, request: messages.ExplainChangeRequest, _context: Any
    ) -> messages.ExplainChangeResponse:
        """Answer why somebody was told of a change, would be, or not."""
        return await self._explainer.explain(request)

    async def ListDecisions(
        self, request: messages.ListDecisionsRequest, _context: Any
    ) -> messages.ListDecisionsResponse:
        """List recorded decisions, newest first."""
        return await self._readers.decisions(request)

    async def _read(
        self,
        requests: AsyncIterator[messages.StreamPublishChangesRequest],
        waiting: asyncio.Queue[asyncio.Task[messages.StreamPublishChangesResponse] | None],
    ) -> None:
        """Start a task for every batch; each reaches the acceptor before the next is read."""
        district_id = ""
        try:
            async for request in requests:
                district_id = request.district_id or district_id
                await self._acceptor.room(_lanes(request.changes))
                task = asyncio.create_task(self._batch(district_id, request))
                task.add_done_callback(_told_by_the_call)
                await waiting.put(task)
        finally:
            await waiting.put(None)

    async def _batch(
        self, district_id: str, request: messages.StreamPublishChangesRequest
    ) -> messages.StreamPublishChangesResponse:
        _check_count(request.changes)
        answers, dry = await self._publish(
            district_id, request.changes, validate_only=request.validate_only, streamed=True
        )
        return messages.StreamPublishChangesResponse(
            batch_number=request.batch_number,
            acks=[write_ack(answer) for answer in answers],
            resume_token="" if dry else earliest_token(answers),
            dry_run=_write_dry_run(dry),
        )

    async def _publish(
        self,
        district_id: str,
        changes: Sequence[change_pb2.Change],
        *,
        validate_only: bool,
        streamed: bool = False,
        single: bool = False,
    ) -> tuple[list[Answer], DryAnswers | None]:
        drafted: Draft = draft(district_id, changes, single=single)
        if validate_only:
            dry = await self._dry_runner.run(drafted.submission)
            return drafted.merge(dry.answers), dry
        if not drafted.submission.changes:
            return drafted.merge(()), None
        publish = self._acceptor.take if streamed else self._acceptor.publish
        return drafted.merge(await publish(drafted.submission)), None


def _lanes(changes: Iterable[change_pb2.Change]) -> set[int]:
    """Return the lanes of changes that are not validated yet."""
    payloads = (change.WhichOneof("payload") for change in changes)
    return {PAYLOADS[PAYLOAD_KINDS[payload]].lane for payload in payloads if payload is not None}


def _check_count(changes: Sequence[change_pb2.Change]) -> None:
    violations = Violations()
    violations.count(changes, "changes", least=1, most=MOST_CHANGES)
    violations.refuse()


def _write_dry_run(dry: DryAnswers | None) -> messages.DryRun | None:
    if dry is None:
        return None
    counts = dry.counts
    return messages.DryRun(
        recipient_count=counts.recipients,
        device_count=counts.devices,
        refusals=write_refusals(counts.refusals),
    )


def _told_by_the_call(task: asyncio.Task[Any]) -> None:
    """Take note of a fault: the first one ends the call, which tells it; others are the same."""
    if not task.cancelled():
        task.exception()
