"""Logs: structured, one line a record, and unable to tell a secret."""

from __future__ import annotations

import asyncio
import io
import json
import logging
from collections.abc import Iterator

import pytest

from schoolbell_server.config import LogConfig, LogFormat, LogLevel
from schoolbell_server.observability.log import (
    FIELDS,
    configure_logging,
    get_logger,
    log_loop_errors,
)
from schoolbell_server.security.api_key import Role, new_api_key

SECRETS = ["Ada Lovelace", "87.5 percent", "fcm-token-abcdef"]


@pytest.fixture
def root() -> Iterator[None]:
    """Give the root logger back as it was."""
    logger = logging.getLogger()
    handlers, level = logger.handlers[:], logger.level
    logger.handlers = []
    yield
    logger.handlers, logger.level = handlers, level


def lines(style: LogFormat, level: LogLevel = LogLevel.INFO) -> io.StringIO:
    stream = io.StringIO()
    configure_logging(LogConfig(level=level, format=style), stream)
    return stream


def fail() -> None:
    name, score, token = SECRETS
    try:
        raise KeyError(name)
    except KeyError:
        raise ValueError(f"{score} {token}") from None


@pytest.mark.parametrize("style", list(LogFormat))
def test_no_record_shows_a_name_a_score_or_a_token(root: None, style: LogFormat) -> None:
    stream = lines(style)
    name, score, token = SECRETS
    _, credential = new_api_key(district_ids=["maple"], role=Role.MONITOR)
    logger = get_logger("test")
    try:
        fail()
    except ValueError:
        logger.exception("not sent", extra={"name_of_student": name, "score": score})
    logger.warning("shown", extra={"token": token, "delivery_id": "d-1"})
    logger.warning("metadata was %s", f"Bearer {credential}")
    logger.warning("url", extra={"cause": "postgresql://user:hunter2@db/x"})
    text = stream.getvalue()
    for secret in (*SECRETS, credential, credential.split("_", 2)[2], "hunter2"):
        assert secret not in text
    assert "d-1" in text
    assert "ValueError" in text and "test_log.py" in text
    assert text.count("(withheld)") >= 5


def test_a_json_record_is_one_line_with_its_fields(root: None) -> None:
    stream = lines(LogFormat.JSON)
    get_logger("test").info("two\nlines", extra={"deliveries": 3, "district_id": "a\nb"})
    (line,) = stream.getvalue().splitlines()
    entry = json.loads(line)
    assert entry["message"] == "two\\nlines"
    assert (entry["deliveries"], entry["district_id"]) == (3, "a\\nb")
    assert (entry["level"], entry["logger"]) == ("info", "test")
    assert entry["time"].endswith("Z")


def test_a_text_record_cannot_forge_another(root: None) -> None:
    stream = lines(LogFormat.TEXT)
    get_logger("test").info("call", extra={"district_id": "x\n2026-01-01 ERROR forged"})
    assert len(stream.getvalue().splitlines()) == 1


def test_long_values_are_cut_and_levels_hold(root: None) -> None:
    stream = lines(LogFormat.TEXT, LogLevel.WARNING)
    get_logger("test").info("too quiet")
    get_logger("test").warning("call", extra={"method": "x" * 10_000})
    assert "too quiet" not in stream.getvalue()
    assert len(stream.getvalue()) < 400


def test_the_cause_of_an_exception_is_told_by_type(root: None) -> None:
    stream = lines(LogFormat.JSON)
    try:
        try:
            raise FileNotFoundError(2, "Ada Lovelace")
        except OSError as error:
            raise ExceptionGroup("Ada Lovelace", [ValueError("Ada Lovelace")]) from error
    except ExceptionGroup:
        get_logger("test").exception("failed")
    entry = json.loads(stream.getvalue())
    told = [line for line in entry["exception"] if " in " not in line]
    assert told == [
        "builtins.FileNotFoundError [Errno 2]",
        "builtins.ExceptionGroup",
        "builtins.ValueError",
    ]


async def test_what_nobody_awaited_is_logged_without_its_text(root: None) -> None:
    stream = lines(LogFormat.JSON)
    loop = asyncio.get_running_loop()
    log_loop_errors(loop)
    loop.call_exception_handler(
        {"message": "Ada Lovelace", "exception": ValueError("Ada Lovelace")}
    )
    entry = json.loads(stream.getvalue())
    assert "Lovelace" not in stream.getvalue()
    assert entry["exception"] == ["builtins.ValueError"]


def test_no_field_is_a_name_a_text_or_a_value() -> None:
    assert not {"name", "title", "body", "score", "percent", "token", "comment"} & FIELDS
