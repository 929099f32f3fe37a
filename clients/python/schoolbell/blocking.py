"""The blocking client: the same stubs and the same errors, for code without an event loop."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from types import TracebackType
from typing import Any, NamedTuple, Self

import grpc

from schoolbell.backoff import Backoff
from schoolbell.connection import Connection
from schoolbell.errors import Unavailable, from_rpc_error
from schoolbell.publisher import BATCH
from schoolbell.v1.access_service_pb2_grpc import AccessServiceStub
from schoolbell.v1.change_pb2 import Change
from schoolbell.v1.change_service_pb2 import BatchPublishChangesRequest, PublishAck
from schoolbell.v1.change_service_pb2_grpc import ChangeServiceStub
from schoolbell.v1.device_service_pb2_grpc import DeviceServiceStub
from schoolbell.v1.district_service_pb2_grpc import DistrictServiceStub
from schoolbell.v1.roster_service_pb2_grpc import RosterServiceStub
from schoolbell.v1.settings_service_pb2_grpc import SettingsServiceStub
from schoolbell.v1.status_service_pb2 import WatchStatusRequest, WatchStatusResponse
from schoolbell.v1.status_service_pb2_grpc import StatusServiceStub
from schoolbell.v1.subscription_service_pb2_grpc import SubscriptionServiceStub


class _Fields(NamedTuple):
    method: str
    timeout: float | None
    metadata: Any
    credentials: Any
    wait_for_ready: bool | None
    compression: Any


class _Details(_Fields, grpc.ClientCallDetails):
    """What gRPC wants to be handed on."""


class _Calls(
    grpc.UnaryUnaryClientInterceptor,
    grpc.UnaryStreamClientInterceptor,
    grpc.StreamUnaryClientInterceptor,
    grpc.StreamStreamClientInterceptor,
):
    """Credentials for every call, a deadline and typed errors for unary ones."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def intercept_unary_unary(self, continuation: Any, details: Any, request: Any) -> Any:
        call = continuation(self._details(details, self._connection.deadline), request)
        try:
            call.result()
        except grpc.RpcError as error:
            raise from_rpc_error(error) from None
        return call

    def intercept_unary_stream(self, continuation: Any, details: Any, request: Any) -> Any:
        return continuation(self._details(details, None), request)

    def intercept_stream_unary(self, continuation: Any, details: Any, requests: Any) -> Any:
        return continuation(self._details(details, None), requests)

    def intercept_stream_stream(self, continuation: Any, details: Any, requests: Any) -> Any:
        return continuation(self._details(details, None), requests)

    def _details(self, details: Any, timeout: float | None) -> grpc.ClientCallDetails:
        return _Details(
            details.method,
            details.timeout if details.timeout is not None else timeout,
            [*(details.metadata or ()), *self._connection.metadata()],
            details.credentials,
            details.wait_for_ready,
            details.compression,
        )


class Client:
    """A connection to Schoolbell for blocking code; use as `with`."""

    def __init__(self, connection: Connection) -> None:
        """Open the channel."""
        self._channel = connection.sync_channel()
        channel = grpc.intercept_channel(self._channel, _Calls(connection))
        self.districts = DistrictServiceStub(channel)
        self.settings = SettingsServiceStub(channel)
        self.roster = RosterServiceStub(channel)
        self.devices = DeviceServiceStub(channel)
        self.subscriptions = SubscriptionServiceStub(channel)
        self.changes = ChangeServiceStub(channel)
        self.status = StatusServiceStub(channel)
        self.access = AccessServiceStub(channel)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._channel.close()

    def publish_all(
        self, district_id: str, changes: Iterable[Change]
    ) -> Iterator[tuple[Change, PublishAck]]:
        """Publish many changes in batches and yield each with its answer, in order."""
        source = iter(changes)
        while batch := list(islice(source, BATCH)):
            answer = self.changes.BatchPublishChanges(
                BatchPublishChangesRequest(district_id=district_id, changes=batch)
            )
            yield from zip(batch, answer.acks, strict=True)

    def watch(self, request: WatchStatusRequest) -> Iterator[WatchStatusResponse]:
        """Stream what changes, for ever: a break is mended from the last token."""
        asked = WatchStatusRequest()
        asked.CopyFrom(request)
        backoff = Backoff()
        while True:
            try:
                for response in self.status.WatchStatus(asked):
                    asked.resume_token = response.resume_token
                    backoff.reset()
                    yield response
            except grpc.RpcError as error:
                fault = from_rpc_error(error)
                if not isinstance(fault, Unavailable):
                    raise fault from None
            backoff.block()
