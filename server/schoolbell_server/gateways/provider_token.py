"""Apple's provider tokens: one per key, shared by every connection of the process.

Minted with aioapns' own provider, which signs ES256 and renews after 30 minutes; Apple wants
no new one within 20 minutes and none older than 60.
"""

from __future__ import annotations

from pathlib import Path

from aioapns.connection import JWTAuthorizationHeaderProvider


class ProviderToken:
    """The authorization header of one key; the key file is read again when it changes."""

    def __init__(self, key_file: Path, key_id: str, team_id: str) -> None:
        self._key_file = key_file
        self._key_id = key_id
        self._team_id = team_id
        self._read_time = 0.0
        self._provider = self._load()

    def header(self) -> str:
        """Return `bearer <token>`; after a replaced key file, one of the new key."""
        if self._modified() != self._read_time:
            self._provider = self._load()
        return str(self._provider.get_header())  # type: ignore[no-untyped-call]

    def _load(self) -> JWTAuthorizationHeaderProvider:
        self._read_time = self._modified()
        return JWTAuthorizationHeaderProvider(
            self._key_file.read_text(encoding="ascii"), self._key_id, self._team_id
        )

    def _modified(self) -> float:
        return self._key_file.stat().st_mtime


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
