"""Display options of calendars: read, listed, and changed for many calendars at once.

Their etag names their content, not a version, so that one etag can guard the many calendars that
an update names: those that look as the caller saw them.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping

from sqlalchemy.ext.asyncio import AsyncConnection

from schoolbell.v1 import settings_service_pb2 as messages
from schoolbell_server.contract.display_options import (
    SETTABLE,
    read_display_options,
    write_display_options,
)
from schoolbell_server.contract.fields import read_id
from schoolbell_server.domain.world import DisplayOptions
from schoolbell_server.rpc import field_reasons as reasons
from schoolbell_server.rpc.caller import current_caller
from schoolbell_server.rpc.validation import Violations
from schoolbell_server.servicers.common.audit_trail import audit, changed_fields
from schoolbell_server.servicers.common.etags import etag, must_write
from schoolbell_server.servicers.common.masks import lay_over, masked_paths, only_within
from schoolbell_server.servicers.common.not_found import existing_district, no_calendar, no_district
from schoolbell_server.servicers.common.paging import read_page
from schoolbell_storage import display_options as stored_options
from schoolbell_storage.display_options import CalendarOptions
from schoolbell_storage.districts import bump_facts, read_settings

UPDATE_DISPLAY_OPTIONS = "schoolbell.v1.SettingsService/UpdateDisplayOptions"
RESET_DISPLAY_OPTIONS = "schoolbell.v1.SettingsService/ResetDisplayOptions"
MOST_CALENDARS = 1000

_Change = messages.UpdateDisplayOptionsRequest | messages.ResetDisplayOptionsRequest


async def get_display_options(
    connection: AsyncConnection, request: messages.GetDisplayOptionsRequest
) -> messages.GetDisplayOptionsResponse:
    """Answer a calendar's own options, else the district's default."""
    violations = Violations()
    read_id(request.calendar_id, "calendar_id", violations.add)
    violations.refuse()
    default = await _default(connection, request.district_id)
    found = await stored_options.read_display_options(
        connection, request.district_id, [request.calendar_id], default
    )
    if request.calendar_id not in found:
        raise no_calendar(request.calendar_id)
    return messages.GetDisplayOptionsResponse(display_options=_message(found[request.calendar_id]))


async def list_display_options(
    connection: AsyncConnection, request: messages.ListDisplayOptionsRequest
) -> messages.ListDisplayOptionsResponse:
    """Answer a page of the calendars' options."""
    violations = Violations()
    page = read_page(request, (str,), violations)
    if request.school_year and not 1900 <= request.school_year <= 2200:
        violations.add("school_year", "must be from 1900 to 2200, or 0", reasons.OUT_OF_RANGE)
    violations.refuse()
    found = await stored_options.list_display_options(
        connection,
        request.district_id,
        await _default(connection, request.district_id),
        school_year=request.school_year or None,
        after=page.after_id,
        limit=page.limit,
    )
    shown, token = page.cut(found, lambda row: (row.calendar_id,))
    return messages.ListDisplayOptionsResponse(
        display_options=[_message(row) for row in shown], next_page_token=token
    )


def read_update(request: messages.UpdateDisplayOptionsRequest) -> tuple[str, ...]:
    """Check every field of an update and return the masked paths."""
    violations = _check_calendars(request)
    violations.required(request, "display_options")
    given = request.display_options
    if given.calendar_id:
        violations.add(
            "display_options.calendar_id",
            "must be empty; calendar_ids names them",
            reasons.NOT_ALLOWED,
        )
    paths = masked_paths(request.update_mask, given, SETTABLE, violations)
    report = only_within(paths, "display_options.", violations)
    read_display_options(given, "display_options.", report)
    violations.refuse()
    return paths


