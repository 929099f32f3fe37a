"""Which requests suffer which fault: by token, topic, n-th request or probability."""

from __future__ import annotations

import random
from dataclasses import dataclass
from enum import StrEnum

from schoolbell_sandbox.effect import Effect


class Endpoint(StrEnum):
    """What a fault can befall."""

    APNS = "apns"
    FCM = "fcm"
    OAUTH = "oauth"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """An effect and the requests it befalls; every condition that is set must hold.

    Where requests are counted (`first`, `every`, `times`), those that send nothing, such as a
    look at whether the provider answers, are neither counted nor befallen: nobody knows when they
    come.
    """

    effect: Effect
    endpoint: Endpoint | None = None
    address: str = ""
    topic: str = ""
    """APNs' topic, or FCM's project."""
    first: int = 1
    """The first of the matching requests that suffers, counted from 1."""
    every: int = 1
    """From there on, every n-th."""
    times: int | None = None
    """How often in all; None is for ever."""
    probability: float = 1.0


class _Rule:
    def __init__(self, fault: Fault) -> None:
        self.fault = fault
        self.seen = 0
        self.fired = 0

    def fires(
        self, endpoint: Endpoint, address: str, topic: str, dice: random.Random, *, sends: bool
    ) -> bool:
        fault = self.fault
        if not sends and (fault.first, fault.every, fault.times) != (1, 1, None):
            return False
        if fault.endpoint not in (None, endpoint):
            return False
        if fault.address not in ("", address) or fault.topic not in ("", topic):
            return False
        self.seen += 1
        late = self.seen - fault.first
        spent = fault.times is not None and self.fired >= fault.times
        if late < 0 or late % fault.every or spent:
            return False
        if fault.probability < 1.0 and dice.random() >= fault.probability:
            return False
        self.fired += 1
        return True


class FaultPlan:
    """The faults in force; the first that matches a request wins."""

    def __init__(self, seed: int = 0) -> None:
        self._rules: list[_Rule] = []
        self._dice = random.Random(seed)

    def add(self, fault: Fault) -> None:
        """Put a fault in force."""
        self._rules.append(_Rule(fault))

    def __bool__(self) -> bool:
        """Whether any fault is in force."""
        return bool(self._rules)

    def clear(self) -> None:
        """End all faults."""
        self._rules.clear()

    def match(
        self, endpoint: Endpoint, address: str, topic: str, *, sends: bool = True
    ) -> Effect | None:
        """Return what befalls this request, and count it; `sends` says whether it sends a push."""
        for rule in self._rules:
            if rule.fires(endpoint, address, topic, self._dice, sends=sends):
                return rule.fault.effect
        return None

    def counts(self) -> list[tuple[Fault, int, int]]:
        """Return each fault, the matching requests seen, and how often it struck."""
        return [(rule.fault, rule.seen, rule.fired) for rule in self._rules]
