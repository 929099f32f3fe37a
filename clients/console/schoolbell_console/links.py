"""Links that sign in once, for who has the cookie key and an API key: such as `make run`."""

from __future__ import annotations

import json
import secrets
import time
from collections import OrderedDict

from schoolbell_console.seals import Seals

_PURPOSE = "link"
_LIFE = 15 * 60  # seconds
_MOST = 10_000


def make_link(seals: Seals, origin: str, key: str) -> str:
    """Return the address that signs in with a key: once, within a quarter of an hour."""
    said = {"id": secrets.token_urlsafe(16), "key": key, "time": time.time()}
    return f"{origin}/sign-in/link/{seals.seal(_PURPOSE, json.dumps(said))}"


class Links:
    """Opens each link once; those made before the console started are closed."""

    def __init__(self, seals: Seals) -> None:
        self._seals = seals
        self._start = time.time()
        self._used: OrderedDict[str, None] = OrderedDict()

    def open(self, token: str) -> str | None:
        """Return the key of a link; None if it is not one, was used, or is too old."""
        text = self._seals.open(_PURPOSE, token, _LIFE)
        if text is None:
            return None
        said = json.loads(text)
        if said["time"] < self._start or said["id"] in self._used or len(self._used) >= _MOST:
            return None
        self._used[said["id"]] = None
        return str(said["key"])
