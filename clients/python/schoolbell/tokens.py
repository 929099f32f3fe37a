"""Signed tokens of an identity provider, in place of an API key."""

from __future__ import annotations

from pathlib import Path

from schoolbell.keys import InvalidKeyError

_LONGEST_FILE = 64 * 1024  # bytes


class TokenFile:
    """Gives the token that a file holds, for `Connection.token_source`.

    The file is read again when it has changed, so that whatever renews the token only has to
    replace it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: tuple[int, int, int] | None = None
        self._token = ""

    def __call__(self) -> str:
        """Return the token; raises `InvalidKeyError` where the file holds none."""
        try:
            found = self._path.stat()
            seen = (found.st_ino, found.st_mtime_ns, found.st_size)
            if seen != self._seen:
                with self._path.open("rb") as file:
                    raw = file.read(_LONGEST_FILE + 1)
                self._token, self._seen = self._read(raw), seen
        except OSError as error:
            raise InvalidKeyError(
                f"the token file {self._path} cannot be read: {error.strerror}"
            ) from None
        return self._token

    def _read(self, raw: bytes) -> str:
        token = raw.strip().decode("ascii", "replace")
        check_token(token, f"the token file {self._path}")
        return token


def check_token(token: str, where: str) -> None:
    """Raise `InvalidKeyError` for a token that no call can carry; `where` names what gave it."""
    if not token or len(token) > _LONGEST_FILE or not all("!" <= char <= "~" for char in token):
        raise InvalidKeyError(f"{where} holds no token: one is a word of printable ASCII")
