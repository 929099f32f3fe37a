"""The facts of students that were met before, kept while nothing of their district has moved.

The district's row is read in every transaction, first. While its `facts_version` is the one under
which a fact was read, nobody has committed a write of any fact of the district since, on whatever
server: every such write moves the version in its own transaction. A fact that was committed between
the row and the fact itself moved it too, so that it is read again by the next transaction.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

from sqlalchemy.ext.asyncio import AsyncConnection

from schoolbell_server.domain.change import Change
from schoolbell_server.domain.world import CalendarFacts, StudentFacts, World
from schoolbell_storage.world import Apps, fetch_district, fetch_facts, fetch_world

STUDENTS = 4_000
"""Students that are kept, of all districts: some ten kilobytes each."""


@dataclass(slots=True)
class _Known:
    """What was read of one district."""

    version: int
    calendars: dict[str, CalendarFacts] = field(default_factory=dict)
    students: dict[str, StudentFacts] = field(default_factory=dict)


class WorldCache:
    """Fetches the facts that changes are judged by, and keeps those of their students."""

    def __init__(self, apps: Apps, most: int = STUDENTS) -> None:
        """Keep `most` students at most, beyond those of the last changes."""
        self._apps = apps
        self._most = most
        self._known: dict[str, _Known] = {}
        """By district, the one used last at the end."""

    async def fetch(
        self, connection: AsyncConnection, district_id: str, changes: Collection[Change]
    ) -> World | None:
        """Return the facts for a district's changes; None where the district is unknown."""
        students = {name for change in changes for name in change.student_ids}
        calendars = {change.calendar_id for change in changes if change.calendar_id is not None}
        if any(len(change.student_ids) > 1 for change in changes):
            # What a guardian chose is read for the students asked about: here for all at once.
            kinds = {change.kind for change in changes}
            return await fetch_world(
                connection, district_id, students, calendars, self._apps, kinds
            )
        found = await fetch_district(connection, district_id, self._apps)
        if found is None:
            self._known.pop(district_id, None)
            return None
        known = self._of(district_id, found[0].facts_version)
        unmet, unseen = students - known.students.keys(), calendars - known.calendars.keys()
        if unmet or unseen:
            fresh = await fetch_facts(connection, found, unmet, unseen)
            known.calendars.update(fresh.calendars)
            known.students.update(fresh.students)
        world = World(
            district=found[0],
            calendars=known.calendars,
            students={name: known.students[name] for name in students & known.students.keys()},
        )
        self._make_room()
        return world

    def _of(self, district_id: str, version: int) -> _Known:
        """Return what is known of a district at a version, and make it the last used."""
        known = self._known.pop(district_id, None)
        if known is None or known.version != version:
            known = _Known(version)
        self._known[district_id] = known
        return known

    def _make_room(self) -> None:
        """Forget the districts that were not used for longest."""
        kept = sum(len(known.students) for known in self._known.values())
        while kept > self._most:
            oldest = next(iter(self._known))
            kept -= len(self._known.pop(oldest).students)
