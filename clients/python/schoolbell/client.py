"""The asynchronous client: every service's stub, a publisher, and a watcher that resumes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from types import TracebackType
from typing import Self

import grpc.aio

from schoolbell.aio_calls import interceptors, typed
from schoolbell.backoff import Backoff
from schoolbell.connection import Connection
from schoolbell.errors import Unavailable, from_rpc_error
from schoolbell.publisher import AsyncPublisher
from schoolbell.v1.access_service_pb2_grpc import AccessServiceStub
from schoolbell.v1.change_service_pb2_grpc import ChangeServiceStub
from schoolbell.v1.device_service_pb2_grpc import DeviceServiceStub
from schoolbell.v1.district_service_pb2_grpc import DistrictServiceStub
from schoolbell.v1.roster_service_pb2 import ImportRosterRequest, ImportRosterResponse
from schoolbell.v1.roster_service_pb2_grpc import RosterServiceStub
from schoolbell.v1.settings_service_pb2_grpc import SettingsServiceStub
from schoolbell.v1.status_service_pb2 import WatchStatusRequest, WatchStatusResponse
from schoolbell.v1.status_service_pb2_grpc import StatusServiceStub
from schoolbell.v1.subscription_service_pb2_grpc import SubscriptionServiceStub


class AsyncClient:
    """A connection to Schoolbell for asyncio; use as `async with`.

    Unary calls have a default deadline, are repeated where the contract says that this is safe,
    and raise the classes of `schoolbell.errors`.
    """

    def __init__(self, connection: Connection) -> None:
        """Open the channel; must be called inside a running event loop."""
        self._channel = connection.aio_channel(*interceptors(connection))
        self.districts = DistrictServiceStub(self._channel)
        self.settings = SettingsServiceStub(self._channel)
        self.roster = RosterServiceStub(self._channel)
        self.devices = DeviceServiceStub(self._channel)
        self.subscriptions = SubscriptionServiceStub(self._channel)
        self.changes = ChangeServiceStub(self._channel)
        self.status = StatusServiceStub(self._channel)
        self.access = AccessServiceStub(self._channel)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._channel.close()

    def publisher(self, district_id: str) -> AsyncPublisher:
        """Return a publisher for one district; use as `async with`."""
        return AsyncPublisher(self.changes, district_id)

    async def watch(self, request: WatchStatusRequest) -> AsyncIterator[WatchStatusResponse]:
        """Stream what changes, for ever: a break is mended from the last token.

        Raises the typed error of anything but a break, such as `OutOfRange` for a token that is
        too old: list, then watch from the list's token.
        """
        asked = WatchStatusRequest()
        asked.CopyFrom(request)
        backoff = Backoff()
        while True:
            try:
                async for response in typed(self.status.WatchStatus(asked)):
                    asked.resume_token = response.resume_token
                    backoff.reset()
                    yield response
            except Unavailable:
                pass
            await backoff.pause()

    async def import_roster(self, parts: Iterable[ImportRosterRequest]) -> ImportRosterResponse:
        """Send an import's header, records and footer; return its report."""

        async def stream() -> AsyncIterator[ImportRosterRequest]:
            for part in parts:
                yield part

        try:
            return await self.roster.ImportRoster(stream())
        except grpc.aio.AioRpcError as error:
            raise from_rpc_error(error) from None
