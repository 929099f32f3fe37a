"""Installed apps and their users, for the mobile backend."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from schoolbell.v1 import device_service_pb2 as messages
from schoolbell.v1.device_service_pb2_grpc import DeviceServiceServicer
from schoolbell_server.contract.devices import (
    REGISTERED,
    SETTABLE,
    check_settable,
    write_device,
)
from schoolbell_server.contract.fields import read_id, read_locale
from schoolbell_server.dispatch.cancelling import RETIRED, cancel_unsent
from schoolbell_server.domain.decision import Refusal
from schoolbell_server.domain.kinds import (
    CancelCause,
    DetailLevel,
    Gate,
    RefusalReason,
    RetirementReason,
)
from schoolbell_server.domain.locales import language_tag
from schoolbell_server.domain.transitions import Cancellation
from schoolbell_server.rpc import field_reasons as reasons
from schoolbell_server.rpc.caller import current_caller
from schoolbell_server.rpc.errors import SchoolbellError
from schoolbell_server.rpc.status import to_status
from schoolbell_server.rpc.validation import Violations
from schoolbell_server.security.api_key import Role
from schoolbell_server.servicers.common.audit_trail import Trail
from schoolbell_server.servicers.common.etags import etag, must_write
from schoolbell_server.servicers.common.masks import masked_paths
from schoolbell_server.servicers.common.not_found import no_user
from schoolbell_server.servicers.common.paging import read_page
from schoolbell_server.servicers.device.named_device import (
    check_named,
    device_retired,
    named_device,
)
from schoolbell_server.servicers.device.notifications import Notifications
from schoolbell_server.servicers.device.receipts import Receipts
from schoolbell_server.servicers.device.registrations import MOST, Answer, Registrations
from schoolbell_server.servicers.device.test_sender import TestSender
from schoolbell_server.status import journal
from schoolbell_storage.devices import (
    DeviceRow,
    list_devices,
    lock_live_devices,
    retired,
    store_device,
)
from schoolbell_storage.districts import bump_facts
from schoolbell_storage.engine import Storage
from schoolbell_storage.pacing import paced
from schoolbell_storage.roster import get_user
from schoolbell_storage.world import Apps

_SIGNED_OUT = Cancellation(
    cause=CancelCause.GATE,
    refusal=Refusal(Gate.STAYS_LOGGED_IN, RefusalReason.NOT_STAYING_LOGGED_IN),
)


class DeviceServicer(DeviceServiceServicer):
    """Registers, shows and retires devices; receipts and notifications are beside it."""

    def __init__(
        self,
        storage: Storage,
        *,
        apps: Apps,
        registrations: Registrations,
        receipts: Receipts,
        notifications: Notifications,
        tests: TestSender,
        clock: Callable[[], dt.datetime],
        on_seen: Callable[[str], None],
        on_written: Callable[[], None],
    ) -> None:
        self._storage = storage
        self._apps = apps
        self._registrations = registrations
        self._receipts = receipts
        self._notifications = notifications
        self._tests = tests
        self._clock = clock
        self._on_seen = on_seen
        self._on_written = on_written

    async def RegisterDevice(
        self, request: messages.RegisterDeviceRequest, _context: Any
    ) -> messages.RegisterDeviceResponse:
        """Register an installation for a user, or refresh what is known of it."""
        wanted = messages.DeviceRegistration(
            user_id=request.user_id,
            device=request.device if request.HasField("device") else None,
            address=request.address if request.HasField("address") else None,
        )
        (answer,) = await self._registrations.take(request.district_id, [wanted])
        if isinstance(answer, SchoolbellError):
            raise answer
        self._on_written()
        return messages.RegisterDeviceResponse(device=self._message(answer))

    async def BatchRegisterDevices(
        self, request: messages.BatchRegisterDevicesRequest, _context: Any
    ) -> messages.BatchRegisterDevicesResponse:
        """Register several installations, an answer each."""
        violations = Violations()
        violations.count(request.registrations, "registrations", least=1, most=MOST)
        violations.refuse()
        answers = await self._registrations.take(request.district_id, request.registrations)
        self._on_written()
        return messages.BatchRegisterDevicesResponse(results=map(self._result, answers))

    async def GetDevice(
        self, request: messages.GetDeviceRequest, _context: Any
    ) -> messages.GetDeviceResponse:
        """Answer one device."""
        check_named(request).refuse()
        async with self._storage.read() as connection:
            row = await named_device(connection, request)
        return messages.GetDeviceResponse(device=self._message(row))

    async def ListDevices(
        self, request: messages.ListDevicesRequest, _context: Any
    ) -> messages.ListDevicesResponse:
        """List a user's devices."""
        violations = Violations()
        read_id(request.user_id, "user_id", violations.add)
        page = read_page(request, (str,), violations)
        violations.refuse()
        async with self._storage.read() as connection:
            found = await list_devices(
                connection,
                request.district_id,
                request.user_id,
                page.after_id,
                page.limit,
                include_retired=request.include_retired,
            )
        shown, token = page.cut(found, lambda row: (row.device_id,))
        return messages.ListDevicesResponse(
            devices=[self._message(row) async for row in paced(shown)], next_page_token=token
        )

    async def UpdateDevice(
        self, request: messages.UpdateDeviceRequest, _context: Any
    ) -> messages.UpdateDeviceResponse:
        """Change the masked fields of a device that is not retired."""
        violations, now = check_named(request), self._clock()
        violations.required(request, "device")
        _check_own(request.device, violations, user_id=request.user_id, device_id=request.device_id)
        paths = masked_paths(
            request.update_mask, request.device, SETTABLE, violations, also=REGISTERED
        )
        check_settable(request.device, "device.", violations.add)
        read_locale(request.device.locale, "device.locale", violations.add)
        violations.refuse()
        async with self._storage.write() as connection:
            row = await named_device(connection, request, lock=True)
            _refuse_registered(row, request.device, paths)
            if row.retirement_reason is not None:
                raise device_retired(row.device_id)
            asked = _with_fields(row, request.device, paths)
            present = self._message(row).etag
            if must_write(changes=asked != row, asked=request.device.etag, present=present):
                row = replace(asked, version=row.version + 1, update_time=now)
                await store_device(connection, row)
                await bump_facts(connection, request.district_id)
        self._on_seen(row.device_id)
        self._on_written()
        return messages.UpdateDeviceResponse(device=self._message(row))

    async def UnregisterDevice(
        self, request: messages.UnregisterDeviceRequest, _context: Any
    ) -> messages.UnregisterDeviceResponse:
        """Retire a device and cancel what it was still to be sent."""
        check_named(request).refuse()
        now = self._clock()
        async with self._storage.write() as connection:
            row = await named_device(connection, request, lock=True)
            if row.retirement_reason is None:
                row = retired(row, RetirementReason.UNREGISTERED, now)
                await store_device(connection, row)
                cancelled = await cancel_unsent(connection, {row.device_id: RETIRED}, now)
                await bump_facts(connection, request.district_id)
                await journal.record(connection, now, cancelled)
        self._on_written()
        return messages.UnregisterDeviceResponse(device=self._message(row))

    async def SignOut(
        self, request: messages.SignOutRequest, _context: Any
    ) -> messages.SignOutResponse:
        """End stay-logged-in on all of a user's devices, and cancel what is not sent yet."""
        violations, now = Violations(), self._clock()
        read_id(request.user_id, "user_id", violations.add)
        violations.refuse()
        async with self._storage.write() as connection:
            if await get_user(connection, request.district_id, request.user_id) is None:
                raise no_user(request.user_id)
            rows = await lock_live_devices(connection, request.district_id, request.user_id)
            left = [_signed_out(row, now) for row in rows]
            for row in left:
                await store_device(connection, row)
            stops = {row.device_id: _SIGNED_OUT for row in left}
            cancelled = await cancel_unsent(connection, stops, now)
            if left != rows:
                await bump_facts(connection, request.district_id)
            await journal.record(connection, now, cancelled)
            if current_caller().role is not Role.MOBILE_BACKEND:  # a person's own app needs none
                changed = sum(new != old for new, old in zip(left, rows, strict=True))
                trail = Trail(
                    district_id=request.district_id,
                    method="schoolbell.v1.DeviceService/SignOut",
                    subject=f"persons/{request.user_id}",
                    clock=self._clock,
                )
                await trail.record(connection, devices=changed, cancelled=len(cancelled))
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
        return await self._tests.send(request)

    def _result(self, answer: Answer) -> messages.DeviceRegistrationResult:
        if isinstance(answer, SchoolbellError):
            return messages.DeviceRegistrationResult(error=to_status(answer), reason=answer.reason)
        return messages.DeviceRegistrationResult(device=self._message(answer))

    def _message(self, row: DeviceRow) -> messages.Device:
        name = f"devices/{row.device_id}"
        return write_device(row, self._apps.get(row.app_id), etag(name, row.version))


