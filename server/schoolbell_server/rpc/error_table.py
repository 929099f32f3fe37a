"""What the layers below raise, in the words of the contract: one table for all servicers."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping

from schoolbell.v1.error_reason_pb2 import ErrorReason
from schoolbell_server.rpc.errors import SchoolbellError
from schoolbell_storage.errors import StorageError

COME_BACK = dt.timedelta(seconds=1)

_TABLE: Mapping[type[Exception], SchoolbellError] = {
    NotImplementedError: SchoolbellError(
        ErrorReason.ERROR_REASON_NOT_IMPLEMENTED, "this server does not do that yet"
    ),
    StorageError: SchoolbellError(
        ErrorReason.ERROR_REASON_STORAGE_UNAVAILABLE,
        "storage does not answer; nothing is known of the outcome",
        retry_after=COME_BACK,
    ),
}


def to_schoolbell_error(error: BaseException, method: str, request_id: str) -> SchoolbellError:
    """Return what the caller is told of an exception.

    What the table does not know is INTERNAL with a fixed text: an exception's own may quote input.
    """
    known = _known(error)
    if known is None:
        return SchoolbellError(
            ErrorReason.ERROR_REASON_INTERNAL,
            "a fault of the server; its log has more under the request id",
            metadata={"request_id": request_id},
        )
    if known.reason == ErrorReason.ERROR_REASON_NOT_IMPLEMENTED:
        known.metadata["method"] = method
    return known


def _known(error: BaseException) -> SchoolbellError | None:
    if isinstance(error, SchoolbellError):
        return error
    if isinstance(error, BaseExceptionGroup):
        return next((found for inner in error.exceptions if (found := _known(inner))), None)
    for kind in type(error).__mro__:
        if found := _TABLE.get(kind):
            return SchoolbellError(
                found.reason,
                found.message,
                metadata=found.metadata,
                retry_after=found.retry_after,
            )
    return None
