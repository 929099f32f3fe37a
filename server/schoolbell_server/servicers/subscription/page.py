"""The page of a person, or of one of their devices: what is chosen where, and what is offered."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncConnection

from schoolbell.v1 import subscription_service_pb2 as messages
from schoolbell_server.contract.fields import read_id
from schoolbell_server.contract.subscriptions import Name, write_option
from schoolbell_server.domain.cases import nearest
from schoolbell_server.domain.kinds import AppType, SubscriptionLevel
from schoolbell_server.domain.offers import offers
from schoolbell_server.domain.timing import local_date
from schoolbell_server.domain.world import Subscription, World
from schoolbell_server.rpc import field_reasons as reasons
from schoolbell_server.rpc.validation import Violations
from schoolbell_server.servicers.common.etags import etag
from schoolbell_server.servicers.common.not_found import no_district, no_user
from schoolbell_server.servicers.device.named_device import named_device
from schoolbell_storage.devices import DeviceRow
from schoolbell_storage.relations import students_of
from schoolbell_storage.roster import known_users
from schoolbell_storage.subscriptions import Owner, StoredChoices, Subscriptions, read_choices
from schoolbell_storage.world import Apps, fetch_world

_OFF = Subscription(enabled=False)


NamesPage = (
    messages.GetSubscriptionsRequest
    | messages.UpdateSubscriptionsRequest
    | messages.ResetSubscriptionsRequest
)
"""A request about the page of a person, or of one of their devices."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A page as it is stored, with the facts that decide what it offers."""

    owner: Owner
    device: DeviceRow | None
    world: World
    stored: StoredChoices

    @property
    def own(self) -> Subscriptions:
        """Return what the page's owner itself stores."""
        return self.stored.device if self.device else self.stored.person

    @property
    def etag(self) -> str:
        """Return the name of this state of the page."""
        owner = self.owner
        named = (owner.district_id, owner.user_id, str(int(owner.app_type)), owner.device_id)
        return etag("\n".join(("subscriptions", *named, self.stored.content)), 0)

    def in_force(self, name: Name) -> tuple[Subscription, SubscriptionLevel]:
        """Return the choice that holds; where nobody chose and there is no default, it is off."""
        default = self.world.district.default_subscriptions.get((self.owner.app_type, name[1]))
        stored = self.stored
        chosen, level = nearest(stored.device.get(name), stored.person.get(name), default)
        return chosen or _OFF, level

    def options(self, now: dt.datetime) -> list[messages.SubscriptionOption]:
        """Return every student and kind, with what closes it."""
        district = self.world.district
        today = local_date(now, district.time_zone)
        return [
            write_option(
                offer, *self.in_force((offer.student_id, offer.kind)), district.currency_code
            )
            for offer in offers(self.world, self.owner.user_id, self.owner.app_type, today)
        ]


def check_page(request: NamesPage) -> Violations:
    """Check the names of a page."""
    violations = Violations()
    read_id(request.user_id, "user_id", violations.add)
    if not request.device_id:
        violations.member(AppType, request.app_type, "app_type")
    return violations


async def read_page(connection: AsyncConnection, request: NamesPage, apps: Apps) -> Page:
    """Return a page; NOT_FOUND where there is no such person, or the device is not theirs."""
    district_id, user_id = request.district_id, request.user_id
    if not await known_users(connection, district_id, [user_id]):
        raise no_user(user_id)
    device = await named_device(connection, request) if request.device_id else None
    app_type = _app_type(request, device, apps)
    students = {user_id}
    if app_type is AppType.PARENT:
        students = await students_of(connection, district_id, [user_id])
    world = await fetch_world(connection, district_id, students, (), apps)
    if world is None:
        raise no_district(district_id)
    owner = Owner(
        district_id=district_id, user_id=user_id, app_type=app_type, device_id=request.device_id
    )
    return Page(
        owner=owner, device=device, world=world, stored=await read_choices(connection, owner)
    )


def _app_type(request: NamesPage, device: DeviceRow | None, apps: Apps) -> AppType:
    if device is None:
        return AppType(request.app_type)
    app_type = apps.get(device.app_id, AppType.STUDENT)
    if request.app_type not in (0, app_type):
        violations = Violations()
        violations.add(
            "app_type",
            f"must be unset or the device's, which is {app_type.name}",
            reasons.INCONSISTENT,
        )
        violations.refuse()
    return app_type
