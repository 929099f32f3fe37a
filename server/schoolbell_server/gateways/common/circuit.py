"""A circuit per app and provider: trouble opens it, a good answer closes it.

Refused credentials open it at once, a provider that is down after so many failures one after
another; what was under way together fails together and counts once, so that a lost connection is
not an outage. Where an attempt waited its whole time, in which nobody was answered, the provider is
suspected of silence: one attempt finds out for all, while the others wait, and if it fails the
circuit opens. So a provider that is cut off costs one attempt of what was under way.

While it is open nothing is sent but one trial now and then; a probe is one too.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import time
from collections.abc import Callable
from enum import StrEnum, unique

from schoolbell_server.domain.kinds import Outcome

DOWN_IN_A_ROW = 5
"""So many failures, each begun after the one before and without an answer between them, and the
provider is down."""
CREDENTIAL_PAUSE = 30.0
"""Seconds between trials of refused credentials: people have to correct them."""
FIRST_PAUSE = 1.0
"""Seconds until the first trial of a provider that is down; doubled at every failure."""
LONGEST_PAUSE = 60.0

_UNHEARD = frozenset({Outcome.NOT_SENT, Outcome.ANSWER_LOST})
_DOWN = _UNHEARD | {Outcome.PROVIDER_DOWN}


@unique
class CircuitState(StrEnum):
    """Whether pushes leave."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"
    """Open, and a trial is under way."""


class Circuit:
    """Closed, open or half-open, driven by the outcomes of attempts and probes."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._state = CircuitState.CLOSED
        self._cause = Outcome.ACCEPTED
        self._pause = FIRST_PAUSE
        self._next_trial = self._opened = 0.0
        self._down = 0
        self._last_down = 0.0
        self._heard = self._suspected = float("-inf")
        self._suspect = self._alone = False
        self._settled = asyncio.Event()
        self._used = False

    @property
    def used(self) -> bool:
        """Return whether anything has ever asked to leave through it."""
        return self._used

    @property
    def state(self) -> CircuitState:
        """Return whether pushes leave."""
        return self._state

    @property
    def is_open(self) -> bool:
        """Return whether there is trouble, be a trial under way or not."""
        return self._state is not CircuitState.CLOSED

    @property
    def cause(self) -> Outcome:
        """Return what a push that may not leave is told: why it is open."""
        return self._cause

    @property
    def reason(self) -> str:
        """Return why it is open, in words; '' if it is closed."""
        if not self.is_open:
            return ""
        refused = self._cause is Outcome.CREDENTIAL_BAD
        return "credentials refused" if refused else "provider down"

    @property
    def wait(self) -> dt.timedelta:
        """Return the time until the next trial."""
        return dt.timedelta(seconds=max(0.0, self._next_trial - self._clock()))

    def now(self) -> float:
        """Return the time by this circuit's clock, as `record` wants it."""
        return self._clock()

    def admit(self) -> bool:
        """Return whether a push may leave; once per pause an open circuit lets one through."""
        self._used = True
        if self._state is CircuitState.CLOSED:
            return True
        now = self._clock()
        if now < self._next_trial:
            return False
        self._state = CircuitState.HALF_OPEN
        self._next_trial = now + self._pause  # a trial that is never heard of again stops nothing
        return True

    def record(self, outcome: Outcome, begin: float, *, timed_out: bool = False) -> None:
        """Take note of what became of an attempt or a probe that began at a time.

        What was under way when the circuit opened says nothing new.
        """
        self._used = True
        if outcome not in _UNHEARD:
            self._heard = self._clock()
            self._trust()
        if self.is_open and begin < self._opened:
            return
        if outcome is Outcome.CREDENTIAL_BAD:
            self._open(outcome, CREDENTIAL_PAUSE)
        elif outcome not in _DOWN:
            self._close()
        elif self._state is CircuitState.HALF_OPEN:
            self._open(self._cause, min(self._pause * 2, LONGEST_PAUSE))
        elif self._suspect and begin >= self._suspected:
            self._open(Outcome.NOT_SENT, FIRST_PAUSE)
        elif timed_out and self._heard < begin:
            self._suspect_silence()
        else:
            self._fail(begin)

    async def wait_settled(self, end: float) -> bool:
        """Wait while the provider is suspected of silence, until the loop's time `end` at most.

        Return whether the caller is to find out, alone; it calls `found_out` when it has tried.
        """
        while self._suspect:
            if not self._alone:
                self._alone = True
                self._settled.clear()
                return True
            try:
                async with asyncio.timeout_at(end):
                    await self._settled.wait()
            except TimeoutError:
                return False
        return False

    def found_out(self) -> None:
        """Say that the attempt that was to find out has ended: if it could not, another may."""
        self._alone = False
        self._settled.set()

    @property
    def suspect(self) -> bool:
        """Return whether the provider may have fallen silent."""
        return self._suspect

    def _suspect_silence(self) -> None:
        if not self._suspect:
            self._suspect, self._suspected = True, self._clock()

    def _trust(self) -> None:
        self._suspect = False
        self._settled.set()

    def _fail(self, begin: float) -> None:
        if self._down and begin < self._last_down:
            return
        self._down += 1
        self._last_down = self._clock()
        if self._down >= DOWN_IN_A_ROW:
            self._open(Outcome.NOT_SENT, FIRST_PAUSE)

    def _open(self, cause: Outcome, pause: float) -> None:
        self._trust()  # whoever waited is held
        self._state = CircuitState.OPEN
        self._cause = cause
        self._pause = pause
        self._opened = self._clock()
        self._next_trial = self._opened + pause

    def _close(self) -> None:
        self._state = CircuitState.CLOSED
        self._down = 0
