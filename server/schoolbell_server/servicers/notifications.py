"""What an app shows once it is unlocked: the detailed text; and notifications for a try."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncConnection

from schoolbell.v1 import delivery_pb2
from schoolbell.v1 import device_service_pb2 as messages
from schoolbell.v1.error_reason_pb2 import ErrorReason
from schoolbell_server.contract.changes import parse_change
from schoolbell_server.contract.fields import read_id, read_locale, write_time
from schoolbell_server.contract.notified import write_notified
from schoolbell_server.domain.change import Change
from schoolbell_server.domain.kinds import DetailLevel, Outcome
from schoolbell_server.domain.notification import notification_id, written_at
from schoolbell_server.domain.shared import recheck_all
from schoolbell_server.domain.timing import local_date
from schoolbell_server.domain.world import World
from schoolbell_server.gateways.factory import Gateways
from schoolbell_server.gateways.push import Push
from schoolbell_server.pipeline.collapse_keys import Opener
from schoolbell_server.pipeline.preparer import as_told, students_of
from schoolbell_server.rpc.errors import SchoolbellError
from schoolbell_server.rpc.validation import REQUIRED, Violations
from schoolbell_server.texts import Texts
from schoolbell_storage.addresses import fetch_given_names
from schoolbell_storage.changes import fetch_contents
from schoolbell_storage.deliveries import (
    DeliveryRow,
    deliveries_of_user,
    fetch_deliveries,
)
from schoolbell_storage.devices import DeadToken, DeviceRow, get_device, retire_dead
from schoolbell_storage.districts import bump_facts, get_district
from schoolbell_storage.engine import Storage
from schoolbell_storage.world import Apps, fetch_world

_TEST_LIFE = dt.timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class _Found:
    """A delivery with what is known of it now."""

    row: DeliveryRow
    change: Change
    world: World
    given_names: Mapping[tuple[str, str], str]
    locale: str


class Notifications:
    """Words deliveries for their users."""

    def __init__(
        self,
        storage: Storage,
        *,
        apps: Apps,
        texts: Texts,
        gateways: Gateways,
        opener: Opener,
        clock: Callable[[], dt.datetime],
        on_heard: Callable[[str], None],
        replay: bool,
    ) -> None:
        """`on_heard` is told the id of every device that fetches a text."""
        self._storage = storage
        self._apps = apps
        self._texts = texts
        self._gateways = gateways
        self._opener = opener
        self._clock = clock
        self._on_heard = on_heard
        self._replay = replay

    async def get(
        self, request: messages.GetNotificationRequest
    ) -> messages.GetNotificationResponse:
        """Return a detailed text, as long as gates 1 to 9 still let its user see it."""
        violations = Violations()
        read_id(request.user_id, "user_id", violations.add)
        target = request.WhichOneof("target")
        if target is None:
            violations.add("target", REQUIRED)
        else:
            read_id(getattr(request, target), target, violations.add)
        read_locale(request.locale, "locale", violations.add)
        violations.refuse()
        async with self._storage.read() as connection:
            row = await _delivery(connection, request)
            found = None if row is None else await self._find(connection, request, row)
        seen = () if found is None else self._seen(found)
        if found is None or not seen:
            assert target is not None, "the lack of a target was refused"
            raise SchoolbellError(
                ErrorReason.ERROR_REASON_NOTIFICATION_NOT_FOUND,
                "the user has no such notification",
                metadata={target: getattr(request, target)},
            )
        if request.delivery_id:
            self._on_heard(found.row.device_id)
        return messages.GetNotificationResponse(notification=self._word(found, seen))

    async def _find(
        self,
        connection: AsyncConnection,
        request: messages.GetNotificationRequest,
        row: DeliveryRow,
    ) -> _Found | None:
        """Return a user's delivery with what is known of it now."""
        district_id, name = row.district_id, (row.district_id, row.key)
        contents = await fetch_contents(connection, [name])
        if name not in contents:
            return None
        change, named = parse_change(contents[name]), students_of(row)
        calendars = [change.calendar_id] if change.calendar_id else []
        world = await fetch_world(connection, district_id, named, calendars, self._apps)
        names = await fetch_given_names(connection, [(district_id, one) for one in named])
        locale = request.locale
        if request.delivery_id:
            device = await get_device(connection, district_id, row.user_id, row.device_id)
            if device is None:
                return None
            locale = locale or device.locale
        if world is None:
            return None
        return _Found(row, change, world, names, locale or world.district.locale)

    def _seen(self, found: _Found) -> tuple[str, ...]:
        """Return whom of its students the user may see: gates 1 to 9 as they stand now."""
        row = found.row
        day = row.school_day if self._replay else local_date(self._clock(), row.time_zone)
        named = students_of(row)
        checked = recheck_all(found.change, named, row.user_id, row.device_id, day, found.world)
        return checked.student_ids

    def _word(self, found: _Found, seen: Sequence[str]) -> messages.Notification:
        row, district = found.row, found.world.district
        names = [found.given_names.get((row.district_id, one), "") for one in seen]
        text = self._texts.render(
            as_told(found.change, row.told),
            app=row.app,
            detail=DetailLevel.DETAILED,
            locale=found.locale,
            student_name=names[0],
            sibling_names=names[1:],
            correction=row.correction,
            currency_code=district.currency_code,
        )
        return messages.Notification(
            notification_id=notification_id(row.district_id, row.key, row.user_id, row.create_time),
            title=text.title,
            body=text.body,
            locale=self._texts.language(found.locale),
            changes=[write_notified(found.change, seen)],
        )

    async def send_test(
        self, row: DeviceRow, sealed: bytes
    ) -> messages.SendTestNotificationResponse:
        """Send a text that says it is a try, and return what the provider answered."""
        gateway = self._gateways.get((row.app_id, row.platform))
        if gateway is None:
            raise SchoolbellError(
                ErrorReason.ERROR_REASON_APP_NOT_FOUND,
                "the app has no account at this provider",
                metadata={"app_id": row.app_id},
            )
        text, start = self._texts.test_text(await self._locale(row)), self._clock()
        push = Push(
            delivery_id=str(uuid.uuid4()),
            app_id=row.app_id,
            address=self._opener.unseal(sealed, row.device_id.encode()).decode(),
            fid=row.fid,
            environment=row.environment,
            title=text.title,
            body=text.body,
            expire_time=start + _TEST_LIFE,
            registration_ref=row.registration_ref,
        )
        (result,) = await gateway.send([push])
        if result.outcome is Outcome.TOKEN_DEAD:
            await self._retire(row, result.token_dead_since or start)
        return messages.SendTestNotificationResponse(
            attempt=delivery_pb2.Attempt(
                number=1,
                start_time=write_time(start),
                end_time=write_time(self._clock()),
                outcome=delivery_pb2.Outcome.ValueType(result.outcome),
                provider_reason=result.provider_reason,
            ),
            provider_message_id=result.provider_message_id,
        )

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


async def _delivery(
    connection: AsyncConnection, request: messages.GetNotificationRequest
) -> DeliveryRow | None:
    """Return the user's delivery that is asked for: of a notification, any."""
    district_id, user_id = request.district_id, request.user_id
    if request.delivery_id:
        row = (await fetch_deliveries(connection, [request.delivery_id])).get(request.delivery_id)
        own = row is not None and (row.district_id, row.user_id) == (district_id, user_id)
        return row if own else None
    written = written_at(request.notification_id)
    if written is None:
        return None
    for row in await deliveries_of_user(connection, district_id, user_id, *written):
        if request.notification_id == notification_id(
            district_id, row.key, user_id, row.create_time
        ):
            return row
    return None
