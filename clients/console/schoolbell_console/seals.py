"""What the console seals with its cookie key, so that nobody else can read or make it."""

from __future__ import annotations

import hashlib
import hmac
import os
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from schoolbell_console.config import BadConfig


class Seals:
    """Seals texts and signs them; a seal made for one purpose opens for no other."""

    def __init__(self, keys: list[bytes]) -> None:
        """Take the keys: the first seals, all open."""
        self._fernet = MultiFernet([Fernet(key) for key in keys])
        self._signing = hashlib.sha256(b"sign" + keys[0]).digest()

    def seal(self, purpose: str, text: str) -> str:
        """Return a sealed text, made of characters that cookies and URLs take."""
        return self._fernet.encrypt(f"{purpose}\0{text}".encode()).decode()

    def open(self, purpose: str, sealed: str, longest: float | None = None) -> str | None:
        """Return a sealed text; None where it is not ours, or older than so many seconds."""
        try:
            ttl = None if longest is None else int(longest)
            found = self._fernet.decrypt(sealed.encode(), ttl=ttl).decode()
        except (InvalidToken, UnicodeError):
            return None
        kind, _, text = found.partition("\0")
        return text if kind == purpose else None

    def age(self, sealed: str, now: float) -> float:
        """Return how many seconds ago a text was sealed that has been opened."""
        return now - self._fernet.extract_timestamp(sealed.encode())

    def sign(self, text: str) -> str:
        """Return a signature."""
        return hmac.new(self._signing, text.encode(), hashlib.sha256).hexdigest()

    def is_signed(self, text: str, signature: str) -> bool:
        """Return whether a signature is that of a text."""
        return hmac.compare_digest(self.sign(text).encode(), signature.encode())


def read_seals(path: Path) -> Seals:
    """Read the key file, or make it where it is missing; raises BadConfig."""
    try:
        if not path.exists():
            _make(path)
        keys = path.read_bytes().split()
        return Seals(keys)
    except OSError as error:
        raise BadConfig(f"console.cookie_key_file {path}: {error.strerror}") from None
    except (ValueError, IndexError):
        raise BadConfig(f"console.cookie_key_file {path} holds no key of Fernet") from None


def _make(path: Path) -> None:
    """Write a new key that only its owner reads; whoever is first wins."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return
    with os.fdopen(file, "wb") as opened:
        opened.write(Fernet.generate_key() + b"\n")
