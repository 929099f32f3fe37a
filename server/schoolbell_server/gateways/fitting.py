"""Make a payload fit its provider's limit by shortening the text, never the app's keys."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from typing import Any

_ELLIPSIS = "…"


def fit_body(
    payload: dict[str, Any],
    path: Sequence[str],
    encode: Callable[[Mapping[str, Any]], bytes],
    limit: int,
) -> tuple[dict[str, Any], bytes]:
    """Return the payload with the text at `path` cut at a character so that it fits `limit` bytes.

    Beside it, its encoding. Without anything left to cut it is still too long, and the provider
    refuses it.
    """
    encoded = encode(payload)
    if len(encoded) <= limit:
        return payload, encoded
    fitted = copy.deepcopy(payload)
    holder = fitted
    for name in path[:-1]:
        holder = holder[name]
    text: str = holder[path[-1]]
    while text and len(encoded) > limit:
        over = len(encoded) - limit
        text = text[: max(0, len(text) - max(1, over // 4))]
        holder[path[-1]] = text.rstrip() + _ELLIPSIS
        encoded = encode(fitted)
    return fitted, encoded
