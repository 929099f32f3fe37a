"""Which sources a caller may speak for."""

from __future__ import annotations

from schoolbell.v1.error_reason_pb2 import ErrorReason
from schoolbell_server.rpc.caller import current_caller
from schoolbell_server.rpc.errors import SchoolbellError


def check_source(source: str) -> None:
    """Check that the caller's key is for a source; else PERMISSION_DENIED."""
    if not current_caller().key.allows_source(source):
        raise SchoolbellError(
            ErrorReason.ERROR_REASON_SOURCE_NOT_ALLOWED,
            f"the API key is not for the source {source}",
            metadata={"source": source},
        )
