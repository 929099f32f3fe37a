"""The contract's service config, `service_config.json`: default deadline and safe repetitions."""

from __future__ import annotations

import json
from importlib import resources
from typing import Any


def _load() -> dict[str, Any]:
    text = resources.files("schoolbell").joinpath("service_config.json").read_text("utf-8")
    config: dict[str, Any] = json.loads(text)
    return config


def _seconds(methods: list[dict[str, Any]]) -> float:
    return max(float(one["timeout"].removesuffix("s")) for one in methods)


def _retries(methods: list[dict[str, Any]]) -> str:
    """Return what gRPC is given: without the deadlines, which a caller could then only shorten."""
    kept = [
        {key: value for key, value in one.items() if key != "timeout"}
        for one in methods
        if "retryPolicy" in one
    ]
    return json.dumps({"methodConfig": kept})


_METHODS = _load()["methodConfig"]

DEFAULT_DEADLINE = _seconds(_METHODS)
"""Seconds, of a unary call that names none."""
RETRIES = _retries(_METHODS)
"""The service config of a channel: which unary calls gRPC repeats on which codes."""
