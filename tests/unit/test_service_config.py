"""The service config is what the contract says, and the Python client reads it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.descriptor_pb2 import MethodOptions

from schoolbell import Connection
from schoolbell.service_config import DEFAULT_DEADLINE, RETRIES
from tests.unit.contract import methods

CHECKOUT = Path(__file__).parents[2]
CONFIG = json.loads((CHECKOUT / "proto" / "service_config.json").read_text(encoding="utf-8"))
COPIES = ("clients/python/schoolbell", "clients/go/schoolbell")


def _named(config: dict[str, Any], key: str) -> set[str]:
    return {
        f"{name['service']}.{name['method']}"
        for method in config["methodConfig"]
        if key in method
        for name in method["name"]
    }


def _unary() -> list[MethodDescriptor]:
    return [one for one in methods() if not (one.client_streaming or one.server_streaming)]


def test_unary_calls_have_a_deadline_and_streams_do_not() -> None:
    assert _named(CONFIG, "timeout") == {method.full_name for method in _unary()}


def test_safe_unary_calls_are_retried_and_nothing_else_is() -> None:
    safe = (MethodOptions.NO_SIDE_EFFECTS, MethodOptions.IDEMPOTENT)
    wanted = {
        method.full_name for method in _unary() if method.GetOptions().idempotency_level in safe
    }
    assert _named(CONFIG, "retryPolicy") == wanted == _named(json.loads(RETRIES), "retryPolicy")
    assert "WatchStatus" not in RETRIES


@pytest.mark.parametrize("folder", COPIES)
def test_each_client_has_the_same_config(folder: str) -> None:
    copy = CHECKOUT / folder / "service_config.json"
    assert json.loads(copy.read_text(encoding="utf-8")) == CONFIG


def test_the_default_deadline_is_the_configs_and_may_be_made_longer() -> None:
    assert Connection().deadline == DEFAULT_DEADLINE == 15
    assert "timeout" not in RETRIES
