"""Pages: how many, from where, and the opaque token that asks for the next one.

A token is the position of a page's last row under a keyed hash, which binds it to this
installation, to the request and to the districts that the caller reads. Only positions that a
server wrote reach storage.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar, cast

from google.protobuf.message import Message

from schoolbell.v1.error_reason_pb2 import ErrorReason
from schoolbell_server.domain import compact
from schoolbell_server.rpc.caller import current_caller
from schoolbell_server.rpc.errors import SchoolbellError
from schoolbell_server.rpc.validation import Violations
from schoolbell_server.security.api_key import EVERY_DISTRICT

_TAG_BYTES = 16

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
    bound: hmac.HMAC
    """Has hashed, under the installation's key, what the list's tokens are bound to."""

    @property
    def limit(self) -> int:
        """Return how many rows to read: one more than fit, which tells whether more follow."""
        return self.size + 1

    @property
    def after_id(self) -> str:
        """Return the id after which a list by id goes on; empty is its beginning."""
        return str(self.after[0]) if self.after else ""

    def cut(self, found: Sequence[T], position: Callable[[T], Position]) -> tuple[Sequence[T], str]:
        """Return the page of at most `limit` rows that were read, and the next page's token."""
        if len(found) <= self.size:
            return found, ""
        shown = found[: self.size]
        return shown, _token(position(shown[-1]), self.bound)


def read_page(
    request: Paged, shape: tuple[type[int] | type[str], ...], violations: Violations
) -> Page:
    """Return the page that a request asks for; `shape` are the types of its list's positions.

    A bad size is added to the violations; another request's token is PAGE_TOKEN_INVALID.
    """
    size = violations.page_size(request.page_size)
    bound = _bound(request)
    after = _position(request.page_token, bound, shape) if request.page_token else None
    return Page(size, after, bound)


def _bound(request: Paged) -> hmac.HMAC:
    """Return a keyed hash of everything that says which list it is, and for whom."""
    given = cast(Message, request)
    same = type(given)()
    same.CopyFrom(given)
    same.DiscardUnknownFields()
    same.ClearField("page_size")
    same.ClearField("page_token")
    caller = current_caller()
    districts = caller.districts(getattr(request, "district_id", "") or EVERY_DISTRICT)
    scope = EVERY_DISTRICT if districts is None else " ".join(sorted(districts))
    head = f"{given.DESCRIPTOR.full_name}\n{scope}\n".encode()
    content = same.SerializeToString(deterministic=True)
    length = len(content).to_bytes(8, "big")
    return hmac.new(caller.page_key, head + length + content, hashlib.sha256)


def _tag(bound: hmac.HMAC, text: bytes) -> bytes:
    keyed = bound.copy()
    keyed.update(text)
    return keyed.digest()[:_TAG_BYTES]


def _token(position: Position, bound: hmac.HMAC) -> str:
    text = compact.encode(position).encode()
    return base64.urlsafe_b64encode(_tag(bound, text) + text).decode().rstrip("=")


def _position(token: str, bound: hmac.HMAC, shape: tuple[type[int] | type[str], ...]) -> Position:
    try:
        raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise _invalid() from None
    tag, text = raw[:_TAG_BYTES], raw[_TAG_BYTES:]
    if not hmac.compare_digest(tag, _tag(bound, text)):
        raise _invalid()
    parts = json.loads(text)
    if tuple(type(part) for part in parts) != shape:  # of another version of the server
        raise _invalid()
    return tuple(parts)


def _invalid() -> SchoolbellError:
    return SchoolbellError(
        ErrorReason.ERROR_REASON_PAGE_TOKEN_INVALID,
        "not a page token of this request; ask for the first page again",
    )
