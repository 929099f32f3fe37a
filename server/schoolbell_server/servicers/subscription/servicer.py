"""What a person wants to be told: the page that a phone shows, and what it saves."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Collection
from dataclasses import replace
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from schoolbell.v1 import subscription_service_pb2 as messages
from schoolbell.v1.subscription_service_pb2_grpc import SubscriptionServiceServicer
from schoolbell_server.contract.subscriptions import Name, read_keys, read_subscriptions
from schoolbell_server.domain.world import Subscription
from schoolbell_server.servicers.common.etags import must_write
from schoolbell_server.servicers.common.not_found import existing_district, no_own_student
from schoolbell_server.servicers.device.named_device import device_retired
from schoolbell_server.servicers.subscription.page import NamesPage, Page, check_page, read_page
from schoolbell_storage.districts import DistrictRow, bump_facts
from schoolbell_storage.engine import Storage
from schoolbell_storage.subscriptions import (
    Subscriptions,
    drop_subscriptions,
    read_choices,
    replace_subscriptions,
)
from schoolbell_storage.world import Apps

MOST = 500


class SubscriptionServicer(SubscriptionServiceServicer):
    """Answers and saves the subscriptions of persons, and what single devices override."""

    def __init__(
        self,
        storage: Storage,
        *,
        apps: Apps,
        clock: Callable[[], dt.datetime],
        on_seen: Callable[[str], None],
    ) -> None:
        """`on_seen` is told the id of every device whose page is read or saved."""
        self._on_seen = on_seen
        self._storage = storage
        self._apps = apps
        self._clock = clock

    async def GetSubscriptions(
        self, request: messages.GetSubscriptionsRequest, _context: Any
    ) -> messages.GetSubscriptionsResponse:
        """Answer the page: every student and kind, with what closes it."""
        check_page(request).refuse()
        async with self._storage.read() as connection:
            page = await read_page(connection, request, self._apps)
        self._hear(page)
        return messages.GetSubscriptionsResponse(
            options=page.options(self._clock()), etag=page.etag
        )

    async def UpdateSubscriptions(
        self, request: messages.UpdateSubscriptionsRequest, _context: Any
    ) -> messages.UpdateSubscriptionsResponse:
        """Save the named ones whole, all or none."""
        violations, now = check_page(request), self._clock()
        violations.count(request.subscriptions, "subscriptions", least=1, most=MOST)
        async with self._storage.write() as connection:
            district = await _lock_district(connection, request)
            asked = read_subscriptions(
                request.subscriptions[:MOST], district.currency_code, violations
            )
            violations.refuse()
            page = await self._live_page(connection, request)
            for student_id, _ in asked:
                if student_id not in page.world.students:
                    raise no_own_student(student_id, page.owner.user_id)
            changed = _changed(page, asked, now)
            if must_write(changes=bool(changed), asked=request.etag, present=page.etag):
                await replace_subscriptions(connection, page.owner, changed, now)
                page = await _written(connection, page)
        self._hear(page)
        return messages.UpdateSubscriptionsResponse(options=page.options(now), etag=page.etag)

    async def ResetSubscriptions(
        self, request: messages.ResetSubscriptionsRequest, _context: Any
    ) -> messages.ResetSubscriptionsResponse:
        """Drop what is stored for the named lines, all or none."""
        violations, now = check_page(request), self._clock()
        violations.count(request.keys, "keys", most=MOST)
        names = read_keys(request.keys[:MOST], violations)
        violations.refuse()
        async with self._storage.write() as connection:
            await _lock_district(connection, request)
            page = await self._live_page(connection, request)
            _check_known(page, names)
            stored = page.own.keys() & names if names else page.own.keys()
            if must_write(changes=bool(stored), asked=request.etag, present=page.etag):
                await drop_subscriptions(connection, page.owner, names or None)
                page = await _written(connection, page)
        self._hear(page)
        return messages.ResetSubscriptionsResponse(options=page.options(now), etag=page.etag)

    async def _live_page(self, connection: AsyncConnection, request: NamesPage) -> Page:
        """Return a page that may be changed: not a retired device's."""
        page = await read_page(connection, request, self._apps)
        if page.device is not None and page.device.retirement_reason is not None:
            raise device_retired(page.device.device_id)
        return page

    def _hear(self, page: Page) -> None:
        if page.device is not None:
            self._on_seen(page.device.device_id)


async def _lock_district(connection: AsyncConnection, request: NamesPage) -> DistrictRow:
    """Lock the district's row, and with it every page: nothing else is locked after it.

    What is read from here on stays as it is, an erased person's account included.
    """
    return await existing_district(connection, request.district_id, lock=True)


async def _written(connection: AsyncConnection, page: Page) -> Page:
    await bump_facts(connection, page.owner.district_id)
    return replace(page, stored=await read_choices(connection, page.owner))


def _check_known(page: Page, names: Collection[Name]) -> None:
    """Refuse a student of whom there is neither a line nor, of earlier, a choice."""
    known = {*page.world.students, *(student_id for student_id, _ in page.own)}
    for student_id, _ in names:
        if student_id not in known:
            raise no_own_student(student_id, page.owner.user_id)


def _changed(page: Page, asked: Subscriptions, now: dt.datetime) -> Subscriptions:
    """Return those that are not stored like this, with the time from which a limit counts."""
    return {
        name: _with_limit_time(one, page.in_force(name)[0], now)
        for name, one in asked.items()
        if not _same(one, page.own.get(name))
    }


def _same(asked: Subscription, stored: Subscription | None) -> bool:
    return stored is not None and (asked.enabled, asked.condition) == (
        stored.enabled,
        stored.condition,
    )


def _with_limit_time(asked: Subscription, in_force: Subscription, now: dt.datetime) -> Subscription:
    """Say since when the limit counts: since it was enabled, or its limit changed."""
    goes_on = in_force.enabled and _limit(in_force) == _limit(asked)
    return replace(asked, limit_time=in_force.limit_time if goes_on else now)


def _limit(subscription: Subscription) -> object:
    condition = subscription.condition
    for name in ("below_percent", "below_balance"):
        if hasattr(condition, name):
            return getattr(condition, name)
    return None
