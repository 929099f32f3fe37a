"""One watcher: what changed behind its position, then what changes, for as long as it listens.

There is no queue per watcher: it reads the log behind its own position, so a slow one is late
and nothing worse.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import groupby, islice
from typing import Any, TypeVar

from schoolbell.v1 import change_pb2, delivery_pb2, status_pb2
from schoolbell.v1.status_service_pb2 import WatchStatusResponse
from schoolbell_server.contract.change_filters import ChangeTest
from schoolbell_server.contract.delivery_filters import Test
from schoolbell_server.contract.fields import write_time
from schoolbell_server.contract.resume_tokens import ResumeToken, write_token
from schoolbell_server.status.calendars import Calendars
from schoolbell_server.status.tail import Tail
from schoolbell_storage.status_log import LogEntry

SILENCE = 15.0  # seconds, at most, between two responses
STATE_INTERVAL = 1.0  # seconds between two looks at the service's state
MOST_UPDATES = 500
"""Updates in one response."""

States = Callable[[], "AsyncIterator[status_pb2.ServiceState]"]
Result = TypeVar("Result")
Update = delivery_pb2.Delivery | change_pb2.ChangeSummary


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchSpec:
    """What a watcher asked for."""

    districts: frozenset[str] | None
    """None is every district."""
    states: bool
    deliveries: bool
    changes: bool
    test: Test | None
    """Of deliveries; None lets every one through."""
    change_test: ChangeTest | None = None
    """Of changes, likewise."""
    calendars: Calendars | None = None
    """What the test of deliveries asks for schools; None if it asks for none."""
    sources: frozenset[str] = frozenset()
    """Whose deliveries and changes; empty is all."""


@dataclass(slots=True)
class Watch:
    """Streams to one watcher from a position on."""

    tail: Tail
    spec: WatchSpec
    position: ResumeToken
    states: States
    clock: Callable[[], dt.datetime]
    _known: dict[str, bytes] = field(default_factory=dict)
    _spoke: float = 0.0
    _looked: float = 0.0

    async def responses(self) -> AsyncIterator[WatchStatusResponse]:
        """Yield the first response at once, then everything behind the position, for ever."""
        yield self._response(states=await _whole(self._changed_states()))
        while True:
            head = self.tail.head  # before the read: what comes after it is waited for
            entries = await _whole(self.tail.read_after(self.position.revision))
            if self.spec.calendars is not None:
                await _whole(self.spec.calendars.learn(_deliveries(entries)))
            for response in self._updates(entries):
                yield response
            if entries:
                continue
            await self.tail.wait_beyond(max(head, self.position.revision), STATE_INTERVAL)
            states = await _whole(self._changed_states())
            if states or time.monotonic() - self._spoke > SILENCE:
                yield self._response(states=states)

    def _updates(self, entries: Sequence[LogEntry]) -> list[WatchStatusResponse]:
        """Return the responses for whole revisions: as few as may be, none larger than allowed."""
        responses: list[WatchStatusResponse] = []
        wanted: list[Update] = []
        for revision, group in groupby(entries, key=lambda entry: entry.revision):
            updates = [pair for entry in group for pair in _parse(entry)]
            for offset, (district_id, update) in islice(
                enumerate(updates), self.position.offset, None
            ):
                if self._wants(district_id, update):
                    wanted.append(update)
                if len(wanted) == MOST_UPDATES:
                    self._move(revision - 1, offset + 1)
                    responses.append(self._response(updates=wanted))
                    wanted = []
            self._move(revision, 0)
        if wanted:
            responses.append(self._response(updates=wanted))
        return responses

    def _move(self, revision: int, offset: int) -> None:
        self.position = ResumeToken(self.position.store_id, revision, offset)

    def _wants(self, district_id: str, update: Update) -> bool:
        if not update.district_id:
            return False  # blanked: it was of a person whose data were erased
        if self.spec.districts is not None and district_id not in self.spec.districts:
            return False
        if self.spec.sources and update.change_key.source not in self.spec.sources:
            return False
        if isinstance(update, delivery_pb2.Delivery):
            return self.spec.deliveries and (self.spec.test is None or self.spec.test(update))
        test = self.spec.change_test
        return self.spec.changes and (test is None or test(update))

    async def _changed_states(self) -> list[status_pb2.ServiceState]:
        now = time.monotonic()
        if not self.spec.states or now - self._looked < STATE_INTERVAL:
            return []
        self._looked = now
        changed = []
        async for state in self.states():
            essence = _essence(state)
            if self._known.get(state.district_id) != essence:
                self._known[state.district_id] = essence
                changed.append(state)
        return changed

    def _response(
        self,
        *,
        states: Sequence[status_pb2.ServiceState] = (),
        updates: Sequence[Update] = (),
    ) -> WatchStatusResponse:
        self._spoke = time.monotonic()
        return WatchStatusResponse(
            resume_token=write_token(self.position),
            send_time=write_time(self.clock()),
            states=states,
            deliveries=[one for one in updates if isinstance(one, delivery_pb2.Delivery)],
            changes=[one for one in updates if isinstance(one, change_pb2.ChangeSummary)],
        )


async def _whole(work: Coroutine[Any, Any, Result]) -> Result:
    """Let a look at the store end by itself, also where its watcher leaves meanwhile.

    A query that is cut off costs its connection, and watchers leave all the time.
    """
    return await asyncio.shield(asyncio.create_task(work))


@lru_cache(maxsize=8)
def _parse(entry: LogEntry) -> tuple[tuple[str, Update], ...]:
    """Return an entry's updates with their district; shared by all watchers, never changed."""
    logged = WatchStatusResponse.FromString(entry.updates)
    updates: tuple[Update, ...] = (*logged.changes, *logged.deliveries)
    return tuple((entry.district_id, one) for one in updates)


def _deliveries(entries: Iterable[LogEntry]) -> list[delivery_pb2.Delivery]:
    updates = (update for entry in entries for _, update in _parse(entry))
    return [update for update in updates if isinstance(update, delivery_pb2.Delivery)]


def _essence(state: status_pb2.ServiceState) -> bytes:
    """Return what makes a state news: rates and the backlog's size alone do not."""
    essence = status_pb2.ServiceState()
    essence.CopyFrom(state)
    essence.ClearField("rates")
    essence.ClearField("backlog")
    return essence.SerializeToString(deterministic=True)
