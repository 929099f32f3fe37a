"""Publish a stream of changes: batched, in order, resent after a break, each one answered."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterable
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Self

from schoolbell.breaks import Breaks
from schoolbell.errors import ResourceExhausted, SchoolbellError, from_status, service_fault
from schoolbell.v1.change_pb2 import Change
from schoolbell.v1.change_service_pb2 import (
    PUBLISH_RESULT_REFUSED,
    PublishAck,
    StreamPublishChangesRequest,
    StreamPublishChangesResponse,
)

if TYPE_CHECKING:  # the asynchronous stub is a type only
    from schoolbell.v1.change_service_pb2_grpc import ChangeServiceAsyncStub

BATCH = 100  # changes a message
_WINDOW = 8  # unanswered batches; the server reads no further than 16
_QUEUED = 2_000  # changes that may wait before `publish` waits
_COME_BACK = 1.0  # seconds, where a full service names no time


@dataclass(slots=True)
class _Item:
    change: Change
    answer: asyncio.Future[PublishAck]

    def fail(self, fault: Exception) -> None:
        """Answer with a fault, unless it is answered."""
        if not self.answer.done():
            self.answer.set_exception(fault)
            self.answer.exception()  # else asyncio logs each one that nobody waits for


class AsyncPublisher:
    """Publishes for one district until the `async with` block ends; then everything is answered.

    After a break of the stream it sends every unanswered batch again: keys make that
    harmless. What the service refuses for being full is sent again later. A break is logged while
    it lasts; one that can never end, such as an untrusted certificate, ends publishing: `submit`,
    every answer and the end of the block raise it.
    """

    def __init__(
        self, stub: ChangeServiceAsyncStub, district_id: str, breaks: Breaks | None = None
    ) -> None:
        """`stub` raises typed errors, as the client's does; `breaks` says how they are borne."""
        self._breaks = breaks or Breaks()
        self._stub = stub
        self._district_id = district_id
        self._waiting: deque[_Item] = deque()
        self._unanswered: deque[list[_Item]] = deque()
        self._answered = 0
        self._streams = 0
        self._later = 0
        self._moved = asyncio.Condition()
        self._closing = False
        self._fault: Exception | None = None
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._run(), name="publisher")
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._task is not None
        if kind is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
            return
        await self._signal(closing=True)
        await self._task
        if self._fault is not None:  # nobody may have looked at the answers
            raise self._fault

    async def publish(self, change: Change) -> PublishAck:
        """Publish a change and return its answer, once it is durable, a duplicate, or refused."""
        return await (await self.submit(change))

    async def submit(self, change: Change) -> asyncio.Future[PublishAck]:
        """Queue a change and return the future of its answer; waits while too much is queued."""
        async with self._moved:
            await self._moved.wait_for(lambda: len(self._waiting) < _QUEUED or self._fault)
            if self._fault is not None:
                raise self._fault
            answer: asyncio.Future[PublishAck] = asyncio.get_running_loop().create_future()
            self._waiting.append(_Item(change, answer))
            self._moved.notify_all()
        return answer

    async def publish_all(
        self, changes: Iterable[Change]
    ) -> AsyncIterator[tuple[Change, PublishAck]]:
        """Publish many changes and yield each with its answer, in order."""
        submitted: deque[tuple[Change, asyncio.Future[PublishAck]]] = deque()
        for change in changes:
            submitted.append((change, await self.submit(change)))
            while submitted and (submitted[0][1].done() or len(submitted) > _QUEUED):
                first, answer = submitted.popleft()
                yield first, await answer
        for change, answer in submitted:
            yield change, await answer

    async def _run(self) -> None:
        try:
            while not self._finished():
                try:
                    await self._stream()
                except SchoolbellError as error:
                    await self._breaks.wait(error)
        except Exception as fault:  # noqa: BLE001 - of a token source, say: nobody must wait forever
            await self._give_up(fault)

    async def _stream(self) -> None:
        """Send and receive on one stream until it ends."""
        self._streams += 1
        await self._signal()
        async for response in self._stub.StreamPublishChanges(self._requests(self._streams)):
            self._breaks.over()
            await self._take(response)

    async def _requests(self, stream: int) -> AsyncIterator[StreamPublishChangesRequest]:
        """Yield what is unanswered and then what comes, as long as this is the present stream.

        A broken stream still asks for requests, which would be lost with it.
        """
        first = self._answered
        for number, batch in enumerate(list(self._unanswered)):
            yield self._request(first + number, batch)
        while True:
            async with self._moved:
                await self._moved.wait_for(lambda: self._can_send() or stream != self._streams)
                if not self._waiting or stream != self._streams:
                    return
                batch = [self._waiting.popleft() for _ in range(min(BATCH, len(self._waiting)))]
                self._unanswered.append(batch)
                number = self._answered + len(self._unanswered) - 1
                self._moved.notify_all()
            yield self._request(number, batch)

    def _request(self, number: int, batch: Iterable[_Item]) -> StreamPublishChangesRequest:
        return StreamPublishChangesRequest(
            district_id=self._district_id,
            batch_number=number,
            changes=[item.change for item in batch],
        )

    def _can_send(self) -> bool:
        return self._finished() or (bool(self._waiting) and len(self._unanswered) < _WINDOW)

    def _finished(self) -> bool:
        return self._closing and not (self._waiting or self._unanswered or self._later)

    async def _take(self, response: StreamPublishChangesResponse) -> None:
        async with self._moved:
            expected = len(self._unanswered[0]) if self._unanswered else 0
            answered = len(response.acks)
            if not expected or answered != expected:  # before the batch is taken: else it is lost
                raise service_fault(f"{expected} changes were sent, {answered} were answered")
            batch = self._unanswered.popleft()
            self._answered += 1
            self._moved.notify_all()
        for item, ack in zip(batch, response.acks, strict=True):
            if not self._again_later(item, ack) and not item.answer.done():
                item.answer.set_result(ack)

    def _again_later(self, item: _Item, ack: PublishAck) -> bool:
        if ack.result != PUBLISH_RESULT_REFUSED:
            return False
        error = from_status(ack.error)
        if not isinstance(error, ResourceExhausted):
            return False
        wait = error.retry_after.total_seconds() if error.retry_after else _COME_BACK
        self._later += 1
        asyncio.get_running_loop().call_later(wait, self._come_back, item)
        return True

    def _come_back(self, item: _Item) -> None:
        self._later -= 1
        if self._fault is not None:
            item.fail(self._fault)
            return
        self._waiting.append(item)
        task = asyncio.ensure_future(self._signal())
        task.add_done_callback(lambda _: None)

    async def _signal(self, *, closing: bool = False) -> None:
        async with self._moved:
            self._closing = self._closing or closing
            self._moved.notify_all()

    async def _give_up(self, fault: Exception) -> None:
        async with self._moved:
            self._fault = fault
            self._moved.notify_all()
        for item in [*(item for batch in self._unanswered for item in batch), *self._waiting]:
            item.fail(fault)
