"""One call: its id, its caller, how it ended, and what is logged and counted of it."""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field
from logging import DEBUG, ERROR, INFO, WARNING
from time import perf_counter

from grpc import StatusCode
from prometheus_client import Counter, Histogram

from schoolbell_server.observability.log import get_logger
from schoolbell_server.observability.metrics import Metrics
from schoolbell_server.rpc.errors import SchoolbellError
from schoolbell_server.rpc.status import REQUEST_ID
from schoolbell_server.security.api_key import Grant

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)
_SERVER_FAULTS = {StatusCode.INTERNAL, StatusCode.UNKNOWN, StatusCode.DATA_LOSS}
_PASSING_FAULTS = {StatusCode.UNAVAILABLE, StatusCode.RESOURCE_EXHAUSTED}

logger = get_logger(__name__)


class MethodMetrics:
    """The metrics of one method, with their labels looked up once."""

    def __init__(self, metrics: Metrics, method: str) -> None:
        self.started: Counter = metrics.calls_started.labels(method)
        self._method = method
        self._families = (metrics.call_duration, metrics.call_sent, metrics.call_received)
        self._by_code: dict[StatusCode, tuple[Histogram, ...]] = {}

    def finished(self, code: StatusCode, seconds: float, sent: int, received: int) -> None:
        """Count a call that ended."""
        children = self._by_code.get(code)
        if children is None:
            children = tuple(one.labels(self._method, code.name) for one in self._families)
            self._by_code[code] = children
        for child, value in zip(children, (seconds, sent, received), strict=True):
            child.observe(value)


@dataclass(slots=True, eq=False)
class Call:
    """A call that is being served."""

    method: str
    request_id: str
    metrics: MethodMetrics
    start: float = field(default_factory=perf_counter)
    sent: int = 0
    received: int = 0
    district_id: str = ""
    key: Grant | None = None
    address: str = ""
    """Where it comes from, of a call without a good key."""
    task: asyncio.Task[object] | None = None
    ending: SchoolbellError | None = None
    """Why the server itself ends it; set before its task is cancelled."""

    def end(self, error: SchoolbellError) -> None:
        """End the call from outside of its task."""
        if self.task is not None and self.ending is None:
            self.ending = error
            self.task.cancel()

    def finish(
        self, code: StatusCode, reason: str = "", fault: BaseException | None = None
    ) -> None:
        """Count and log how it ended; a fault of the server with its frames."""
        seconds = perf_counter() - self.start
        self.metrics.finished(code, seconds, self.sent, self.received)
        level = _level(code)
        if logger.isEnabledFor(level):
            logger.log(level, "call", extra=self._fields(code, reason, seconds), exc_info=fault)

    def _fields(self, code: StatusCode, reason: str, seconds: float) -> dict[str, object]:
        fields: dict[str, object] = {
            "request_id": self.request_id,
            "method": self.method,
            "code": code.name,
            "seconds": round(seconds, 6),
        }
        if reason:
            fields["reason"] = reason
        if self.key:
            fields["key_id"] = self.key.key_id
        elif self.address:
            fields["address"] = self.address
        if self.district_id:
            fields["district_id"] = self.district_id
        return fields


def request_id_of(metadata: Iterable[tuple[str, str | bytes]]) -> str:
    """Return the caller's own request id if it is well-formed, else a new one."""
    for name, value in metadata:
        if name == REQUEST_ID and isinstance(value, str) and _REQUEST_ID.fullmatch(value):
            return value
    return secrets.token_hex(8)


def _level(code: StatusCode) -> int:
    if code is StatusCode.OK:
        return DEBUG
    if code in _SERVER_FAULTS:
        return ERROR
    return WARNING if code in _PASSING_FAULTS else INFO
