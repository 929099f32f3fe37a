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
from cryptography.hazmat.primitives.asymmetric import ec

from schoolbell_server.gateways.common.files import stamp
from schoolbell_server.security.credential_files import CredentialUnusable, read_signing_key

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
        """Read the key; CredentialUnusable if there is none. `clock` gives epoch seconds."""
        self._key_file = key_file
        self._fixed_id = key_id
        self._team_id = team_id
        self._clock = clock
        self.rotations = 0
        """How often the key was replaced: connections of another count must not be used."""
        self.problem = ""
        """What is wrong with the file that was put in place of a good one."""
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
        try:
            key, key_id = self._read()
        except CredentialUnusable as error:
            self.problem = str(error)
            return
        self.problem = ""
        if key_id != self._key_id or key.public_key() != self._key.public_key():
            self._key, self._key_id = key, key_id
            self._mint()
            self.rotations += 1

    def _read(self) -> tuple[ec.EllipticCurvePrivateKey, str]:
        """Return the key and its id; the file is the one that the link leads to now."""
        file = resolved(self._key_file)
        return read_signing_key(file), self._fixed_id or key_id_of(file)


def resolved(path: Path) -> Path:
    """Return what a symbolic link leads to."""
    try:
        return path.resolve()
    except (OSError, RuntimeError, ValueError):
        raise CredentialUnusable("cannot be read: its link leads nowhere") from None


def key_id_of(file: Path) -> str:
    """Return the key id that Apple put into a file's name; CredentialUnusable if there is none."""
    named = _APPLES_NAME.fullmatch(file.name)
    if named is None:
        raise CredentialUnusable("needs key_id: its name is not Apple's, AuthKey_<key id>.p8")
    return named[1]


class ProviderTokens:
    """Shares one token among all apps of a key."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        """`clock` gives epoch seconds."""
        self._clock = clock
        self._tokens: dict[tuple[Path, str, str], ProviderToken] = {}

    def of(self, key_file: Path, key_id: str, team_id: str) -> ProviderToken:
        """Return the token of a key."""
        name = (key_file, key_id, team_id)
        if name not in self._tokens:
            self._tokens[name] = ProviderToken(*name, self._clock)
        return self._tokens[name]
