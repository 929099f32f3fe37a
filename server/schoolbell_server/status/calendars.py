"""Of which schools the calendars of watched deliveries are."""

from __future__ import annotations

from collections.abc import Iterable

from schoolbell.v1 import delivery_pb2
from schoolbell_storage.calendars import CalendarName, schools_of
from schoolbell_storage.engine import Storage


class Calendars:
    """Remembers, for one watcher, the schools of the calendars that it has come across."""

    def __init__(self, storage: Storage) -> None:
        self.schools: dict[CalendarName, str] = {}
        self._storage = storage

    async def learn(self, deliveries: Iterable[delivery_pb2.Delivery]) -> None:
        """Look up the calendars that are new; one that the roster lacks is looked up again."""
        named = {(one.district_id, one.calendar_id) for one in deliveries if one.calendar_id}
        fresh = named - self.schools.keys()
        if fresh:
            async with self._storage.read() as connection:
                self.schools.update(await schools_of(connection, fresh))
