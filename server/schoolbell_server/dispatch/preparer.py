"""Turn leased deliveries into pushes: checked again, addressed, worded.

Gates 1 to 12 are judged again with today's facts, unless neither the district's
`facts_version` nor the school day has moved since the decision.
"""

from __future__ import annotations

import asyncio
import datetime as dt
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, replace

from sqlalchemy.ext.asyncio import AsyncConnection

from schoolbell_server.contract.changes import parse_change
from schoolbell_server.dispatch.collapse_keys import CollapseKeys
from schoolbell_server.domain.change import Change, ChangeKey
from schoolbell_server.domain.decision import Refusal
from schoolbell_server.domain.delivery import Delivery
from schoolbell_server.domain.fact import Told
from schoolbell_server.domain.kinds import DetailLevel, Gate, RefusalReason
from schoolbell_server.domain.kinds.registry import PAYLOADS
from schoolbell_server.domain.notification import notification_id
from schoolbell_server.domain.shared import Rechecked, recheck_all
from schoolbell_server.domain.timing import local_date
from schoolbell_server.domain.world import DistrictFacts, World
from schoolbell_server.gateways.common.push import Push
from schoolbell_server.security.sealer import Sealer
from schoolbell_server.texts import Texts
from schoolbell_storage.addresses import PushAddress, fetch_addresses, fetch_given_names
from schoolbell_storage.changes import fetch_contents
from schoolbell_storage.claims import cancelled
from schoolbell_storage.engine import Storage
from schoolbell_storage.world import Apps, fetch_district, fetch_world

_TURN = 100
"""Deliveries that are worded in one turn of the loop, in which nobody else does anything."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """A delivery that may leave now."""

    row: Delivery
    push: Push
    address: PushAddress


@dataclass(frozen=True, slots=True, kw_only=True)
class Stopped:
    """A delivery that a gate stops after its decision."""

    row: Delivery
    refusal: Refusal | None
    """None: somebody cancelled it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Facts:
    """What one batch needs from storage, read in one go."""

    districts: Mapping[str, DistrictFacts]
    worlds: Mapping[str, World]
    cancelled: Set[str]
    """The deliveries that somebody cancelled since they were leased."""
    changes: Mapping[tuple[str, ChangeKey], Change]
    addresses: Mapping[str, PushAddress]
    given_names: Mapping[tuple[str, str], str]
    collapse_secrets: Mapping[str, bytes]
    time: dt.datetime
    """When the reading began."""


def students_of(row: Delivery) -> tuple[str, ...]:
    """Return whom a delivery names: its student, then those who share the lunch account."""
    if not PAYLOADS[row.kind].of_account:
        return (row.student_id,)
    return (row.student_id, *row.told.shared_student_ids)


def as_told(change: Change, told: Told) -> Change:
    """Return the change as a family is told of it: of attendance, the mark that stands."""
    payload = change.payload.as_told(told.current)
    return change if payload is change.payload else replace(change, payload=payload)


