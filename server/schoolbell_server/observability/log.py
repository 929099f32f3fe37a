"""Structured logs that cannot tell a secret.

A record is a constant message and named fields (`extra={"delivery_id": …}`). Only the fields named
here are written, ids and counts all of them; another one appears with its value withheld. Of an
exception its type and its frames are written, never its text, which may quote the input.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import logging
import re
import sys
import traceback
from collections.abc import Iterator
from typing import Any, TextIO

from schoolbell_server.config import LogConfig, LogFormat

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
        "method",
        "outcome",
        "path",
        "provider",
        "provider_reason",
        "reason",
        "records",
        "request_id",
        "revision",
        "role",
        "seconds",
        "source",
        "state",
        "task",
        "user_id",
        "warning",
    }
)
WITHHELD = "(withheld)"
MAX_VALUE = 256  # characters

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_CREDENTIAL = re.compile(r"sb_[0-9a-f-]{8,}_[\w-]+|(?i:bearer\s+)\S+|://[^/\s@]+@")


def get_logger(name: str) -> logging.Logger:
    """Return the logger of a module."""
    return logging.getLogger(name)


def configure_logging(config: LogConfig, stream: TextIO = sys.stderr) -> None:
    """Send every record of the process to a stream, in the configured form."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonFormatter() if config.format is LogFormat.JSON else TextFormatter())
    logging.basicConfig(level=config.level.name, handlers=[handler], force=True)
    logging.getLogger("alembic").setLevel(logging.WARNING)  # it tells how it works, not what


def log_loop_errors(loop: asyncio.AbstractEventLoop) -> None:
    """Log what nobody awaited without the text asyncio would quote."""
    loop.set_exception_handler(_on_loop_error)


class JsonFormatter(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as JSON."""
        entry = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": _clean(record.getMessage()),
            **dict(_fields(record)),
        }
        if record.exc_info and record.exc_info[0]:
            entry["exception"] = describe(record.exc_info[1])
        return json.dumps(entry, ensure_ascii=False, default=str)


class TextFormatter(logging.Formatter):
    """One line for people, and the frames of an exception below it."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as text."""
        fields = "".join(f" {name}={value}" for name, value in _fields(record))
        message = _clean(record.getMessage())
        line = f"{_time(record)} {record.levelname:<7} {message}{fields}"
        if record.exc_info and record.exc_info[0]:
            frames = "\n  ".join(describe(record.exc_info[1]))
            line += f"\n  {frames}"
        return line


def describe(error: BaseException | None) -> list[str]:
    """Return an exception's types and frames, the cause first, without any of their texts."""
    if error is None:
        return []
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    number = f" [Errno {error.errno}]" if isinstance(error, OSError) else ""
    frames = traceback.extract_tb(error.__traceback__)
    lines = [f"{frame.filename}:{frame.lineno} in {frame.name}" for frame in frames]
    within = error.exceptions if isinstance(error, BaseExceptionGroup) else ()
    return [
        *describe(cause),
        f"{type(error).__module__}.{type(error).__qualname__}{number}",
        *lines,
        *(line for inner in within for line in describe(inner)),
    ]


def _fields(record: logging.LogRecord) -> Iterator[tuple[str, Any]]:
    for name, value in vars(record).items():
        if name not in _STANDARD:
            yield name, _value(value) if name in FIELDS else WITHHELD


def _value(value: object) -> object:
    if value is None or isinstance(value, bool | int | float):
        return value
    return _clean(str(value))[:MAX_VALUE]


def _clean(text: str) -> str:
    """Keep a text on one line, and credentials out of it."""
    return _CREDENTIAL.sub(WITHHELD, text).replace("\r", "\\r").replace("\n", "\\n")


def _time(record: logging.LogRecord) -> str:
    time = dt.datetime.fromtimestamp(record.created, dt.UTC)
    return time.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _on_loop_error(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    task = context.get("task") or context.get("future")
    name = task.get_name() if isinstance(task, asyncio.Task) else ""
    error = context.get("exception")
    get_logger("asyncio").error("background work failed", extra={"task": name}, exc_info=error)
