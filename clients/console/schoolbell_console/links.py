"""Links that sign in once, for who has the cookie key and an API key: such as `make run`."""

from __future__ import annotations

import json
import secrets
import time

from schoolbell_console.seals import Seals
from schoolbell_console.spent import Spent

_PURPOSE = "link"
_LIFE = 15 * 60  # seconds


def make_link(seals: Seals, origin: str, key: str) -> str:
    """Return the address that signs in with a key: once, within a quarter of an hour."""
    said = {"id": secrets.token_urlsafe(16), "key": key}
    return f"{origin}/sign-in/link/{seals.seal(_PURPOSE, json.dumps(said))}"


class Links:
    """Opens each link once."""

    def __init__(self, seals: Seals, spent: Spent) -> None:
        self._seals = seals
        self._spent = spent

    def open(self, token: str) -> str | None:
        """Return the key of a link; None if it is not one, was used, or is too old."""
        text = self._seals.open(_PURPOSE, token, _LIFE)
        if text is None:
            return None
        said = json.loads(text)
        # Its own end is not before that of the seal, which counts whole seconds.
        if not self._spent.spend(_PURPOSE, said["id"], time.time() + _LIFE + 1):
            return None
        return str(said["key"])
