"""Installed apps and their users, for the mobile backend."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from schoolbell.v1 import device_service_pb2 as messages
from schoolbell.v1.device_service_pb2_grpc import DeviceServiceServicer
from schoolbell.v1.error_reason_pb2 import ErrorReason
from schoolbell_server.contract.devices import (
    SETTABLE,
    check_device,
    check_settable,
    write_device,
)
from schoolbell_server.contract.fields import read_id
from schoolbell_server.domain.kinds import CancelCause, DetailLevel, RetirementReason
from schoolbell_server.rpc.errors import SchoolbellError
from schoolbell_server.rpc.validation import REQUIRED, Violations
from schoolbell_server.servicers.etags import etag, must_write
from schoolbell_server.servicers.masks import masked_paths
from schoolbell_server.servicers.missing import no_district, no_user
from schoolbell_server.servicers.notifications import Notifications
from schoolbell_server.servicers.paging import read_page
from schoolbell_server.servicers.receipts import Receipts
from schoolbell_server.servicers.registration import Registrar, Registration, cancel_unsent
from schoolbell_server.status import journal
from schoolbell_storage.devices import (
    DeviceRow,
    get_device,
    list_devices,
    lock_live_devices,
    retired,
    store_device,
)
from schoolbell_storage.districts import bump_facts, get_district
from schoolbell_storage.engine import Storage
from schoolbell_storage.roster import get_user
from schoolbell_storage.world import Apps


class DeviceServicer(DeviceServiceServicer):
    """Registers, shows and retires devices; receipts and notifications are beside it."""

    def __init__(
        self,
        storage: Storage,
        *,
        apps: Apps,
        registrar: Registrar,
        receipts: Receipts,
        notifications: Notifications,
        clock: Callable[[], dt.datetime],
        on_written: Callable[[], None],
    ) -> None:
        self._storage = storage
        self._apps = apps
        self._registrar = registrar
        self._receipts = receipts
        self._notifications = notifications
        self._clock = clock
        self._on_written = on_written

    async def RegisterDevice(
        self, request: messages.RegisterDeviceRequest, _context: Any
    ) -> messages.RegisterDeviceResponse:
        """Register an installation for a user, or refresh what is known of it."""
        violations = Violations()
        read_id(request.user_id, "user_id", violations.add)
        violations.required(request, "device")
        check_device(request.device, "device.", violations.add)
        violations.refuse()
        asked = Registration(
            district_id=request.district_id,
            user_id=request.user_id,
            device=request.device,
            now=self._clock(),
        )
        async with self._storage.write() as connection:
            district = await get_district(connection, request.district_id)
            if district is None:
                raise no_district(request.district_id)
            if request.device.app_id not in district.app_ids:
                raise _no_app(request.device.app_id)
            if await get_user(connection, request.district_id, request.user_id) is None:
                raise no_user(request.user_id)
            stored = await self._registrar.register(connection, asked)
            if stored is None:
                _refuse_incomplete(request.device)
        assert stored is not None
        self._on_written()
        return messages.RegisterDeviceResponse(device=self._message(stored))

    async def GetDevice(
        self, request: messages.GetDeviceRequest, _context: Any
    ) -> messages.GetDeviceResponse:
        """Answer one device."""
        async with self._storage.read() as connection:
            row = await get_device(
                connection, request.district_id, request.user_id, request.device_id
            )
        if row is None:
            raise no_device(request.device_id)
        return messages.GetDeviceResponse(device=self._message(row))

    async def ListDevices(
        self, request: messages.ListDevicesRequest, _context: Any
    ) -> messages.ListDevicesResponse:
        """List a user's devices."""
        violations = Violations()
        read_id(request.user_id, "user_id", violations.add)
        page = read_page(request, (str,), violations)
        violations.refuse()
        after = str(page.after[0]) if page.after else ""
        async with self._storage.read() as connection:
            found = await list_devices(
                connection, request.district_id, request.user_id, after, page.limit
            )
        shown, token = page.cut(found, lambda row: (row.device_id,))
        return messages.ListDevicesResponse(
            devices=[self._message(row) for row in shown], next_page_token=token
        )

    async def UpdateDevice(
        self, request: messages.UpdateDeviceRequest, _context: Any
    ) -> messages.UpdateDeviceResponse:
        """Change the masked fields of a device that is not retired."""
        violations, now = Violations(), self._clock()
        violations.required(request, "device")
        paths = masked_paths(request.update_mask, request.device, SETTABLE, violations)
        check_settable(request.device, "device.", violations.add)
        violations.refuse()
        async with self._storage.write() as connection:
            row = await get_device(
                connection,
                request.district_id,
                request.user_id,
                request.device.device_id,
                lock=True,
            )
            if row is None:
                raise no_device(request.device.device_id)
            if row.retirement_reason is not None:
                raise device_retired(row.device_id)
            asked = _with_fields(row, request.device, paths)
            present = self._message(row).etag
            if must_write(changes=asked != row, asked=request.device.etag, present=present):
                row = replace(asked, version=row.version + 1, update_time=now)
                await store_device(connection, row)
                await bump_facts(connection, request.district_id)
        self._on_written()
        return messages.UpdateDeviceResponse(device=self._message(row))

    async def UnregisterDevice(
        self, request: messages.UnregisterDeviceRequest, _context: Any
    ) -> messages.UnregisterDeviceResponse:
        """Retire a device and cancel what it was still to be sent."""
        now = self._clock()
        async with self._storage.write() as connection:
            row = await get_device(
                connection, request.district_id, request.user_id, request.device_id, lock=True
            )
            if row is None:
                raise no_device(request.device_id)
            if row.retirement_reason is None:
                row = retired(row, RetirementReason.UNREGISTERED, now)
                await store_device(connection, row)
                cancelled = await cancel_unsent(
                    connection, request.district_id, [row], CancelCause.GATE, now
                )
                await bump_facts(connection, request.district_id)
                await journal.record(connection, now, cancelled)
        self._on_written()
        return messages.UnregisterDeviceResponse(device=self._message(row))

    async def SignOut(
        self, request: messages.SignOutRequest, _context: Any
    ) -> messages.SignOutResponse:
        """End stay-logged-in on all of a user's devices."""
        violations, now = Violations(), self._clock()
        read_id(request.user_id, "user_id", violations.add)
        violations.refuse()
        async with self._storage.write() as connection:
            if await get_user(connection, request.district_id, request.user_id) is None:
                raise no_user(request.user_id)
            rows = await lock_live_devices(connection, request.district_id, request.user_id)
            left = [
                replace(row, stay_logged_in=False, version=row.version + 1, update_time=now)
                if row.stay_logged_in
                else row
                for row in rows
            ]
            for row in left:
                await store_device(connection, row)
            await bump_facts(connection, request.district_id)
        self._on_written()
        return messages.SignOutResponse(devices=[self._message(row) for row in left])

    async def ReportReceipts(
        self, request: messages.ReportReceiptsRequest, _context: Any
    ) -> messages.ReportReceiptsResponse:
        """Take what the phones of one user say of their notifications."""
        response = await self._receipts.report(request)
        self._on_written()
        return response

    async def GetNotification(
        self, request: messages.GetNotificationRequest, _context: Any
    ) -> messages.GetNotificationResponse:
        """Answer the detailed text of a delivery."""
        return await self._notifications.get(request)

    async def SendTestNotification(
        self, request: messages.SendTestNotificationRequest, _context: Any
    ) -> messages.SendTestNotificationResponse:
        """Send a test notification and wait for the provider's answer."""
        async with self._storage.read() as connection:
            row = await get_device(
                connection, request.district_id, request.user_id, request.device_id
            )
        if row is None:
            raise no_device(request.device_id)
        if row.retirement_reason is not None or row.address is None:
            raise device_retired(row.device_id)
        return await self._notifications.send_test(row, row.address)

    def _message(self, row: DeviceRow) -> messages.Device:
        name = f"devices/{row.device_id}"
        return write_device(row, self._apps.get(row.app_id), etag(name, row.version))


