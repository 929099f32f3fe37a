"""One call from its headers to its status, as an asynchronous context."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from types import TracebackType
from typing import Any, Protocol, Self

import grpc
from google.protobuf.message import Message
from grpc import StatusCode

from schoolbell.v1.error_reason_pb2 import ErrorReason
from schoolbell_server.config import LimitsConfig
from schoolbell_server.rpc.admission import Admission
from schoolbell_server.rpc.authentication import Authenticator
from schoolbell_server.rpc.call import Call, MethodMetrics, request_id_of
from schoolbell_server.rpc.caller import Caller, set_caller
from schoolbell_server.rpc.error_table import to_schoolbell_error
from schoolbell_server.rpc.errors import SchoolbellError, short_name
from schoolbell_server.rpc.peer import host_of
from schoolbell_server.rpc.places import Held, Places, address_of
from schoolbell_server.rpc.requests import Requests
from schoolbell_server.rpc.status import to_trailing_status
from schoolbell_server.rpc.turns import Turns

Context = Any
"""A `grpc.aio.ServicerContext` of raw bytes."""

_LET_GO = 0.05  # seconds
_STATUS_CODES: dict[object, StatusCode] = {code.value[0]: code for code in StatusCode}


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """What is made once for an RPC and used by all its calls."""

    admission: Admission
    metrics: MethodMetrics
    behaviour: Callable[..., Any]
    serialise: Callable[[Any], bytes]
    request_streaming: bool
    response_streaming: bool
    heavy: bool = False
    """Whether only few of its calls may work at once."""


class Calls(Protocol):
    """All calls of a server, as one of them sees them."""

    authenticator: Authenticator
    limits: LimitsConfig
    places: Places
    reads: Turns
    bodies: Turns
    page_key: bytes

    def check_draining(self) -> None:
        """Raise SchoolbellError where the server takes no further calls."""

    def open_stream(self, call: Call, stop: Callable[[SchoolbellError], None]) -> None:
        """Keep an eye on a stream: its key, and the end of the server."""

    def close_stream(self, call: Call) -> None:
        """Forget a stream."""


class Serving:
    """Serve one call: every exception inside the context becomes its status."""

    def __init__(self, calls: Calls, method: Method, context: Context) -> None:
        self._calls = calls
        self._method = method
        self._context = context
        self._metadata = context.invocation_metadata() or ()
        self._requests: Requests | None = None
        self._held = Held()
        self._turn = AsyncExitStack()
        request_id = request_id_of(self._metadata)
        self.call = Call(method.admission.method, request_id, method.metrics)

    async def __aenter__(self) -> Self:
        self._method.metrics.started.inc()
        return self

    async def argument(self) -> Message | Requests:
        """Return what the servicer is given, once the caller may call: a message or a stream.

        Nothing is read of the request before.
        """
        rule = self._method.admission.rule
        if rule.public:
            self._enter_public()
        else:
            await self._enter()
        if self._method.request_streaming:
            if self.call.key is not None:
                self._method.admission.check_role(self.call.key)
            return self._stream()
        message = self._method.admission.admit(await self._body(), self.call)
        if self._method.response_streaming:
            self._open(self.call.end)
        if self._method.heavy and self.call.key is not None:
            await self._turn.enter_async_context(self._calls.reads.turn(self.call.key.key_id))
        return message

    def _enter_public(self) -> None:
        """Take the places of a call that needs no key."""
        self.call.address = address_of(self._context.peer())
        method = self._method
        stream = method.request_streaming or method.response_streaming
        self._calls.places.take_public(
            self._held, self.call.method, self.call.address, stream=stream
        )

    async def _enter(self) -> None:
        """Find out who calls and take the places; a caller's own before anything is looked up."""
        calls = self._calls
        calls.check_draining()
        try:
            credential = await calls.authenticator.claim(self._metadata)
            calls.places.take_key(self._held, credential.key_id)
            key = await calls.authenticator.authenticate(credential)
        except SchoolbellError:
            self.call.address = address_of(self._context.peer())
            raise
        self.call.key = key
        calls.places.take_role(self._held, key.role)
        set_caller(
            Caller(
                key=key,
                rule=self._method.admission.rule,
                request_id=self.call.request_id,
                page_key=calls.page_key,
                client_address=host_of(self._context.peer()),
            )
        )

    async def _body(self) -> bytes:
        """Read the one request of a call: few of a key at once, for each may be large."""
        key_id = self.call.key.key_id if self.call.key is not None else ""
        try:
            async with asyncio.timeout(self._calls.limits.request_timeout.total_seconds()):
                async with self._calls.bodies.turn(key_id):
                    data = await self._context.read()
        except TimeoutError:
            raise SchoolbellError(
                ErrorReason.ERROR_REASON_DEADLINE_EXCEEDED,
                "the request did not arrive in time (limits.request_timeout)",
            ) from None
        if data is grpc.aio.EOF:
            await asyncio.sleep(_LET_GO)  # in which gRPC cancels a call that broke off
            raise SchoolbellError(
                ErrorReason.ERROR_REASON_MALFORMED_MESSAGE, "the call carries no message"
            )
        body: bytes = data
        return body

    def serialise(self, response: Any) -> bytes:
        """Return a response's bytes, and count them."""
        data = self._method.serialise(response)
        self.call.sent += len(data)
        return data

    def check_cut(self) -> None:
        """Raise why the requests were cut short, if they were."""
        if self._requests is not None and self._requests.cut is not None:
            raise self._requests.cut

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._calls.close_stream(self.call)
        await self._turn.aclose()
        self._calls.places.give_back(self._held)
        if error is None:
            self.call.finish(StatusCode.OK)
        else:
            await self._fail(error)

    def _stream(self) -> Requests:
        admit = partial(self._method.admission.admit, call=self.call)
        self._requests = Requests(self._context.read, admit, quiet=self._method.response_streaming)
        self._open(self._requests.stop)
        return self._requests

    def _open(self, stop: Callable[[SchoolbellError], None]) -> None:
        self.call.task = asyncio.current_task()
        self._calls.open_stream(self.call, stop)

    async def _fail(self, error: BaseException) -> None:
        if isinstance(error, asyncio.CancelledError) and self.call.ending is not None:
            if self.call.task is not None:
                self.call.task.uncancel()
            error = self.call.ending
        if isinstance(error, grpc.aio.AbortError):
            self.call.finish(_status_code(self._context.code()))
        elif isinstance(error, grpc.aio.InternalError):
            self.call.finish(self._gone())
            raise asyncio.CancelledError from error
        elif not isinstance(error, Exception):
            self.call.finish(self._gone())
        else:
            await self._tell(error)

    async def _tell(self, error: Exception) -> None:
        call = self.call
        told = to_schoolbell_error(error, call.method.removeprefix("/"), call.request_id)
        expected = isinstance(error, SchoolbellError | NotImplementedError)
        call.finish(told.code, short_name(told.reason), None if expected else error)
        await self._context.abort_with_status(to_trailing_status(told, call.request_id))

    def _gone(self) -> StatusCode:
        """Tell a deadline that passed from a caller that went away."""
        left = self._context.time_remaining()
        expired = left is not None and left <= 0
        return StatusCode.DEADLINE_EXCEEDED if expired else StatusCode.CANCELLED


def _status_code(code: object) -> StatusCode:
    """Return the code that a servicer ended its call with: gRPC keeps a number or a member."""
    return code if isinstance(code, StatusCode) else _STATUS_CODES.get(code, StatusCode.UNKNOWN)
