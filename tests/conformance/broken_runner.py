"""The Python runner with a client that is broken on purpose: `python … FAULT`."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from typing import Any

from schoolbell import connection, errors, publisher
from schoolbell.v1.change_service_pb2 import PUBLISH_RESULT_ACCEPTED, PublishAck
from tests.conformance import python_runner


def no_retries() -> None:
    """Repeat no call."""
    connection._OPTIONS = tuple(
        one for one in connection._OPTIONS if "service_config" not in one[0]
    )


def no_resending() -> None:
    """Call what a broken stream had not answered accepted, instead of sending it again."""
    original = publisher.AsyncPublisher._stream

    async def careless(self: publisher.AsyncPublisher) -> None:
        for item in [item for batch in self._unanswered for item in batch]:
            item.answer.set_result(PublishAck(result=PUBLISH_RESULT_ACCEPTED))
        self._unanswered.clear()
        await original(self)

    publisher.AsyncPublisher._stream = careless  # type: ignore[method-assign]


def no_deadline() -> None:
    """Give a call that names no deadline another than the contract's."""
    original = connection.Connection.__post_init__

    def patient(self: connection.Connection) -> None:
        original(self)
        object.__setattr__(self, "deadline", 2 * self.deadline)

    connection.Connection.__post_init__ = patient  # type: ignore[method-assign]


def no_reasons() -> None:
    """Lose the service's reason of an error."""
    original = errors.SchoolbellError.__init__

    def forgetful(self: errors.SchoolbellError, status: Any) -> None:
        original(self, status)
        self.reason = ""

    errors.SchoolbellError.__init__ = forgetful  # type: ignore[method-assign]


FAULTS: dict[str, Callable[[], None]] = {
    "no-retries": no_retries,
    "no-resending": no_resending,
    "no-deadline": no_deadline,
    "no-reasons": no_reasons,
}

if __name__ == "__main__":
    FAULTS[sys.argv[1]]()
    asyncio.run(python_runner.main())
