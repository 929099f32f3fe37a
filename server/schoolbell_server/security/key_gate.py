"""What keeps made-up keys from storage: a proof inside each key, and the ids of those without.

A key that is handed out ends in a keyed hash of the rest, so that any server of the installation
can tell a key that it made from one that somebody made up, without looking anything up. Keys of
older versions have no such proof: their ids are in memory. What is left is asked for at a bounded
rate, for example a key that a server with other secrets made.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
from collections.abc import Callable, Iterable

from prometheus_client import Counter

_PROOF = 22  # characters: 128 bits


class Proofs:
    """Makes and checks the end of a key, under a secret of the installation."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def of(self, key_id: str, secret: str) -> str:
        """Return the proof of a new key's id and secret."""
        message = f"{len(key_id)}:{key_id}{secret}".encode("utf-8", "surrogatepass")
        digest = hmac.digest(self._key, message, hashlib.sha256)
        return base64.urlsafe_b64encode(digest).decode()[:_PROOF]

    def hold(self, key_id: str, secret: str) -> bool:
        """Tell whether a secret ends in its proof, in the same time whatever the answer."""
        proof = self.of(key_id, secret[:-_PROOF]).encode()
        return hmac.compare_digest(proof, secret[-_PROOF:].encode("utf-8", "surrogatepass"))


class KeyGate:
    """Tells which keys are worth a look-up."""

    def __init__(
        self,
        proofs: Proofs,
        a_second: int,
        asked: Counter,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Let `a_second` keys that nothing vouches for be looked up; `asked` counts them all."""
        self.proofs = proofs
        self._known: set[str] = set()
        self._most = float(a_second)
        self._left = self._most
        self._clock = clock
        self._then = clock()
        self._yes, self._no = asked.labels("yes"), asked.labels("no")

    def learn(self, key_ids: Iterable[str]) -> None:
        """Let keys that storage has be looked up from now on."""
        self._known.update(key_ids)

    def allows(self, key_id: str, secret: str) -> bool:
        """Tell whether storage may be asked for a key."""
        return (
            key_id in self._known or self.proofs.hold(key_id, secret) or self._is_within_the_rate()
        )

    def _is_within_the_rate(self) -> bool:
        now = self._clock()
        self._left = min(self._most, self._left + (now - self._then) * self._most)
        self._then = now
        if self._left < 1:
            self._no.inc()
            return False
        self._left -= 1
        self._yes.inc()
        return True
