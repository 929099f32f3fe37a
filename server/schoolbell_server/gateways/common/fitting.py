"""Make a payload fit its provider's limit by shortening the text, never the app's keys."""

from __future__ import annotations

import bisect
import copy
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from schoolbell_server.texts.shaping import grapheme_ends, shortened


def fit_body(
    payload: dict[str, Any],
    path: Sequence[str],
    encode: Callable[[Mapping[str, Any]], bytes],
    limit: int,
) -> tuple[dict[str, Any], bytes]:
    """Return the payload with the text at `path` cut before a grapheme so that it fits `limit`.

    The limit is in bytes of the encoding, which is returned too. Without anything left to cut it
    is still too long, and the provider refuses it.
    """
    encoded = encode(payload)
    if len(encoded) <= limit:
        return payload, encoded
    fitted = copy.deepcopy(payload)
    holder = fitted
    for name in path[:-1]:
        holder = holder[name]
    text: str = holder[path[-1]]

    def encode_cut(end: int) -> bytes:
        holder[path[-1]] = shortened(text, end)
        return encode(fitted)

    ends = [0, *grapheme_ends(text)]
    fitting = bisect.bisect_right(ends, limit, key=lambda end: len(encode_cut(end)))
    encoded = encode_cut(ends[max(0, fitting - 1)])
    return fitted, encoded
