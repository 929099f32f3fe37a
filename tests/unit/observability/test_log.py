"""Logs: structured, one line a record, and unable to tell a secret."""

from __future__ import annotations

import ast
import asyncio
import importlib.util
import io
import json
import logging
import re
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from schoolbell_server.observability.log import (
    FIELDS,
    MAX_EXCEPTIONS,
    MAX_FRAMES,
    LogConfig,
    LogFormat,
    LogLevel,
    configure_logging,
    describe,
    get_logger,
    log_loop_errors,
)
from schoolbell_server.security.api_key import Role, new_api_key
from schoolbell_storage.errors import Conflict

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


HOSTILE = [
    "/x code=OK key_id=operator",
    "\x1b[2J\x1b]0;title\x07",
    "a\r\nb",
    "a\x85b\u2028c\u2029d",
    "\u202egnp.exe",
    "\x00\x7f\x9b31m",
    'quote" code="OK',
    "back\\nslash",
    "\ud800",
    "a\u200bb\ufeff",
]


@pytest.mark.parametrize("style", list(LogFormat))
@pytest.mark.parametrize("text", HOSTILE, ids=ascii)
def test_what_a_caller_names_is_one_value_of_letters_that_are_seen(
    root: None, text: str, style: LogFormat
) -> None:
    stream = lines(style)
    get_logger("test").info("call", extra={"method": text, "code": "REAL"})
    get_logger("test").info("third party said %s", text)
    raw = stream.getvalue()
    assert all(letter.isprintable() or letter == "\n" for letter in raw)
    first, second = raw.removesuffix("\n").split("\n")
    if style is LogFormat.JSON:
        assert json.loads(first)["code"] == "REAL"
        assert all(letter.isprintable() for letter in json.loads(first)["method"])
    else:
        fields = shlex.split(first.split(" call ", 1)[1])
        assert [one.partition("=")[0] for one in fields] == ["method", "code"]
        assert fields[1] == "code=REAL"
        assert not re.search(r"^[^\"]*code=", second)


def cycle() -> BaseException:
    inner = ValueError("secret text")
    group = ExceptionGroup("g", [inner])
    inner.__context__ = group
    return group


def own_cause() -> BaseException:
    first, second = ValueError("secret text"), KeyError("secret text")
    first.__cause__, second.__context__ = second, first
    return first


def long_chain() -> BaseException:
    error: BaseException = ValueError("secret text")
    for _ in range(100_000):
        outer = ValueError("secret text")
        outer.__cause__, error = error, outer
    return error


def wide_group() -> BaseException:
    return ExceptionGroup("g", [ValueError("secret text") for _ in range(10_000)])


def deep_stack() -> BaseException:
    def fall() -> None:
        fall()

    try:
        fall()
    except RecursionError as error:
        return error
    raise AssertionError


@pytest.mark.parametrize("style", list(LogFormat))
@pytest.mark.parametrize("make", [cycle, own_cause, long_chain, wide_group, deep_stack])
def test_an_exception_is_told_once_and_bounded(
    root: None, make: Callable[[], BaseException], style: LogFormat
) -> None:
    error = make()
    told = describe(error)
    assert len(told) <= MAX_EXCEPTIONS * (MAX_FRAMES + 1) + 1
    if make in (cycle, own_cause):
        assert sorted(told) == sorted({*told}), "once each"
        assert "builtins.ValueError" in told
    stream = lines(style)
    get_logger("test").error("failed", exc_info=error)
    assert "failed" in stream.getvalue()
    assert "secret text" not in stream.getvalue()


@pytest.mark.parametrize("style", list(LogFormat))
def test_a_record_that_cannot_be_formatted_is_not_quoted(
    root: None, style: LogFormat, capsys: pytest.CaptureFixture[str]
) -> None:
    stream = lines(style)
    get_logger("test").info("%d students", "Ada Lovelace")
    assert stream.getvalue() == "a record of test was not written: TypeError\n"
    assert capsys.readouterr().err == ""


async def test_storage_that_fails_background_work_is_a_warning_without_frames(root: None) -> None:
    stream = lines(LogFormat.JSON)
    loop = asyncio.get_running_loop()
    log_loop_errors(loop)
    loop.call_exception_handler({"message": "x", "exception": Conflict("lock timeout")})
    entry = json.loads(stream.getvalue())
    assert (entry["level"], entry["cause"]) == ("warning", "lock timeout")
    assert "exception" not in entry


@pytest.mark.parametrize("package", ["schoolbell_server", "schoolbell_storage"])
def test_no_field_that_our_code_names_is_withheld(package: str) -> None:
    spec = importlib.util.find_spec(package)
    assert spec is not None and spec.origin is not None
    named: set[str] = set()
    for file in Path(spec.origin).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                named.update(_fields_of(node))
            if isinstance(node, ast.Assign) and _names(node) & {"ids", "fields"}:
                named.update(_keys_of(node.value))
    assert named - FIELDS == set()


def _names(node: ast.Assign) -> set[str]:
    return {one.id for one in node.targets if isinstance(one, ast.Name)}


def _fields_of(call: ast.Call) -> set[str]:
    return {key for one in call.keywords if one.arg == "extra" for key in _keys_of(one.value)}


def _keys_of(node: ast.expr) -> set[str]:
    if not isinstance(node, ast.Dict):
        return set()
    return {str(key.value) for key in node.keys if isinstance(key, ast.Constant)}
