"""Etags: opaque names of a version of something, and when one is asked for.

An update whose fields already hold the asked values is fine whatever its etag, so that a retry
after a lost answer is; any other update with another etag is refused.
"""

from __future__ import annotations

import hashlib

from schoolbell.v1.error_reason_pb2 import ErrorReason
from schoolbell_server.rpc.errors import SchoolbellError

_BYTES = 9


def etag(thing: str, version: int) -> str:
    """Return the etag of a version of a thing, named as nothing else is in the whole service."""
    return hashlib.blake2b(f"{thing}\n{version}".encode(), digest_size=_BYTES).hexdigest()


def must_write(*, changes: bool, asked: str, present: str) -> bool:
    """Tell whether an update has anything to write; ABORTED if it does and its etag is another.

    An empty `asked` guards against nothing.
    """
    if changes and asked not in ("", present):
        raise SchoolbellError(
            ErrorReason.ERROR_REASON_ETAG_MISMATCH,
            "it was changed since it was read; read it again",
            metadata={"etag": present},
        )
    return changes
