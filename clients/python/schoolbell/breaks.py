"""How a series of tries bears that the service is away: it waits, says so, and may give up."""

from __future__ import annotations

import asyncio
import logging
import time
from functools import partial

import grpc

from schoolbell.backoff import Backoff
from schoolbell.connection import Connection
from schoolbell.errors import ResourceExhausted, SchoolbellError, Unavailable, unreachable
from schoolbell.mistakes import find_mistake

SAY_AGAIN = 10.0  # seconds
_LOOK_FOR_MISTAKES = 3
"""Breaks in a row after which a connection that once worked is looked at again."""

_EXPIRED_FOR = 60.0
"""Seconds of nothing but expired tokens after which their source is at fault."""

_logger = logging.getLogger("schoolbell")


class Breaks:
    """The breaks of one series of tries; without a connection no mistake of it is looked for."""

    def __init__(self, connection: Connection | None = None) -> None:
        self._connection = connection
        self._backoff = Backoff()
        self._worked = False
        self._count = 0
        self._expired_since: float | None = None
        self._since = 0.0
        self._said = 0.0

    def over(self) -> None:
        """Tell that the service answered."""
        if self._said:
            _logger.warning("the service answers again")
        self._backoff.reset()
        self._worked, self._count, self._said = True, 0, 0.0
        self._expired_since = None

    async def wait(self, error: SchoolbellError) -> None:
        """Wait before the next try; raise the error where another try is of no use."""
        seconds = self._next(error)
        if self._is_suspicious(error):
            assert self._connection is not None
            look = partial(find_mistake, self._connection, names=not self._worked)
            if mistake := await asyncio.to_thread(look):
                raise unreachable(mistake) from None
        self._say(error)
        await asyncio.sleep(seconds)

    def block(self, error: SchoolbellError) -> None:
        """Wait as `wait` does, in this thread."""
        seconds = self._next(error)
        if self._is_suspicious(error):
            assert self._connection is not None
            if mistake := find_mistake(self._connection, names=not self._worked):
                raise unreachable(mistake) from None
        self._say(error)
        time.sleep(seconds)

    def _next(self, error: SchoolbellError) -> float:
        """Return how long to wait, in seconds; raise an error that is no break."""
        if isinstance(error, ResourceExhausted) and error.retry_after is not None:
            return max(error.retry_after.total_seconds(), self._backoff.next())
        if self._is_renewed(error):
            return self._backoff.next()
        stopped = error.code is grpc.StatusCode.CANCELLED  # by a server that stops, not by us
        if not (stopped or isinstance(error, Unavailable)):
            raise error
        return self._backoff.next()

    def _is_renewed(self, error: SchoolbellError) -> bool:
        """Tell whether the next try shows another token, in place of one that has expired."""
        has_source = self._connection is not None and self._connection.token_source is not None
        if not has_source or error.reason != "KEY_EXPIRED":
            self._expired_since = None
            return False
        now = time.monotonic()
        if self._expired_since is None:
            self._expired_since = now
        return now - self._expired_since <= _EXPIRED_FOR

    def _is_suspicious(self, error: SchoolbellError) -> bool:
        """Tell whether the connection itself may be to blame: nobody answered, not even to say so.

        Looked at once in so many breaks, and at first where it has never worked.
        """
        if error.reason or self._connection is None:
            return False
        number, self._count = self._count, self._count + 1
        return number % _LOOK_FOR_MISTAKES == (_LOOK_FOR_MISTAKES - 1 if self._worked else 0)

    def _say(self, error: SchoolbellError) -> None:
        now = time.monotonic()
        if not self._said:
            self._since = now
            _logger.warning("the service is away, trying again: %s", error)
        elif now - self._said < SAY_AGAIN:
            return
        else:
            _logger.warning("the service is away for %.0f s: %s", now - self._since, error)
        self._said = now
