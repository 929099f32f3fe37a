"""The collapse key: what makes a newer push of a fact replace the older one on the screen."""

from __future__ import annotations

import base64
import hashlib
import hmac

from schoolbell_server.domain.fact import FactKey

_BYTES = 16


def collapse_key(secret: bytes, fact_key: FactKey) -> str:
    """Return 22 URL-safe characters that say nothing of the fact without the district's secret."""
    digest = hmac.digest(secret, fact_key.encode(), hashlib.sha256)
    return base64.urlsafe_b64encode(digest[:_BYTES]).decode().rstrip("=")
