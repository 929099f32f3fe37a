"""The outermost layer of every RPC.

Order: request id, metrics and log, error mapping, credentials, the size and form of each request,
its district id, permission, strings and enum numbers; then the servicer. gRPC hands raw bytes in
here, and everything from parsing to serialising happens inside, so nothing is ever answered with
UNKNOWN or with an exception's text. No request is read before its caller is known and has a place:
whoever shows no good key costs no memory but that of a header.

Servicers are written as generated: coroutines, and asynchronous generators where responses stream.
They iterate over requests; `context.read` would give raw bytes. Handlers are wrapped once, where
they are added to the server: an interceptor would cost every call 30 to 40 µs more.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import secrets
from collections.abc import Callable, Mapping
from typing import Any

from schoolbell.v1.error_reason_pb2 import ErrorReason
from schoolbell_server.config import LimitsConfig
from schoolbell_server.observability.metrics import Metrics
from schoolbell_server.rpc.admission import Admission
from schoolbell_server.rpc.authentication import Authenticator
from schoolbell_server.rpc.call import Call, MethodMetrics
from schoolbell_server.rpc.error_table import COME_BACK
from schoolbell_server.rpc.errors import SchoolbellError
from schoolbell_server.rpc.places import Places
from schoolbell_server.rpc.serving import Context, Method
from schoolbell_server.rpc.shapes import wrapped
from schoolbell_server.rpc.turns import Turns
from schoolbell_server.security.permissions import HEAVY, RULES, Rule
from schoolbell_storage.errors import StorageError

CHECK_AGAIN = dt.timedelta(seconds=5)
"""How often the key of an open stream is looked at again."""

_UNKNOWN_RPC = Rule(public=True)
_DEFAULTS = LimitsConfig()


class Middleware:
    """What every RPC of a server passes through."""

    def __init__(
        self,
        authenticator: Authenticator,
        metrics: Metrics,
        *,
        rules: Mapping[str, Rule] = RULES,
        limits: LimitsConfig = _DEFAULTS,
        check_again: dt.timedelta = CHECK_AGAIN,
        page_key: bytes | None = None,
    ) -> None:
        """`page_key` authenticates page tokens, on all servers of a database; None is a new one."""
        self.authenticator = authenticator
        self.page_key = page_key or secrets.token_bytes(32)
        self._metrics = metrics
        self._rules = rules
        self.limits = limits
        self.places = Places(limits, metrics)
        self.reads = Turns(of_a_key=limits.key_reads, of_all=limits.reads)
        self.bodies = Turns(of_a_key=limits.bodies)
        self._check_again = check_again.total_seconds()
        self._stops: dict[Call, Callable[[SchoolbellError], None]] = {}
        self._watches: dict[Call, asyncio.Task[None]] = {}
        self._draining = False

    def handler(self, name: str, plain: Any) -> Any:
        """Return the handler of an RPC within the middleware; `name` is `/service/method`."""
        return wrapped(self, self._method(name, plain))

    def unknown(self, name: str) -> Any:
        """Return the handler of an RPC that is not served: UNIMPLEMENTED / NOT_IMPLEMENTED."""
        return wrapped(self, self._unknown(name))

    def drain(self) -> None:
        """Take no further calls, and end the open streams: UNAVAILABLE / DRAINING.

        A stream of requests and responses reads no more, answers what it has read, and then ends.
        """
        self._draining = True
        for stop in list(self._stops.values()):
            stop(_draining())

    def check_draining(self) -> None:
        """Raise SchoolbellError where the server takes no further calls."""
        if self._draining:
            raise _draining()

    def open_stream(self, call: Call, stop: Callable[[SchoolbellError], None]) -> None:
        """Keep an eye on a stream: its key, and the end of the server."""
        self._stops[call] = stop
        if call.key is not None:
            watch = self._watch_key(call)
            self._watches[call] = asyncio.create_task(watch, name=f"key of {call.request_id}")
        if self._draining:
            stop(_draining())

    def close_stream(self, call: Call) -> None:
        """Forget a stream."""
        self._stops.pop(call, None)
        if watch := self._watches.pop(call, None):
            watch.cancel()

    async def _watch_key(self, call: Call) -> None:
        assert call.key is not None
        while True:
            await asyncio.sleep(self._check_again)
            try:
                await self.authenticator.check_again(call.key)
            except StorageError:
                continue
            except SchoolbellError as error:
                call.end(error)
                return

    def _method(self, name: str, plain: Any) -> Method:
        admission = Admission(
            method=name,
            rule=self._rules.get(name, Rule()),
            parse=plain.request_deserializer,
            most_bytes=self.limits.message_bytes,
        )
        shapes = (plain.unary_unary, plain.unary_stream, plain.stream_unary, plain.stream_stream)
        return Method(
            admission=admission,
            metrics=MethodMetrics(self._metrics, name.removeprefix("/")),
            behaviour=next(shape for shape in shapes if shape is not None),
            serialise=plain.response_serializer,
            request_streaming=plain.request_streaming,
            response_streaming=plain.response_streaming,
            heavy=name in HEAVY,
        )

    def _unknown(self, name: str) -> Method:
        """Describe an RPC that is not served; its name is the caller's, so no metric has it."""
        return Method(
            admission=Admission(
                method=name, rule=_UNKNOWN_RPC, parse=_unread, most_bytes=self.limits.message_bytes
            ),
            metrics=MethodMetrics(self._metrics, "other"),
            behaviour=_refuse,
            serialise=bytes,
            request_streaming=True,  # so that nothing is read of it
            response_streaming=False,
        )


def _draining() -> SchoolbellError:
    return SchoolbellError(
        ErrorReason.ERROR_REASON_DRAINING,
        "the server is shutting down; call again",
        retry_after=COME_BACK,
    )


def _unread(_: bytes) -> Any:
    return None


async def _refuse(_: object, __: Context) -> bytes:
    raise NotImplementedError