class Preparer:
    """Prepares batches of leased deliveries."""

    def __init__(
        self,
        storage: Storage,
        apps: Apps,
        sealer: Sealer,
        texts: Texts,
        *,
        clock: Callable[[], dt.datetime],
        replay: bool,
        most_detail: DetailLevel = DetailLevel.DETAILED,
    ) -> None:
        """`most_detail` bounds what districts and users choose."""
        self._storage = storage
        self._apps = apps
        self._sealer = sealer
        self._texts = texts
        self._collapse_keys = CollapseKeys(sealer)
        self._clock = clock
        self._replay = replay
        self._most_detail = most_detail

    async def prepare(self, batch: Sequence[Delivery]) -> list[Ready | Stopped]:
        """Return what is to become of each delivery, in the batch's order."""
        async with self._storage.read() as connection:
            facts = await self._fetch(connection, batch)
        prepared: list[Ready | Stopped] = []
        for first in range(0, len(batch), _TURN):
            prepared += [self._one(row, facts) for row in batch[first : first + _TURN]]
            await asyncio.sleep(0)
        return prepared

    async def _fetch(self, connection: AsyncConnection, batch: Sequence[Delivery]) -> _Facts:
        now = self._clock()
        districts = {}
        for district_id in {row.district_id for row in batch}:
            found = await fetch_district(connection, district_id, self._apps)
            if found is not None:
                districts[district_id] = found[0]
        students = {(row.district_id, name) for row in batch for name in students_of(row)}
        moved = self._moved(batch, districts)
        changes = await self._changes(connection, batch, districts)
        return _Facts(
            # A cancel moves the facts too.
            cancelled=await cancelled(
                connection, [row.delivery_id for rows in moved.values() for row in rows]
            ),
            districts=districts,
            changes=changes,
            addresses=await fetch_addresses(connection, {row.device_id for row in batch}),
            given_names=await fetch_given_names(connection, students),
            worlds=await self._worlds(connection, moved, changes),
            collapse_secrets=await self._collapse_keys.secrets(connection, districts),
            time=now,
        )

    async def _changes(
        self,
        connection: AsyncConnection,
        batch: Sequence[Delivery],
        districts: Mapping[str, DistrictFacts],
    ) -> dict[tuple[str, ChangeKey], Change]:
        """Return what the deliveries tell: handed over with them, or read.

        Whoever takes a change away (with a person, or a district) moves the facts, and what was
        handed over does not count any more.
        """
        changes = {}
        for row in batch:
            facts = districts.get(row.district_id)
            if row.change is not None and facts and row.facts_version == facts.facts_version:
                changes[row.district_id, row.key] = row.change
        missing = {(row.district_id, row.key) for row in batch} - changes.keys()
        stored = await fetch_contents(connection, missing)
        return changes | {name: parse_change(content) for name, content in stored.items()}

    def _moved(
        self, batch: Iterable[Delivery], districts: Mapping[str, DistrictFacts]
    ) -> dict[str, list[Delivery]]:
        """Return, by district, the deliveries whose decision no longer stands by itself."""
        moved: dict[str, list[Delivery]] = defaultdict(list)
        for row in batch:
            facts = districts.get(row.district_id)
            if facts is not None and self._has_moved(row, facts):
                moved[row.district_id].append(row)
        return moved

    def _has_moved(self, row: Delivery, facts: DistrictFacts) -> bool:
        return row.facts_version != facts.facts_version or self._school_day(row) != row.school_day

    def _school_day(self, row: Delivery) -> dt.date:
        if self._replay:
            return row.school_day
        return local_date(self._clock(), row.time_zone)

    async def _worlds(
        self,
        connection: AsyncConnection,
        moved: Mapping[str, Sequence[Delivery]],
        changes: Mapping[tuple[str, ChangeKey], Change],
    ) -> dict[str, World]:
        worlds = {}
        for district_id, rows in moved.items():
            about = [
                changes[district_id, row.key] for row in rows if (district_id, row.key) in changes
            ]
            students = {name for row in rows for name in students_of(row)}
            calendars = {change.calendar_id for change in about if change.calendar_id}
            world = await fetch_world(connection, district_id, students, calendars, self._apps)
            if world is not None:
                worlds[district_id] = world
        return worlds

    def _one(self, row: Delivery, facts: _Facts) -> Ready | Stopped:
        district = facts.districts.get(row.district_id)
        change = facts.changes.get((row.district_id, row.key))
        address = facts.addresses.get(row.device_id)
        if district is None or change is None:
            return Stopped(
                row=row, refusal=Refusal(Gate.DISTRICT_ENABLED, RefusalReason.DISTRICT_DISABLED)
            )
        if row.delivery_id in facts.cancelled:
            return Stopped(row=row, refusal=None)
        checked = self._recheck(row, change, district, facts.worlds.get(row.district_id))
        if checked.refusal is not None:
            return Stopped(row=row, refusal=checked.refusal)
        if address is None or address.user_id != row.user_id:
            return Stopped(
                row=row, refusal=Refusal(Gate.DEVICE_USABLE, RefusalReason.DEVICE_RETIRED)
            )
        push = self._push(row, change, checked.student_ids, address, district, facts)
        return Ready(row=row, push=push, address=address)

    def _recheck(
        self, row: Delivery, change: Change, district: DistrictFacts, world: World | None
    ) -> Rechecked:
        named = students_of(row)
        if world is None or not self._has_moved(row, district):
            return Rechecked(None, named)
        day = self._school_day(row)
        return recheck_all(change, named, row.user_id, row.device_id, day, world)

    def _push(
        self,
        row: Delivery,
        change: Change,
        student_ids: Sequence[str],
        address: PushAddress,
        district: DistrictFacts,
        facts: _Facts,
    ) -> Push:
        detail_level = min(district.detail_level, address.detail_level, self._most_detail)
        names = [facts.given_names.get((row.district_id, one), "") for one in student_ids]
        text = self._texts.render(
            as_told(change, row.told),
            app=row.app,
            detail=detail_level,
            locale=address.locale or district.locale,
            student_name=names[0],
            sibling_names=names[1:],
            correction=row.correction,
            currency_code=district.currency_code,
        )
        return Push(
            delivery_id=row.delivery_id,
            attempt=row.attempt_count + 1,
            notification_id=notification_id(row.district_id, row.key, row.user_id, row.create_time),
            app_id=row.app_id,
            address=self._sealer.unseal(address.address, row.device_id.encode()).decode(),
            address_hash=address.address_hash,
            fid=address.fid,
            environment=address.environment,
            kind=row.kind,
            title=text.title,
            body=text.body,
            detail_level=detail_level,
            collapse_key=self._collapse_keys.of(facts.collapse_secrets[row.district_id], row),
            expire_time=row.expire_time,
            judge_time=facts.time,
            registration_ref=address.registration_ref,
            time_sensitive=PAYLOADS[row.kind].time_sensitive,
        )
