"""Test notifications: one is sent for a request id, however often and wherever it is asked for."""

from __future__ import annotations

import asyncio
import datetime as dt
import uuid
from collections.abc import Callable

from sqlalchemy.ext.asyncio import AsyncConnection

from schoolbell.v1 import delivery_pb2
from schoolbell.v1 import device_service_pb2 as messages
from schoolbell.v1.error_reason_pb2 import ErrorReason
from schoolbell_server.contract.fields import write_time
from schoolbell_server.domain.kinds import DetailLevel, Outcome
from schoolbell_server.gateways.common.push import Gateway, Push, PushResult
from schoolbell_server.gateways.factory import Gateways
from schoolbell_server.rpc.errors import SchoolbellError
from schoolbell_server.security.sealer import Sealer
from schoolbell_server.servicers.common.audit_trail import audit
from schoolbell_server.servicers.device.named_device import (
    check_named,
    device_retired,
    named_device,
)
from schoolbell_server.texts import Texts
from schoolbell_storage.devices import DeadToken, DeviceRow, retire_dead
from schoolbell_storage.districts import bump_facts, get_district
from schoolbell_storage.engine import Storage
from schoolbell_storage.notification_requests import (
    NotificationRequest,
    claim_request,
    read_request,
    store_answer,
)

_LIFE = dt.timedelta(minutes=5)
_UNDER_WAY = dt.timedelta(minutes=1)
"""How long a first request may be without an answer before its server is taken for dead."""
_LOOK_AGAIN = 0.1  # seconds

Response = messages.SendTestNotificationResponse


class TestSender:
    """Sends texts that say that they are tests."""

    def __init__(
        self,
        storage: Storage,
        *,
        texts: Texts,
        gateways: Gateways,
        sealer: Sealer,
        clock: Callable[[], dt.datetime],
    ) -> None:
        self._storage = storage
        self._texts = texts
        self._gateways = gateways
        self._sealer = sealer
        self._clock = clock
        self._sending: set[asyncio.Task[Response]] = set()

    async def send(self, request: messages.SendTestNotificationRequest) -> Response:
        """Send a test and return what the provider answered; a repeat returns it again."""
        violations = check_named(request)
        violations.refuse()
        asked = NotificationRequest(
            district_id=request.district_id,
            request_id=request.request_id,
            user_id=request.user_id,
            device_id=request.device_id,
            create_time=self._clock(),
        )
        async with self._storage.read() as connection:
            row = await named_device(connection, request)
            earlier = await read_request(connection, asked) if asked.request_id else None
        if earlier is not None:
            return await self._answer_of(asked, earlier)
        if row.retirement_reason is not None or row.address is None:
            raise device_retired(row.device_id)
        gateway = self._gateway(row)
        if not asked.request_id:
            async with self._storage.write() as connection:
                await self._audit(connection, row)
            return await self._send(gateway, row, row.address)
        # A caller who hangs up may ask again: what became of it is found out all the same, so
        # nothing that it can interrupt lies between the claim and the answer.
        task = asyncio.create_task(self._send_once(asked, gateway, row, row.address))
        self._sending.add(task)
        task.add_done_callback(self._end)
        return await asyncio.shield(task)

    async def _audit(self, connection: AsyncConnection, row: DeviceRow) -> None:
        """Write down who has a test sent to whose device, before it is sent."""
        await audit(
            connection,
            district_id=row.district_id,
            now=self._clock(),
            action="schoolbell.v1.DeviceService/SendTestNotification",
            changes=[
                (f"devices/{row.device_id}", {}, {"user_id": row.user_id, "app_id": row.app_id})
            ],
        )

    def _end(self, task: asyncio.Task[Response]) -> None:
        self._sending.discard(task)
        if not task.cancelled():
            task.exception()  # nobody may be left to hear of it

    async def _answer_of(self, asked: NotificationRequest, found: NotificationRequest) -> Response:
        """Return what became of the first request of an id, once that is known."""
        if (found.user_id, found.device_id) != (asked.user_id, asked.device_id):
            raise SchoolbellError(
                ErrorReason.ERROR_REASON_REQUEST_ID_REUSED,
                "the request id was used for another device",
                metadata={"request_id": asked.request_id},
            )
        for _ in range(int(_UNDER_WAY.total_seconds() / _LOOK_AGAIN)):
            if found.answer is not None or asked.create_time >= found.create_time + _UNDER_WAY:
                break
            await asyncio.sleep(_LOOK_AGAIN)
            async with self._storage.read() as connection:
                found = await read_request(connection, asked) or found
        if found.answer is not None:
            return Response.FromString(found.answer)
        lost = PushResult(delivery_id="", outcome=Outcome.ANSWER_LOST)
        return _response(lost, found.create_time, found.create_time + _UNDER_WAY)

    async def _send_once(
        self, asked: NotificationRequest, gateway: Gateway, row: DeviceRow, sealed: bytes
    ) -> Response:
        """Send a test unless its request id was claimed before, and remember the answer."""
        async with self._storage.write() as connection:
            earlier = await claim_request(connection, asked)
            if earlier is None:
                await self._audit(connection, row)
        if earlier is not None:
            return await self._answer_of(asked, earlier)
        response = await self._send(gateway, row, sealed)
        async with self._storage.write() as connection:
            await store_answer(connection, asked, response.SerializeToString())
        return response

    async def _send(self, gateway: Gateway, row: DeviceRow, sealed: bytes) -> Response:
        text, start = self._texts.test_text(await self._locale(row)), self._clock()
        push = Push(
            delivery_id=str(uuid.uuid4()),
            app_id=row.app_id,
            address=self._sealer.unseal(sealed, row.device_id.encode()).decode(),
            fid=row.fid,
            environment=row.environment,
            title=text.title,
            body=text.body,
            detail_level=DetailLevel.GENERIC,
            expire_time=start + _LIFE,
            registration_ref=row.registration_ref,
        )
        (result,) = await gateway.send([push])
        if result.outcome is Outcome.TOKEN_DEAD:
            await self._retire(row, result.token_dead_since or start)
        return _response(result, start, self._clock())

    def _gateway(self, row: DeviceRow) -> Gateway:
        gateway = self._gateways.get((row.app_id, row.platform))
        if gateway is None:
            raise SchoolbellError(
                ErrorReason.ERROR_REASON_APP_NOT_FOUND,
                "the app has no account at this provider",
                metadata={"app_id": row.app_id},
            )
        return gateway

    async def _locale(self, row: DeviceRow) -> str:
        """Return the device's language, else its district's."""
        if row.locale:
            return row.locale
        async with self._storage.read() as connection:
            district = await get_district(connection, row.district_id)
        return "" if district is None else district.locale

    async def _retire(self, row: DeviceRow, dead_since: dt.datetime) -> None:
        """Retire an address that the provider says is dead, in all districts."""
        dead = DeadToken(row.app_id, row.address_hash, dead_since)
        async with self._storage.write() as connection:
            for district_id in sorted(await retire_dead(connection, [dead], self._clock())):
                await bump_facts(connection, district_id)


def _response(result: PushResult, start: dt.datetime, end: dt.datetime) -> Response:
    return Response(
        attempt=delivery_pb2.Attempt(
            number=1,
            start_time=write_time(start),
            end_time=write_time(end),
            outcome=delivery_pb2.Outcome.ValueType(result.outcome),
            provider_reason=result.provider_reason,
        ),
        provider_message_id=result.provider_message_id,
    )
