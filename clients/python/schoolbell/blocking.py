"""The blocking client: the same stubs and the same errors, for code without an event loop."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from types import TracebackType
from typing import Self

from schoolbell.breaks import Breaks
from schoolbell.calls import typed_channel
from schoolbell.connection import Connection
from schoolbell.errors import SchoolbellError
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


class Client:
    """A connection to Schoolbell for blocking code; use as `with`."""

    def __init__(self, connection: Connection) -> None:
        """Open the channel."""
        self._channel = connection.sync_channel()
        self._connection = connection
        channel = typed_channel(self._channel, connection)
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
        """Stream what changes, for ever; after a break it resumes from the last token.

        It is logged while it lasts, and ends with `Unreachable` where it can never end otherwise.
        """
        asked = WatchStatusRequest()
        asked.CopyFrom(request)
        breaks = Breaks(self._connection)
        while True:
            try:
                for response in self.status.WatchStatus(asked):
                    asked.resume_token = response.resume_token
                    breaks.over()
                    yield response
            except SchoolbellError as error:
                breaks.block(error)
