"""What a caller and the log are told of a token that is refused."""

from __future__ import annotations

import datetime as dt

from schoolbell.v1.error_reason_pb2 import ErrorReason
from schoolbell_server.identity.refusals import Cause, TokenRefused
from schoolbell_server.observability.log import get_logger
from schoolbell_server.rpc.errors import SchoolbellError

logger = get_logger(__name__)

_NOT_ALLOWED = frozenset({Cause.DISTRICT, Cause.ROLE})


def unauthenticated() -> SchoolbellError:
    """Tell nobody what was wrong with a credential that may be made up."""
    return SchoolbellError(
        ErrorReason.ERROR_REASON_UNAUTHENTICATED,
        "show an API key, or a token of an issuer that the server trusts, as "
        "`authorization: Bearer …`; there was none, or none that is known",
    )


def told(refused: TokenRefused) -> SchoolbellError:
    """Return the error of a refused token, and log why: the issuer's setting, and no text of it."""
    setting = {"setting": f"identity.issuers.{refused.issuer}"} if refused.issuer else {}
    logger.info("token refused", extra={"reason": refused.cause.value, **setting})
    if not str(refused):
        return unauthenticated()
    if refused.expire_time is not None:
        when = refused.expire_time.astimezone(dt.UTC).isoformat().replace("+00:00", "Z")
        return SchoolbellError(
            ErrorReason.ERROR_REASON_KEY_EXPIRED,
            f"the token expired at {when}",
            metadata={"expire_time": when},
        )
    if refused.cause in _NOT_ALLOWED:
        return SchoolbellError(ErrorReason.ERROR_REASON_PERMISSION_DENIED, str(refused))
    return SchoolbellError(ErrorReason.ERROR_REASON_UNAUTHENTICATED, str(refused))