async def update_display_options(
    connection: AsyncConnection,
    request: messages.UpdateDisplayOptionsRequest,
    paths: tuple[str, ...],
    now: dt.datetime,
) -> messages.UpdateDisplayOptionsResponse:
    """Lay the masked fields over the options of every named calendar, all or none."""
    district_id = request.district_id
    await _lock(connection, district_id)
    before = await _known(connection, request)
    changed: dict[str, DisplayOptions] = {}
    for calendar_id, known in before.items():
        message = _message(known)
        merged = lay_over(message, request.display_options, paths)
        asked = read_display_options(merged, "", lambda *_: None)
        changes = _content(asked) != _content(known.options)
        if must_write(changes=changes, asked=request.display_options.etag, present=message.etag):
            changed[calendar_id] = asked
    if changed:
        await bump_facts(connection, district_id)
        await stored_options.write_display_options(
            connection, district_id, changed, updater=current_caller().name, now=now
        )
        before = await _audited(connection, request, UPDATE_DISPLAY_OPTIONS, before, now)
    return messages.UpdateDisplayOptionsResponse(
        display_options=[_message(before[name]) for name in request.calendar_ids]
    )


def check_reset(request: messages.ResetDisplayOptionsRequest) -> None:
    """Refuse a reset whose fields break their rules."""
    _check_calendars(request).refuse()


async def reset_display_options(
    connection: AsyncConnection, request: messages.ResetDisplayOptionsRequest, now: dt.datetime
) -> messages.ResetDisplayOptionsResponse:
    """Drop what every named calendar stores, all or none."""
    await _lock(connection, request.district_id)
    before = await _known(connection, request)
    stored = [name for name, known in before.items() if not known.options.inherited]
    if stored:
        await bump_facts(connection, request.district_id)
        await stored_options.drop_display_options(connection, request.district_id, stored)
        before = await _audited(connection, request, RESET_DISPLAY_OPTIONS, before, now)
    return messages.ResetDisplayOptionsResponse(
        display_options=[_message(before[name]) for name in request.calendar_ids]
    )


def _check_calendars(request: _Change) -> Violations:
    violations = Violations()
    violations.count(request.calendar_ids, "calendar_ids", least=1, most=MOST_CALENDARS)
    for index, calendar_id in enumerate(request.calendar_ids[:MOST_CALENDARS]):
        read_id(calendar_id, f"calendar_ids[{index}]", violations.add)
    if len(set(request.calendar_ids)) != len(request.calendar_ids):
        violations.add("calendar_ids", "must name each at most once", reasons.DUPLICATE)
    return violations


async def _lock(connection: AsyncConnection, district_id: str) -> None:
    """Keep other writers of the district's options away until the transaction ends."""
    await existing_district(connection, district_id, lock=True)


async def _audited(
    connection: AsyncConnection,
    request: _Change,
    action: str,
    before: Mapping[str, CalendarOptions],
    now: dt.datetime,
) -> Mapping[str, CalendarOptions]:
    """Return the options as they were just written, with an audit entry for every change."""
    after = await _known(connection, request)
    await audit(
        connection,
        district_id=request.district_id,
        now=now,
        action=action,
        changes=[
            _change(before[name], after[name])
            for name in sorted(after)
            if before[name] != after[name]
        ],
    )
    return after


async def _default(connection: AsyncConnection, district_id: str) -> DisplayOptions:
    settings = await read_settings(connection, district_id)
    if settings is None:
        raise no_district(district_id)
    return settings.document.default_display_options


async def _known(connection: AsyncConnection, request: _Change) -> Mapping[str, CalendarOptions]:
    default = await _default(connection, request.district_id)
    found = await stored_options.read_display_options(
        connection, request.district_id, request.calendar_ids, default
    )
    for calendar_id in request.calendar_ids:
        if calendar_id not in found:
            raise no_calendar(calendar_id)
    return found


def _change(
    before: CalendarOptions, after: CalendarOptions
) -> tuple[str, dict[str, object], dict[str, object]]:
    old, new = changed_fields(_message(before), _message(after), (*SETTABLE, "inherited"))
    return f"calendars/{before.calendar_id}", old, new


def _content(options: DisplayOptions) -> bytes:
    """Return what a caller sets of display options."""
    message = write_display_options(options)
    message.ClearField("inherited")
    return message.SerializeToString(deterministic=True)


def _message(row: CalendarOptions) -> messages.DisplayOptions:
    message = write_display_options(row.options)
    content = message.SerializeToString(deterministic=True)
    message.calendar_id = row.calendar_id
    message.etag = etag(content.hex(), 0)
    return message
