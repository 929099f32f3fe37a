"""Storage that fails a stream of batches ends the call, and nobody is told a second time."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Collection
from typing import Any

from schoolbell.v1.change_service_pb2 import StreamPublishChangesRequest
from schoolbell_server.acceptance.submission import Submission
from schoolbell_server.rpc.caller import Caller, set_caller
from schoolbell_server.security.api_key import Role, new_api_key
from schoolbell_server.security.permissions import Rule
from schoolbell_server.servicers.change.servicer import WINDOW, ChangeServicer
from schoolbell_storage.errors import Conflict
from tests.service.scene import tasks


class FailingAcceptor:
    """Takes every batch in, and then fails all of them at once, as one transaction does."""

    def __init__(self, batches: int) -> None:
        self._missing = batches
        self._all_in = asyncio.Event()

    async def room(self, lanes: Collection[int]) -> None:
        """Have room."""

    async def take(self, submission: Submission) -> Any:
        self._missing -= 1
        if not self._missing:
            self._all_in.set()
        await self._all_in.wait()
        raise Conflict("lock timeout")


async def batches(count: int) -> AsyncIterator[StreamPublishChangesRequest]:
    for number in range(count):
        changes = tasks(number, 1)
        yield StreamPublishChangesRequest(district_id="d", batch_number=number, changes=changes)


async def test_the_batches_of_one_stream_fail_as_its_call() -> None:
    unheard: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: unheard.append(context))
    key, _ = new_api_key(district_ids=["d"], role=Role.PUBLISHER)
    set_caller(Caller(key=key, rule=Rule(), request_id="r", page_key=b"k"))
    count = WINDOW + 2  # one is answered next, and one waits for a place among the others
    assert await ended_by(FailingAcceptor(count), count) is Conflict
    for _ in range(3):
        await asyncio.sleep(0)
        gc.collect()
    assert unheard == []


async def ended_by(acceptor: Any, count: int) -> type[Exception] | None:
    """Publish a stream; return what ended it, without keeping its frames and tasks alive."""
    nothing: Any = None
    servicer = ChangeServicer(acceptor, nothing, nothing, nothing)
    try:
        async for _ in servicer.StreamPublishChanges(batches(count), None):
            pass
    except Conflict as error:
        return type(error)
    return None