def no_device(device_id: str) -> SchoolbellError:
    """Return that there is no such device, or that it is somebody else's."""
    return SchoolbellError(
        ErrorReason.ERROR_REASON_DEVICE_NOT_FOUND,
        "the user has no such device",
        metadata={"device_id": device_id},
    )


def device_retired(device_id: str) -> SchoolbellError:
    """Return that a device is retired."""
    return SchoolbellError(
        ErrorReason.ERROR_REASON_DEVICE_RETIRED,
        "the device is retired: register it again",
        metadata={"device_id": device_id},
    )


def _no_app(app_id: str) -> SchoolbellError:
    return SchoolbellError(
        ErrorReason.ERROR_REASON_APP_NOT_FOUND,
        "the app is not one of the district's",
        metadata={"app_id": app_id},
    )


def _refuse_incomplete(device: messages.Device) -> None:
    violations = Violations()
    if not device.platform:
        violations.add("device.platform", REQUIRED)
    if not (device.token or device.fid):
        violations.add("device.token", f"{REQUIRED} for a device that has no address yet")
    violations.refuse()


def _with_fields(row: DeviceRow, device: messages.Device, paths: Iterable[str]) -> DeviceRow:
    chosen: dict[str, Any] = {path: getattr(device, path) for path in paths}
    if "detail_level" in chosen:
        chosen["detail_level"] = DetailLevel(device.detail_level or row.detail_level)
    return replace(row, **chosen)
