"""What notifications are worded from when their apps fetch them: read for many calls at once.

A posting makes thousands of phones ask within seconds. The statements of a group are as many as
those of one call, and all of them begin after each of its calls did.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncConnection

from schoolbell_server.background.call_groups import CallGroups
from schoolbell_server.contract.changes import parse_change
from schoolbell_server.dispatch.preparer import students_of
from schoolbell_server.domain.change import Change, ChangeKey
from schoolbell_server.domain.delivery import Delivery
from schoolbell_server.domain.world import UserFacts, World
from schoolbell_storage.addresses import fetch_given_names
from schoolbell_storage.changes import fetch_contents
from schoolbell_storage.deliveries import fetch_deliveries
from schoolbell_storage.engine import Storage
from schoolbell_storage.world import Apps, fetch_world

MOST = 200
"""Calls in one group."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A delivery that a user asks for: by its id, or as it was found."""

    district_id: str
    user_id: str
    delivery: str | Delivery


@dataclass(frozen=True, slots=True)
class Delivered:
    """A user's delivery with what is known of it now."""

    row: Delivery
    change: Change
    world: World
    given_names: Mapping[tuple[str, str], str]

    def device_locale(self) -> str | None:
        """Return the locale of its device; None where it is no longer the user's."""
        devices = (device for user in self._users() for device in user.devices)
        return next((one.locale for one in devices if one.device_id == self.row.device_id), None)

    def _users(self) -> Iterable[UserFacts]:
        """Return its user, as often as a student of the change is related to them."""
        for name in students_of(self.row):
            facts = self.world.students.get(name)
            if facts is not None:
                people = (facts.student, *(one.guardian for one in facts.relationships))
                yield from (one for one in people if one.user_id == self.row.user_id)


_Named = tuple[str, ChangeKey]


class DeliveredReader:
    """Reads deliveries with their changes and today's facts."""

    def __init__(self, storage: Storage, apps: Apps) -> None:
        self._storage = storage
        self._apps = apps
        self._calls: CallGroups[Asked, Delivered | None] = CallGroups(self._read, MOST, "fetched")

    async def read(self, asked: Asked) -> Delivered | None:
        """Return the user's delivery; None where it is not theirs, or no longer kept."""
        return await self._calls.ask(asked, share=(asked.district_id, asked.user_id))

    async def _read(self, group: Sequence[Asked]) -> list[Delivered | None]:
        async with self._storage.read() as connection:
            rows = await _deliveries(connection, group)
            there = [row for row in rows if row is not None]
            contents = await fetch_contents(connection, {_name(row) for row in there})
            changes = {name: parse_change(content) for name, content in contents.items()}
            kept = [row for row in there if _name(row) in changes]
            worlds = await self._worlds(connection, kept, changes)
            people = {(row.district_id, one) for row in kept for one in students_of(row)}
            names = await fetch_given_names(connection, people) if people else {}
        return [None if row is None else _told(row, changes, worlds, names) for row in rows]

    async def _worlds(
        self,
        connection: AsyncConnection,
        rows: Sequence[Delivery],
        changes: Mapping[_Named, Change],
    ) -> dict[str, World]:
        """Return by district the facts of what these deliveries are about."""
        districts: dict[str, list[Delivery]] = defaultdict(list)
        for row in rows:
            districts[row.district_id].append(row)
        worlds = {}
        for district_id, own in districts.items():
            about = [changes[_name(row)] for row in own]
            world = await fetch_world(
                connection,
                district_id,
                {one for row in own for one in students_of(row)},
                {change.calendar_id for change in about if change.calendar_id},
                self._apps,
                {change.kind for change in about},
            )
            if world is not None:
                worlds[district_id] = world
        return worlds


async def _deliveries(connection: AsyncConnection, group: Sequence[Asked]) -> list[Delivery | None]:
    """Return the delivery that each asks for, where it is their own."""
    ids = {asked.delivery for asked in group if isinstance(asked.delivery, str)}
    known = await fetch_deliveries(connection, ids)
    rows: list[Delivery | None] = []
    for asked in group:
        found = asked.delivery
        row = known.get(found) if isinstance(found, str) else found
        own = row is not None and (row.district_id, row.user_id) == (
            asked.district_id,
            asked.user_id,
        )
        rows.append(row if own else None)
    return rows


def _told(
    row: Delivery,
    changes: Mapping[_Named, Change],
    worlds: Mapping[str, World],
    names: Mapping[tuple[str, str], str],
) -> Delivered | None:
    change, world = changes.get(_name(row)), worlds.get(row.district_id)
    return None if change is None or world is None else Delivered(row, change, world, names)


def _name(row: Delivery) -> _Named:
    return row.district_id, row.key
