"""What an app shows once it is unlocked: the detailed text; and notifications for a try."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Callable
from dataclasses import dataclass

from schoolbell.v1 import common_pb2, delivery_pb2
from schoolbell.v1 import device_service_pb2 as messages
from schoolbell.v1.error_reason_pb2 import ErrorReason
from schoolbell_server.contract.changes import parse_change
from schoolbell_server.contract.fields import read_id, write_time
from schoolbell_server.domain.change import Change
from schoolbell_server.domain.eligibility import recheck
from schoolbell_server.domain.kinds import DetailLevel, Gate, Outcome
from schoolbell_server.domain.timing import local_date
from schoolbell_server.domain.world import World
from schoolbell_server.gateways.factory import Gateways
from schoolbell_server.gateways.push import Push
from schoolbell_server.pipeline.collapse_keys import Opener
from schoolbell_server.pipeline.preparer import as_told
from schoolbell_server.rpc.errors import SchoolbellError
from schoolbell_server.rpc.validation import Violations
from schoolbell_server.texts import Texts
from schoolbell_storage.addresses import fetch_given_names
from schoolbell_storage.changes import fetch_contents
from schoolbell_storage.deliveries import DeliveryRow, fetch_deliveries
from schoolbell_storage.devices import DeadToken, DeviceRow, get_device, retire_dead
from schoolbell_storage.districts import bump_facts, get_district
from schoolbell_storage.engine import Storage
from schoolbell_storage.world import Apps, fetch_world

_OF_THE_DEVICE = frozenset({Gate.DEVICE_USABLE, Gate.STAYS_LOGGED_IN, Gate.SUBSCRIBED})
_TEST_LIFE = dt.timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class _Found:
    """A delivery with what is known of it now."""

    row: DeliveryRow
    change: Change
    world: World
    given_name: str
    device: DeviceRow


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
        on_seen: Callable[[str], None],
        replay: bool,
    ) -> None:
        """`on_seen` is told the id of every device that fetches a text."""
        self._storage = storage
        self._apps = apps
        self._texts = texts
        self._gateways = gateways
        self._opener = opener
        self._clock = clock
        self._on_seen = on_seen
        self._replay = replay

    async def get(
        self, request: messages.GetNotificationRequest
    ) -> messages.GetNotificationResponse:
        """Return a delivery's detailed text, as long as gates 1 to 9 still let its user see it."""
        violations = Violations()
        read_id(request.user_id, "user_id", violations.add)
        read_id(request.delivery_id, "delivery_id", violations.add)
        violations.refuse()
        found = await self._find(request)
        if found is None or self._closed(found):
            raise SchoolbellError(
                ErrorReason.ERROR_REASON_NOTIFICATION_NOT_FOUND,
                "the user has no such notification",
                metadata={"delivery_id": request.delivery_id},
            )
        self._on_seen(found.device.device_id)
        return messages.GetNotificationResponse(notification=self._word(found))

    async def _find(self, request: messages.GetNotificationRequest) -> _Found | None:
        """Return a user's delivery with what is known of it now."""
        async with self._storage.read() as connection:
            rows = await fetch_deliveries(connection, [request.delivery_id])
            row = rows.get(request.delivery_id)
            asked = (request.district_id, request.user_id)
            if row is None or (row.district_id, row.user_id) != asked:
                return None
            name = row.district_id, row.key
            contents = await fetch_contents(connection, [name])
            if name not in contents:
                return None
            change = parse_change(contents[name])
            calendars = [change.calendar_id] if change.calendar_id else []
            world = await fetch_world(
                connection, row.district_id, [row.student_id], calendars, self._apps
            )
            student = (row.district_id, row.student_id)
            names = await fetch_given_names(connection, [student])
            device = await get_device(connection, row.district_id, row.user_id, row.device_id)
        if world is None or device is None:
            return None
        return _Found(row, change, world, names.get(student, ""), device)

    def _closed(self, found: _Found) -> bool:
        """Tell whether one of the gates 1 to 9 has closed."""
        row = found.row
        day = row.school_day if self._replay else local_date(self._clock(), row.time_zone)
        refusal = recheck(found.change, row.user_id, row.device_id, day, found.world)
        return refusal is not None and refusal.gate not in _OF_THE_DEVICE

    def _word(self, found: _Found) -> messages.Notification:
        row, district = found.row, found.world.district
        locale = found.device.locale or district.locale
        text = self._texts.render(
            as_told(found.change, row.told),
            app=row.app,
            detail=DetailLevel.DETAILED,
            locale=locale,
            student_name=found.given_name,
            correction=row.correction,
            currency_code=district.currency_code,
        )
        return messages.Notification(
            title=text.title,
            body=text.body,
            locale=self._texts.language(locale),
            changes=[
                messages.NotifiedChange(
                    change_key=common_pb2.ChangeKey(
                        source=row.key.source, change_id=row.key.change_id
                    ),
                    kind=common_pb2.Kind.ValueType(row.kind),
                    student_id=row.student_id,
                    occur_time=write_time(found.change.occur_time),
                )
            ],
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
