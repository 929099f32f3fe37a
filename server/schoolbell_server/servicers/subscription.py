"""What a phone's settings page shows, and what it saves."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from schoolbell.v1 import common_pb2, subscription_pb2
from schoolbell.v1 import subscription_service_pb2 as messages
from schoolbell.v1.subscription_service_pb2_grpc import SubscriptionServiceServicer
from schoolbell_server.contract.conditions import read_condition, write_condition
from schoolbell_server.contract.fields import read_id
from schoolbell_server.domain.kinds import AppType, Kind
from schoolbell_server.domain.offers import Offer, offers
from schoolbell_server.domain.timing import local_date
from schoolbell_server.domain.world import Subscription, World
from schoolbell_server.rpc.validation import Violations
from schoolbell_server.servicers.etags import etag, must_write
from schoolbell_server.servicers.missing import no_district, no_student
from schoolbell_server.servicers.named_device import check_named, device_retired, named_device
from schoolbell_storage.devices import DeviceRow
from schoolbell_storage.districts import bump_facts, get_district
from schoolbell_storage.engine import Storage
from schoolbell_storage.relations import students_of
from schoolbell_storage.subscriptions import (
    Subscriptions,
    read_subscriptions,
    replace_subscriptions,
)
from schoolbell_storage.world import Apps, fetch_world

MOST = 500
_OFF = Subscription(enabled=False)


class SubscriptionServicer(SubscriptionServiceServicer):
    """Answers and saves a device's subscriptions."""

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
        check_named(request).refuse()
        async with self._storage.read() as connection:
            row = await named_device(connection, request)
            world = await self._world(connection, row)
            stored = await read_subscriptions(connection, row.device_id)
        self._on_seen(row.device_id)
        return messages.GetSubscriptionsResponse(
            options=self._options(row, world, stored), etag=_etag(row)
        )

    async def ResetSubscriptions(
        self, request: messages.ResetSubscriptionsRequest, _context: Any
    ) -> messages.ResetSubscriptionsResponse:
        """Drop choices of a person, or of one device."""
        raise NotImplementedError

    async def UpdateSubscriptions(
        self, request: messages.UpdateSubscriptionsRequest, _context: Any
    ) -> messages.UpdateSubscriptionsResponse:
        """Save the named ones whole, all or none."""
        violations, now = check_named(request), self._clock()
        violations.count(request.subscriptions, "subscriptions", least=1, most=MOST)
        async with self._storage.write() as connection:
            district = await get_district(connection, request.district_id)
            if district is None:
                raise no_district(request.district_id)
            asked = _read(request.subscriptions, district.currency_code, violations)
            violations.refuse()
            row = await named_device(connection, request, lock=True)
            world = await self._world(connection, row)
            for student_id, _ in asked:
                if student_id not in world.students:
                    raise no_student(student_id)
            if row.retirement_reason is not None:
                raise device_retired(row.device_id)
            stored = await read_subscriptions(connection, row.device_id)
            changed = self._changed(row, world, stored, asked, now)
            if must_write(changes=bool(changed), asked=request.etag, present=_etag(row)):
                row = await replace_subscriptions(connection, row, changed, now)
                await bump_facts(connection, request.district_id)
        self._on_seen(row.device_id)
        return messages.UpdateSubscriptionsResponse(
            options=self._options(row, world, {**stored, **changed}), etag=_etag(row)
        )

    def _changed(
        self,
        row: DeviceRow,
        world: World,
        stored: Subscriptions,
        asked: Subscriptions,
        now: dt.datetime,
    ) -> Subscriptions:
        """Return those that are not stored like this, with the time from which a limit counts."""
        app = self._apps.get(row.app_id, AppType.STUDENT)
        return {
            name: _with_limit_time(one, _standing(name, app, world, stored), now)
            for name, one in asked.items()
            if not _same(one, stored.get(name))
        }

    async def _world(self, connection: AsyncConnection, row: DeviceRow) -> World:
        """Return the facts of every student whom the device's user may be told of."""
        students = {row.user_id}
        if self._apps.get(row.app_id) is AppType.PARENT:
            students = await students_of(connection, row.district_id, [row.user_id])
        world = await fetch_world(connection, row.district_id, students, (), self._apps)
        if world is None:
            raise no_district(row.district_id)
        return world

    def _options(
        self, row: DeviceRow, world: World, stored: Subscriptions
    ) -> list[messages.SubscriptionOption]:
        today = local_date(self._clock(), world.district.time_zone)
        app = self._apps.get(row.app_id, AppType.STUDENT)
        currency = world.district.currency_code
        return [
            _write(offer, _standing((offer.student_id, offer.kind), app, world, stored), currency)
            for offer in offers(world, row.user_id, app, today)
        ]


def _standing(
    name: tuple[str, Kind], app: AppType, world: World, stored: Subscriptions
) -> Subscription:
    """Return what holds: what is stored, else the district's default, else nothing."""
    default = world.district.default_subscriptions.get((app, name[1]), _OFF)
    return stored.get(name, default)


def _write(
    offer: Offer, subscription: Subscription, currency_code: str
) -> messages.SubscriptionOption:
    message = subscription_pb2.Subscription(
        student_id=offer.student_id,
        kind=common_pb2.Kind.ValueType(offer.kind),
        enabled=subscription.enabled,
    )
    if subscription.condition is not None:
        write_condition(subscription.condition, message.condition, currency_code)
    gate = offer.closed_by
    return messages.SubscriptionOption(
        subscription=message,
        offered=gate is None,
        closed_by=common_pb2.Gate.ValueType(gate or 0),
    )


def _read(
    asked: Sequence[subscription_pb2.Subscription], currency_code: str, violations: Violations
) -> dict[tuple[str, Kind], Subscription]:
    found: dict[tuple[str, Kind], Subscription] = {}
    for index, message in enumerate(asked):
        path = f"subscriptions[{index}]."
        student_id = read_id(message.student_id, path + "student_id", violations.add)
        kind = violations.member(Kind, message.kind, path + "kind")
        condition = read_condition(
            message.condition, message.kind, f"{path}condition.", currency_code, violations.add
        )
        if kind is None:
            continue
        if (student_id, kind) in found:
            violations.add(path + "kind", "names the same student and kind twice")
        found[student_id, kind] = Subscription(enabled=message.enabled, condition=condition)
    return found


def _limit(subscription: Subscription) -> object:
    condition = subscription.condition
    for name in ("below_percent", "below_balance"):
        if hasattr(condition, name):
            return getattr(condition, name)
    return None


def _same(asked: Subscription, stored: Subscription | None) -> bool:
    return stored is not None and (asked.enabled, asked.condition) == (
        stored.enabled,
        stored.condition,
    )


def _with_limit_time(asked: Subscription, standing: Subscription, now: dt.datetime) -> Subscription:
    """Say since when the limit counts: since it was enabled, or its limit changed."""
    goes_on = standing.enabled and _limit(standing) == _limit(asked)
    return replace(asked, limit_time=standing.limit_time if goes_on else now)


def _etag(row: DeviceRow) -> str:
    return etag(f"subscriptions/{row.device_id}", row.subscriptions_version)
