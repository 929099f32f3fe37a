"""Pages: how many, from where, and the opaque token that asks for the next one.

A token is the position of a page's last row with a digest of the request it belongs to. It is no
secret and grants nothing: the request that carries it is checked like any other.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar, cast

from google.protobuf.message import Message

from schoolbell.v1.error_reason_pb2 import ErrorReason
from schoolbell_server.domain import compact
from schoolbell_server.rpc.errors import SchoolbellError
from schoolbell_server.rpc.validation import Violations

_DIGEST_BYTES = 12
_LARGEST_NUMBER = 2**63 - 1

Position = tuple[int | str, ...]
"""What orders the rows of a list: the sort key of a page's last row."""

T = TypeVar("T")


class Paged(Protocol):
    """A request for a page."""

    page_size: int
    page_token: str


@dataclass(frozen=True, slots=True)
class Page:
    """The part of a list that a request asks for."""

    size: int
    after: Position | None
    """The position of the last row before it; None is the first page."""
    digest: bytes

    @property
    def limit(self) -> int:
        """Return how many rows to read: one more than fit, which tells whether more follow."""
        return self.size + 1

    def cut(self, found: Sequence[T], position: Callable[[T], Position]) -> tuple[Sequence[T], str]:
        """Return the page of at most `limit` rows that were read, and the next page's token."""
        if len(found) <= self.size:
            return found, ""
        shown = found[: self.size]
        return shown, _token(position(shown[-1]), self.digest)


def read_page(
    request: Paged, shape: tuple[type[int] | type[str], ...], violations: Violations
) -> Page:
    """Return the page that a request asks for; `shape` are the types of its list's positions.

    A bad size is added to the violations; another request's token is PAGE_TOKEN_INVALID.
    """
    size = violations.page_size(request.page_size)
    digest = _digest(request)
    after = _position(request.page_token, digest, shape) if request.page_token else None
    return Page(size, after, digest)


def _digest(request: Paged) -> bytes:
    """Return a digest of everything that says which list it is."""
    given = cast(Message, request)
    same = type(given)()
    same.CopyFrom(given)
    same.DiscardUnknownFields()
    same.ClearField("page_size")
    same.ClearField("page_token")
    content = same.SerializeToString(deterministic=True)
    name = given.DESCRIPTOR.full_name.encode()
    return hashlib.blake2b(name + b"\n" + content, digest_size=_DIGEST_BYTES).digest()


def _token(position: Position, digest: bytes) -> str:
    text = compact.encode(position).encode()
    return base64.urlsafe_b64encode(digest + text).decode().rstrip("=")


def _position(token: str, digest: bytes, shape: tuple[type[int] | type[str], ...]) -> Position:
    try:
        raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
        parts = json.loads(raw[_DIGEST_BYTES:]) if raw[:_DIGEST_BYTES] == digest else None
    except (binascii.Error, UnicodeError, ValueError, RecursionError):
        parts = None
    if not isinstance(parts, list) or tuple(type(part) for part in parts) != shape:
        raise _invalid()
    if not all(map(_storable, parts)):
        raise _invalid()
    return tuple(parts)


def _storable(part: int | str) -> bool:
    """Tell whether a database takes it: a forged token may say anything."""
    return part.isprintable() if isinstance(part, str) else abs(part) <= _LARGEST_NUMBER


def _invalid() -> SchoolbellError:
    return SchoolbellError(
        ErrorReason.ERROR_REASON_PAGE_TOKEN_INVALID,
        "not a page token of this request; ask for the first page again",
    )