def _check_own(device: messages.Device, violations: Violations, **named: str) -> None:
    """Check that a device names nobody but those whom its request names."""
    for field, value in named.items():
        if getattr(device, field) not in ("", value):
            violations.add(
                f"device.{field}",
                "must be empty or the same as the request's",
                reasons.INCONSISTENT,
            )


def _refuse_registered(row: DeviceRow, device: messages.Device, paths: Iterable[str]) -> None:
    """Refuse to change what only a registration says; the same values again are no change."""
    violations = Violations()
    for path in paths:
        if path in REGISTERED and getattr(device, path) != getattr(row, path, None):
            violations.add(
                f"device.{path}",
                "cannot be changed here; register the device again",
                reasons.IMMUTABLE,
            )
    violations.refuse()


def _signed_out(row: DeviceRow, now: dt.datetime) -> DeviceRow:
    if not row.stay_logged_in:
        return row
    return replace(row, stay_logged_in=False, version=row.version + 1, update_time=now)


def _with_fields(row: DeviceRow, device: messages.Device, paths: Iterable[str]) -> DeviceRow:
    chosen: dict[str, Any] = {path: getattr(device, path) for path in paths if path in SETTABLE}
    if "detail_level" in chosen:
        chosen["detail_level"] = DetailLevel(device.detail_level or DetailLevel.DETAILED)
    if "locale" in chosen:
        chosen["locale"] = language_tag(device.locale)
    return replace(row, **chosen)
