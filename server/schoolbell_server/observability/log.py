"""Structured logs that cannot tell a secret.

A record is a constant message and named fields (`extra={"delivery_id": …}`). Only the fields named
here are written, ids and counts all of them; another one appears with its value withheld. Of an
exception its type and its frames are written, never its text, which may quote the input.

Callers name paths, keys and files, and every text of theirs is escaped: a record is one line (in
the text format with frames below it), holds no control character, and no value can look like
another field.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import logging
import re
import sys
import traceback
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum, unique
from typing import Any, TextIO

from schoolbell_server.observability.repeats import Repeats
from schoolbell_storage.errors import StorageError

FIELDS = frozenset(
    {
        "address",
        "app_id",
        "attempts",
        "backlog",
        "calls",
        "cause",
        "change_id",
        "changes",
        "code",
        "count",
        "decisions",
        "deliveries",
        "delivery_id",
        "device_id",
        "devices",
        "digest",
        "district_id",
        "environment",
        "import_id",
        "instance_id",
        "key_id",
        "kind",
        "lane",
        "left_out",
        "method",
        "outcome",
        "path",
        "process_number",
        "provider",
        "provider_reason",
        "reason",
        "records",
        "request_id",
        "revision",
        "role",
        "seconds",
        "setting",
        "source",
        "state",
        "task",
        "user_id",
        "warning",
    }
)
TELL_INTERVAL = 60.0  # seconds
WITHHELD = "(withheld)"
_MORE = "and more"
MAX_VALUE = 256  # characters
MAX_MESSAGE = 1024  # characters
MAX_EXCEPTIONS = 16
"""Causes and members of groups that are written of one exception."""
MAX_FRAMES = 32
"""Frames that are written of each, the last ones."""
_READ = 4096  # characters of a value that are looked at

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_SEEN = re.compile(r"[ -\[\]-~]*")
_PLAIN = re.compile(r"[\w(){}\[\]<>.,:;/@+*%!?&#$~^|'-]+")
_CREDENTIAL = re.compile(
    r"sb_[0-9a-f-]{8,}_[\w-]+|eyJ[\w-]+\.[\w-]*\.[\w-]*|(?i:bearer\s+)\S+|://[^/\s@]+@"
)


@unique
class LogLevel(StrEnum):
    """How much is logged."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


@unique
class LogFormat(StrEnum):
    """For machines or for people."""

    JSON = "json"
    TEXT = "text"


@dataclass(frozen=True, slots=True, kw_only=True)
class LogConfig:
    """What is logged, and how."""

    level: LogLevel = LogLevel.INFO
    format: LogFormat = LogFormat.TEXT


def get_logger(name: str) -> logging.Logger:
    """Return the logger of a module."""
    return logging.getLogger(name)


def configure_logging(config: LogConfig, stream: TextIO = sys.stderr) -> Repeats:
    """Send the records of the process to a stream, in the configured form, repeats bounded.

    Return what bounds them.
    """
    handler, repeats = _Handler(stream), Repeats()
    handler.addFilter(repeats)
    handler.setFormatter(JsonFormatter() if config.format is LogFormat.JSON else TextFormatter())
    logging.basicConfig(level=config.level.name, handlers=[handler], force=True)
    logging.getLogger("alembic").setLevel(logging.WARNING)  # it tells how it works, not what
    return repeats


async def tell_left_out(repeats: Repeats, interval: float = TELL_INTERVAL) -> None:
    """Say for ever, each interval (seconds), what was left out and not told with a later line."""
    while True:
        await asyncio.sleep(interval)
        for name, message, count in repeats.left_out():
            get_logger(name).warning("lines left out: " + message, extra={"left_out": count})


def log_loop_errors(loop: asyncio.AbstractEventLoop) -> None:
    """Log what nobody awaited without the text asyncio would quote."""
    loop.set_exception_handler(_on_loop_error)


