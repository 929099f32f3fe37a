"""The rows of a batch's planned deliveries; what those of one change share is made once."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from schoolbell_server.domain import timing
from schoolbell_server.domain.acceptance import Received
from schoolbell_server.domain.change import Change
from schoolbell_server.domain.delivery import Delivery
from schoolbell_server.domain.kinds import CancelCause, DeliveryState, HoldCause, Platform
from schoolbell_server.domain.ledger import PlannedDelivery
from schoolbell_server.domain.world import DeviceFacts, World

Leasing = Callable[[str, Platform, int], str]
"""Takes a delivery's app_id, platform and lane; returns who leases it at once, '' for nobody."""


def unleased(_app_id: str, _platform: Platform, _lane: int) -> str:
    """Lease nothing: what is written waits to be claimed."""
    return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedRows:
    """Makes the rows of one batch of one district."""

    batch: Sequence[Received]
    world: World
    now: dt.datetime
    new_id: Callable[[], str]
    leasing: Leasing

    def rows(self, planned: Iterable[PlannedDelivery]) -> Iterator[Delivery]:
        """Yield a row for each planned delivery, in their order."""
        for index, group in groupby(planned, key=lambda one: one.index):
            yield from self._of_change(self.batch[index], list(group))

    def _of_change(
        self, received: Received, planned: Sequence[PlannedDelivery]
    ) -> Iterator[Delivery]:
        change = received.change
        devices = devices_of(self.world, change)
        zone = self.world.zone_of(change.calendar_id)
        expire_time = self._expire_time(received, zone, lifted=planned[0].lifted)
        lane = change.payload.lane
        for one in planned:
            device = devices[one.device_id]
            superseded = one.superseded_by is not None
            state = _state(one)
            at_once = state is DeliveryState.PENDING and expire_time > self.now
            yield Delivery(
                delivery_id=self.new_id(),
                district_id=self.world.district.district_id,
                key=change.key,
                student_id=one.student_id,
                user_id=one.user_id,
                device_id=one.device_id,
                app_id=device.app_id,
                app=one.app,
                platform=device.platform,
                kind=change.kind,
                lane=lane,
                calendar_id=change.calendar_id or "",
                state=state,
                hold_cause=HoldCause.WINDOW if state is DeliveryState.HELD else None,
                cancel_cause=CancelCause.SUPERSEDED if superseded else None,
                fact_key=one.fact_key,
                other_fact_key=one.other_key,
                told=one.told,
                correction=one.correction,
                facts_version=self.world.district.facts_version,
                school_day=received.moment.school_day,
                time_zone=zone,
                lease_owner=(self.leasing(device.app_id, device.platform, lane) if at_once else ""),
                create_time=self.now,
                due_time=self.now + one.hold,
                expire_time=expire_time,
                update_time=self.now,
                change=change,
            )

    def _expire_time(self, received: Received, zone: str, *, lifted: bool) -> dt.datetime:
        change = received.change
        settings = self.world.district.settings_of(change.kind)
        life = timing.end_of_life(change, settings, zone, lifted=lifted)
        return timing.expire_time(self.now, received.moment.lateness, life)


def devices_of(world: World, change: Change) -> Mapping[str, DeviceFacts]:
    """Return every device that a decision on the change may name, by device_id."""
    students = [world.students[student_id] for student_id in change.student_ids]
    people = [
        person
        for student in students
        for person in (
            student.student,
            *(relationship.guardian for relationship in student.relationships),
        )
    ]
    return {device.device_id: device for person in people for device in person.devices}


def _state(planned: PlannedDelivery) -> DeliveryState:
    if planned.superseded_by is not None:
        return DeliveryState.CANCELLED
    return DeliveryState.HELD if planned.hold else DeliveryState.PENDING
