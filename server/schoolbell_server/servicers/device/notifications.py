"""What an app shows once it is unlocked: the detailed text."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence

from schoolbell.v1 import device_service_pb2 as messages
from schoolbell.v1.error_reason_pb2 import ErrorReason
from schoolbell_server.contract.fields import read_id, read_locale
from schoolbell_server.contract.notified import write_notified
from schoolbell_server.dispatch.preparer import as_told, students_of
from schoolbell_server.domain.kinds import DetailLevel
from schoolbell_server.domain.notification import notification_id, written_at
from schoolbell_server.domain.shared import recheck_all
from schoolbell_server.domain.timing import local_date
from schoolbell_server.rpc import field_reasons as reasons
from schoolbell_server.rpc.errors import SchoolbellError
from schoolbell_server.rpc.validation import Violations
from schoolbell_server.servicers.device.delivered import Asked, Delivered, DeliveredReader
from schoolbell_server.texts import Texts
from schoolbell_storage.deliveries import deliveries_of_user
from schoolbell_storage.engine import Storage
from schoolbell_storage.world import Apps


class Notifications:
    """Words deliveries for their users."""

    def __init__(
        self,
        storage: Storage,
        *,
        apps: Apps,
        texts: Texts,
        clock: Callable[[], dt.datetime],
        on_seen: Callable[[str], None],
        replay: bool,
    ) -> None:
        """`on_seen` is told the id of every device that fetches a text."""
        self._storage = storage
        self._told = DeliveredReader(storage, apps)
        self._texts = texts
        self._clock = clock
        self._on_seen = on_seen
        self._replay = replay

    async def get(
        self, request: messages.GetNotificationRequest
    ) -> messages.GetNotificationResponse:
        """Return a detailed text, as long as gates 1 to 9 still let its user see it."""
        violations = Violations()
        read_id(request.user_id, "user_id", violations.add)
        target = request.WhichOneof("target")
        if target is None:
            violations.add("target", "must have notification_id or delivery_id", reasons.REQUIRED)
        else:
            read_id(getattr(request, target), target, violations.add)
        read_locale(request.locale, "locale", violations.add)
        violations.refuse()
        found = await self._find(request)
        seen = () if found is None else self._seen(found)
        locale = None if found is None else _locale(request, found)
        if found is None or locale is None or not seen:
            assert target is not None, "the lack of a target was refused"
            raise SchoolbellError(
                ErrorReason.ERROR_REASON_NOTIFICATION_NOT_FOUND,
                f"{request.user_id} has no notification of this {target}, or not any more:"
                f" {getattr(request, target)}",
                metadata={target: getattr(request, target)},
            )
        if request.delivery_id:
            self._on_seen(found.row.device_id)
        notification = self._word(found, seen, locale)
        return messages.GetNotificationResponse(notification=notification)

    async def _find(self, request: messages.GetNotificationRequest) -> Delivered | None:
        """Return the user's delivery that is asked for: of a notification, any."""
        district_id, user_id = request.district_id, request.user_id
        if request.delivery_id:
            return await self._told.read(Asked(district_id, user_id, request.delivery_id))
        written = written_at(request.notification_id)
        if written is None:
            return None
        async with self._storage.read() as connection:
            rows = await deliveries_of_user(connection, district_id, user_id, *written)
        for row in rows:
            if request.notification_id == notification_id(
                district_id, row.key, user_id, row.create_time
            ):
                return await self._told.read(Asked(district_id, user_id, row))
        return None

    def _seen(self, found: Delivered) -> tuple[str, ...]:
        """Return whom of its students the user may see: gates 1 to 9 as they stand now."""
        row = found.row
        day = row.school_day if self._replay else local_date(self._clock(), row.time_zone)
        named = students_of(row)
        checked = recheck_all(found.change, named, row.user_id, row.device_id, day, found.world)
        return checked.student_ids

    def _word(self, found: Delivered, seen: Sequence[str], locale: str) -> messages.Notification:
        row, district = found.row, found.world.district
        names = [found.given_names.get((row.district_id, one), "") for one in seen]
        text = self._texts.render(
            as_told(found.change, row.told),
            app=row.app,
            detail=DetailLevel.DETAILED,
            locale=locale,
            student_name=names[0],
            sibling_names=names[1:],
            correction=row.correction,
            currency_code=district.currency_code,
        )
        return messages.Notification(
            notification_id=notification_id(row.district_id, row.key, row.user_id, row.create_time),
            title=text.title,
            body=text.body,
            locale=self._texts.language(locale),
            changes=[write_notified(found.change, seen)],
        )


def _locale(request: messages.GetNotificationRequest, found: Delivered) -> str | None:
    """Return the language to word it in; None where its device is no longer the user's."""
    locale: str | None = request.locale
    if request.delivery_id:
        own = found.device_locale()
        locale = None if own is None else locale or own
    return locale if locale is None else locale or found.world.district.locale