class _Handler(logging.StreamHandler[TextIO]):
    """Writes records; what cannot be formatted is told without being quoted."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's name
        """Write one line instead of the traceback that logging would print, texts and all."""
        kind = sys.exc_info()[0]
        name = "" if kind is None else kind.__qualname__
        try:
            self.stream.write(f"a record of {_clean(record.name)} was not written: {name}\n")
        except (OSError, ValueError):
            return  # there is nowhere to say it


class JsonFormatter(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as JSON."""
        entry = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": _message(record),
            **dict(_fields(record)),
        }
        if record.exc_info and record.exc_info[0]:
            entry["exception"] = describe(record.exc_info[1])
        return json.dumps(entry, ensure_ascii=False, default=str)


class TextFormatter(logging.Formatter):
    """One line for people, and the frames of an exception below it."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as text."""
        fields = "".join(f" {name}={_quoted(value)}" for name, value in _fields(record))
        message = _message(record)
        if "=" in message:  # it would read as a field
            message = f"{_quoted(message)}"
        line = f"{_time(record)} {record.levelname:<7} {message}{fields}"
        if record.exc_info and record.exc_info[0]:
            frames = "\n  ".join(describe(record.exc_info[1]))
            line += f"\n  {frames}"
        return line


def describe(error: BaseException | None) -> list[str]:
    """Return an exception's types and frames, the cause first, without any of their texts.

    Each exception is written once, however they refer to each other, and a bounded number of all.
    """
    lines: list[str] = []
    _describe(error, lines, set())
    return lines


def _describe(error: BaseException | None, lines: list[str], seen: set[int]) -> None:
    if error is None or id(error) in seen:
        return
    if len(seen) >= MAX_EXCEPTIONS:
        if lines[-1:] != [_MORE]:
            lines.append(_MORE)
        return
    seen.add(id(error))
    _describe(
        error.__cause__ or (None if error.__suppress_context__ else error.__context__), lines, seen
    )
    number = f" [Errno {error.errno}]" if isinstance(error, OSError) else ""
    lines.append(f"{type(error).__module__}.{type(error).__qualname__}{number}")
    lines += _frames(error)
    for inner in error.exceptions if isinstance(error, BaseExceptionGroup) else ():
        _describe(inner, lines, seen)


def _frames(error: BaseException) -> list[str]:
    last = deque(traceback.walk_tb(error.__traceback__), MAX_FRAMES)
    codes = [(frame.f_code, line) for frame, line in last]
    return [f"{code.co_filename}:{line} in {code.co_name}" for code, line in codes]


def _fields(record: logging.LogRecord) -> Iterator[tuple[str, Any]]:
    for name, value in vars(record).items():
        if name not in _STANDARD:
            yield name, _value(value) if name in FIELDS else WITHHELD


def _value(value: object) -> object:
    if value is None or isinstance(value, bool | int | float):
        return value
    return _clean(str(value)[:_READ])[:MAX_VALUE]


def _message(record: logging.LogRecord) -> str:
    return _clean(record.getMessage()[:_READ])[:MAX_MESSAGE]


def _quoted(value: object) -> object:
    """Return a text so that it cannot be taken for more than one value."""
    if not isinstance(value, str) or _PLAIN.fullmatch(value):
        return value
    return '"' + value.replace('"', '\\"') + '"'


def _clean(text: str) -> str:
    """Keep a text on one line and to letters that are seen, and credentials out of it."""
    text = _CREDENTIAL.sub(WITHHELD, text)
    return text if _SEEN.fullmatch(text) else escape(text)


def escape(text: str) -> str:
    """Return a text with everything escaped that moves a cursor, hides, or is not seen."""
    return "".join(
        letter if letter.isprintable() and letter != "\\" else _escaped(letter) for letter in text
    )


def _escaped(letter: str) -> str:
    return letter.encode("unicode_escape").decode("ascii")


def _time(record: logging.LogRecord) -> str:
    time = dt.datetime.fromtimestamp(record.created, dt.UTC)
    return time.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _on_loop_error(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    task = context.get("task") or context.get("future")
    name = task.get_name() if isinstance(task, asyncio.Task) else ""
    error = context.get("exception")
    logger = get_logger("asyncio")
    if isinstance(error, StorageError):  # no fault of the work: frames would say nothing
        logger.warning("storage failed background work", extra={"task": name, "cause": str(error)})
    else:
        logger.error("background work failed", extra={"task": name}, exc_info=error)
