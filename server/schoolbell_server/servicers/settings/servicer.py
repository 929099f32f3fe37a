"""The settings page of a district, and the display options of its calendars."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

from schoolbell.v1 import settings_service_pb2 as messages
from schoolbell.v1.settings_service_pb2_grpc import SettingsServiceServicer
from schoolbell_server.contract.district_settings import SETTABLE, read_settings, write_settings
from schoolbell_server.contract.districts import DEFAULT_CURRENCY
from schoolbell_server.contract.fields import write_time
from schoolbell_server.contract.principals import write_principal
from schoolbell_server.rpc.authentication import utc_now
from schoolbell_server.rpc.caller import current_caller
from schoolbell_server.rpc.validation import Violations
from schoolbell_server.servicers.common.audit_trail import audit, changed_fields
from schoolbell_server.servicers.common.etags import etag, must_write
from schoolbell_server.servicers.common.masks import lay_over, masked_paths, only_within
from schoolbell_server.servicers.common.not_found import no_district
from schoolbell_server.servicers.settings import display
from schoolbell_server.servicers.settings.service_state import ServiceStateSource
from schoolbell_storage import districts
from schoolbell_storage.districts import StoredSettings
from schoolbell_storage.engine import Storage
from schoolbell_storage.settings_document import SettingsDocument

UPDATE_SETTINGS = "schoolbell.v1.SettingsService/UpdateSettings"
_NEW = StoredSettings(
    enabled=False, document=SettingsDocument(), version=1, update_time=None, updater=None
)


class SettingsServicer(SettingsServiceServicer):
    """Show and change what the portal page *Push Notifications* holds."""

    def __init__(
        self,
        storage: Storage,
        *,
        states: ServiceStateSource,
        now: Callable[[], dt.datetime] = utc_now,
    ) -> None:
        self._storage = storage
        self._states = states
        self._now = now

    async def GetSettings(
        self, request: messages.GetSettingsRequest, _context: Any
    ) -> messages.GetSettingsResponse:
        """Answer the settings with the state of the service."""
        async with self._storage.read() as connection:
            district = await districts.get_district(connection, request.district_id)
            stored = await districts.read_settings(connection, request.district_id)
        if district is None or stored is None:
            raise no_district(request.district_id)
        page = _page(request.district_id, stored, district.currency_code)
        return messages.GetSettingsResponse(settings=await self._with_state(request, page))

    async def UpdateSettings(
        self, request: messages.UpdateSettingsRequest, _context: Any
    ) -> messages.UpdateSettingsResponse:
        """Change the masked settings."""
        violations = Violations()
        violations.required(request, "settings")
        paths = masked_paths(request.update_mask, request.settings, SETTABLE, violations)
        violations.refuse()
        async with self._storage.write() as connection:
            page = await self._update(connection, request, paths)
        return messages.UpdateSettingsResponse(settings=await self._with_state(request, page))

    async def _update(
        self, connection: Any, request: messages.UpdateSettingsRequest, paths: tuple[str, ...]
    ) -> messages.Settings:
        """Write what the masked fields change, and return the page without the service's state."""
        district_id, violations = request.district_id, Violations()
        district = await districts.get_district(connection, district_id, lock=True)
        stored = await districts.read_settings(connection, district_id) or _NEW
        currency_code = DEFAULT_CURRENCY if district is None else district.currency_code
        before = _page(district_id, stored, currency_code)
        merged = _merge(before, request.settings, paths)
        report = only_within(paths, "settings.", violations)
        document = read_settings(merged, "settings.", currency_code, report)
        violations.refuse()
        if district is None:
            raise no_district(district_id)
        changes = (merged.enabled, document) != (stored.enabled, stored.document)
        if not must_write(changes=changes, asked=request.settings.etag, present=before.etag):
            return before
        await self._write(connection, district_id, merged.enabled, document)
        written = await districts.read_settings(connection, district_id)
        assert written is not None
        after = _page(district_id, written, currency_code)
        old, new = changed_fields(before, after, SETTABLE)
        await audit(
            connection,
            district_id=district_id,
            now=self._now(),
            action=UPDATE_SETTINGS,
            changes=[("settings", old, new)],
        )
        return after

    async def _write(
        self, connection: Any, district_id: str, enabled: bool, document: SettingsDocument
    ) -> None:
        await districts.write_settings(
            connection,
            district_id,
            enabled=enabled,
            document=document,
            updater=current_caller().actor.principal,
            now=self._now(),
        )

    async def _with_state(
        self,
        request: messages.GetSettingsRequest | messages.UpdateSettingsRequest,
        page: messages.Settings,
    ) -> messages.Settings:
        state = await self._states.state(request.district_id)
        page.service_status = state.service_status
        page.connectivity = state.connectivity
        page.warnings.extend(state.warnings)
        return page

    async def ResetDisplayOptions(
        self, request: messages.ResetDisplayOptionsRequest, _context: Any
    ) -> messages.ResetDisplayOptionsResponse:
        """Drop what some calendars store, all or none."""
        display.check_reset(request)
        async with self._storage.write() as connection:
            return await display.reset_display_options(connection, request, self._now())

    async def GetDisplayOptions(
        self, request: messages.GetDisplayOptionsRequest, _context: Any
    ) -> messages.GetDisplayOptionsResponse:
        """Answer a calendar's display options."""
        async with self._storage.read() as connection:
            return await display.get_display_options(connection, request)

    async def ListDisplayOptions(
        self, request: messages.ListDisplayOptionsRequest, _context: Any
    ) -> messages.ListDisplayOptionsResponse:
        """List the display options of all calendars."""
        async with self._storage.read() as connection:
            return await display.list_display_options(connection, request)

    async def UpdateDisplayOptions(
        self, request: messages.UpdateDisplayOptionsRequest, _context: Any
    ) -> messages.UpdateDisplayOptionsResponse:
        """Change the display options of some calendars, all or none."""
        asked = display.read_update(request)
        async with self._storage.write() as connection:
            return await display.update_display_options(connection, request, asked, self._now())


def _page(district_id: str, stored: StoredSettings, currency_code: str) -> messages.Settings:
    page = write_settings(stored.document, enabled=stored.enabled, currency_code=currency_code)
    if stored.update_time is not None:
        page.update_time.CopyFrom(write_time(stored.update_time))
    if stored.updater is not None:
        page.updater.CopyFrom(write_principal(stored.updater))
    page.etag = etag(f"districts/{district_id}/settings", stored.version)
    return page


def _merge(
    stored: messages.Settings, given: messages.Settings, paths: tuple[str, ...]
) -> messages.Settings:
    """Lay the masked fields over what is stored; an enum that is not given leaves it standing.

    Calendars are shown unless the default for them says that they are not.
    """
    merged = lay_over(stored, given, paths)
    default = given.default_display_options
    if "default_display_options" in paths and given.HasField("default_display_options"):
        merged.default_display_options.enabled = default.enabled or not default.HasField("enabled")
    merged.detail_level = merged.detail_level or stored.detail_level
    merged.adult_student_rule = merged.adult_student_rule or stored.adult_student_rule
    return merged
