"""The asynchronous client: every service's stub, a publisher, and a watcher that resumes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from types import TracebackType
from typing import Self

from schoolbell.aio_calls import typed_channel
from schoolbell.breaks import Breaks
from schoolbell.connection import Connection
from schoolbell.errors import SchoolbellError
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
        self._connection = connection
        self._channel = connection.aio_channel()
        channel = typed_channel(self._channel, connection)
        self.districts = DistrictServiceStub(channel)
        self.settings = SettingsServiceStub(channel)
        self.roster = RosterServiceStub(channel)
        self.devices = DeviceServiceStub(channel)
        self.subscriptions = SubscriptionServiceStub(channel)
        self.changes = ChangeServiceStub(channel)
        self.status = StatusServiceStub(channel)
        self.access = AccessServiceStub(channel)

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
        return AsyncPublisher(self.changes, district_id, Breaks(self._connection))

    async def watch(self, request: WatchStatusRequest) -> AsyncIterator[WatchStatusResponse]:
        """Stream what changes, for ever; after a break it resumes from the last token.

        Raises the typed error of anything but a break, such as `OutOfRange` for a token that is
        too old: list, then watch from the list's token. A break is logged while it lasts, and
        ends with `Unreachable` where it can never end otherwise.
        """
        asked = WatchStatusRequest()
        asked.CopyFrom(request)
        breaks = Breaks(self._connection)
        while True:
            try:
                async for response in self.status.WatchStatus(asked):
                    asked.resume_token = response.resume_token
                    breaks.over()
                    yield response
            except SchoolbellError as error:
                await breaks.wait(error)

    async def import_roster(self, parts: Iterable[ImportRosterRequest]) -> ImportRosterResponse:
        """Send an import's header, records and footer; return its report."""

        async def stream() -> AsyncIterator[ImportRosterRequest]:
            for part in parts:
                yield part

        return await self.roster.ImportRoster(stream())
