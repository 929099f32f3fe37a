"""One call from its first byte to its status, as an asynchronous context."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from types import TracebackType
from typing import Any, Protocol, Self

import grpc
from google.protobuf.message import Message
from grpc import StatusCode

from schoolbell.v1.error_reason_pb2 import ErrorReason
from schoolbell_server.rpc.admission import Admission
from schoolbell_server.rpc.authentication import Authenticator
from schoolbell_server.rpc.call import Call, MethodMetrics, request_id_of
from schoolbell_server.rpc.caller import Caller, set_caller
from schoolbell_server.rpc.error_table import to_schoolbell_error
from schoolbell_server.rpc.errors import SchoolbellError
from schoolbell_server.rpc.peer import host_of
from schoolbell_server.rpc.requests import Requests
from schoolbell_server.rpc.status import to_trailing_status

Context = Any
"""A `grpc.aio.ServicerContext` of raw bytes."""

_STATUS_CODES = {code.value[0]: code for code in StatusCode}


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """What is made once for an RPC and used by all its calls."""

    admission: Admission
    metrics: MethodMetrics
    behaviour: Callable[..., Any]
    serialise: Callable[[Any], bytes]
    request_streaming: bool
    response_streaming: bool


class Calls(Protocol):
    """All calls of a server, as one of them sees them."""

    authenticator: Authenticator
    page_key: bytes

    def enter(self, *, public: bool) -> None:
        """Take a call in; SchoolbellError if there is no room or no time left."""

    def leave(self) -> None:
        """Let a call go."""

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
        self._entered = False
        request_id = request_id_of(self._metadata)
        self.call = Call(method.admission.method, request_id, method.metrics)

    async def __aenter__(self) -> Self:
        self._method.metrics.started.inc()
        return self

    async def argument(self, request: Any) -> Message | Requests:
        """Return what the servicer is given, once the caller may call: a message or a stream."""
        public = self._method.admission.rule.public
        self._calls.enter(public=public)
        self._entered = True
        if not public:
            key = await self._calls.authenticator.authenticate(self._metadata)
            self.call.key = key
            set_caller(
                Caller(
                    key=key,
                    rule=self._method.admission.rule,
                    request_id=self.call.request_id,
                    page_key=self._calls.page_key,
                    client_address=host_of(self._context.peer()),
                )
            )
        if self._method.request_streaming:
            if self.call.key is not None:
                self._method.admission.check_role(self.call.key)
            return self._stream(request)
        message = self._method.admission.admit(request, self.call)
        if self._method.response_streaming:
            self._open(self.call.end)
        return message

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
        if self._entered:
            self._calls.leave()
        if error is None:
            self.call.finish(StatusCode.OK)
        else:
            await self._fail(error)

    def _stream(self, source: Any) -> Requests:
        admit = partial(self._method.admission.admit, call=self.call)
        self._requests = Requests(source, admit, quiet=self._method.response_streaming)
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
            self.call.finish(_STATUS_CODES.get(self._context.code(), StatusCode.UNKNOWN))
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
        call.finish(told.code, ErrorReason.Name(told.reason), None if expected else error)
        await self._context.abort_with_status(to_trailing_status(told, call.request_id))

    def _gone(self) -> StatusCode:
        """Tell a deadline that passed from a caller that went away."""
        left = self._context.time_remaining()
        expired = left is not None and left <= 0
        return StatusCode.DEADLINE_EXCEEDED if expired else StatusCode.CANCELLED
