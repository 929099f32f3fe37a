"""Apple's provider tokens: one per key, shared by every connection of the process.

Apple takes none older than 60 minutes, and on one connection no new one within 20 minutes of the
last. So a token is renewed after 40 minutes, or when Apple calls it expired, but never within 20;
only another key makes a new one at once, which then needs new connections.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path

import jwt
from aioapns.connection import AuthorizationHeaderProvider

from schoolbell_server.gateways.files import stamp

RENEW_AFTER = 40 * 60.0  # seconds
SOONEST = 20 * 60.0  # seconds
_APPLES_NAME = re.compile(r"AuthKey_([A-Z0-9]{10})\.p8")


class ProviderToken(AuthorizationHeaderProvider):
    """The authorization header of one key; `look` reads the key file again when it has changed.

    Another key has another id, so a key that may be replaced while sending has none here: it is
    read from the name that Apple gave the file, `AuthKey_<key id>.p8`, to which `key_file` is then
    a symbolic link.
    """

    def __init__(
        self, key_file: Path, key_id: str, team_id: str, clock: Callable[[], float] = time.time
    ) -> None:
        """Read the key; OSError or ValueError if there is none. `clock` gives epoch seconds."""
        self._key_file = key_file
        self._fixed_id = key_id
        self._team_id = team_id
        self._clock = clock
        self.rotations = 0
        """How often the key was replaced: connections of another count must not be used."""
        self._seen = stamp(key_file)
        self._key, self._key_id = self._read()
        self._mint()

    def look(self) -> None:
        """Take the new key if the key file was replaced."""
        seen = stamp(self._key_file)
        if seen != self._seen:
            self._seen = seen
            self._rotate()

    def get_header(self) -> str:
        """Return `bearer <token>`, renewed in time."""
        if self._age() >= RENEW_AFTER:
            self._mint()
        return self._header

    def renew(self, refused: str) -> bool:
        """Say that Apple called a header expired; return whether there is a better one now."""
        if refused == self._header and self._age() >= SOONEST:
            self._mint()
        return refused != self._header

    def _age(self) -> float:
        return self._clock() - self._minted

    def _mint(self) -> None:
        now = self._clock()
        token = jwt.encode(
            {"iss": self._team_id, "iat": int(now)},
            self._key,
            algorithm="ES256",
            headers={"kid": self._key_id},
        )
        self._minted = now
        self._header = f"bearer {token}"

    def _rotate(self) -> None:
        """Take the new key; one that cannot be read yet, or is none, leaves the old one in use."""
        before = self._key, self._key_id
        try:
            self._key, self._key_id = self._read()
            if (self._key, self._key_id) != before:
                self._mint()
                self.rotations += 1
        except (OSError, ValueError, jwt.PyJWTError):
            self._key, self._key_id = before

    def _read(self) -> tuple[str, str]:
        file = self._key_file.resolve()
        named = _APPLES_NAME.fullmatch(file.name)
        key_id = self._fixed_id or (named[1] if named else "")
        if not key_id:
            raise ValueError(f"{file.name}: no key_id is set, and the name is not Apple's")
        return file.read_text(encoding="ascii"), key_id


class ProviderTokens:
    """Shares one token among all apps of a key."""

    def __init__(self) -> None:
        self._tokens: dict[tuple[Path, str, str], ProviderToken] = {}

    def of(self, key_file: Path, key_id: str, team_id: str) -> ProviderToken:
        """Return the token of a key."""
        name = (key_file, key_id, team_id)
        if name not in self._tokens:
            self._tokens[name] = ProviderToken(*name)
        return self._tokens[name]
