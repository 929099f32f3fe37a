"""A small district that keeps what the shell would keep between two batches."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

from schoolbell_server.domain.acceptance import Plan, Received, plan
from schoolbell_server.domain.change import Change
from schoolbell_server.domain.condition import Condition
from schoolbell_server.domain.decision import DeviceDecision
from schoolbell_server.domain.delivery import Delivery
from schoolbell_server.domain.fact import FactKey, FactState, Value
from schoolbell_server.domain.kinds import AppType, DeliveryState, Kind, Platform
from schoolbell_server.domain.ledger import PlannedDelivery
from schoolbell_server.domain.timing import moment
from schoolbell_server.domain.world import (
    CalendarFacts,
    DeviceFacts,
    DistrictFacts,
    EnrollmentFacts,
    KindSettings,
    RelationshipFacts,
    StudentFacts,
    Subscription,
    UserFacts,
    World,
)
from tests.unit.domain.deliveries import waiting_delivery
from tests.unit.domain.happenings import ZONE

MOM, DAD = "mom", "dad"
"""The guardians, and the devices of theirs."""


def world(
    conditions: dict[str, Condition | None] | None = None,
    *,
    enabled: bool = True,
    hold: dt.timedelta = dt.timedelta(0),
) -> World:
    """Return Ann, with guardians who want every kind, each on the given condition.

    `conditions` is by guardian; it defaults to one guardian, without a condition.
    """
    chosen = {MOM: None} if conditions is None else conditions
    ann = StudentFacts(
        student=UserFacts(user_id="ann"),
        enrollments=(
            EnrollmentFacts(
                enrollment_id="e1", calendar_id="maple:2027", start_date=dt.date(2026, 8, 17)
            ),
        ),
        relationships=tuple(_guardian(name, condition) for name, condition in chosen.items()),
    )
    return World(
        district=DistrictFacts(
            district_id="maple-valley",
            time_zone=ZONE,
            enabled=enabled,
            licensed_kinds=frozenset(Kind),
            active_school_year=2027,
            apps={"family": AppType.PARENT},
            kinds={kind: KindSettings(hold=hold) for kind in Kind},
        ),
        calendars={"maple:2027": _calendar()},
        students={"ann": ann},
    )


def _calendar() -> CalendarFacts:
    return CalendarFacts(
        calendar_id="maple:2027",
        school_id="maple",
        school_year=2027,
        start_date=dt.date(2026, 8, 17),
        end_date=dt.date(2027, 6, 4),
        time_zone=ZONE,
    )


def _guardian(name: str, condition: Condition | None) -> RelationshipFacts:
    subscription = Subscription(enabled=True, condition=condition)
    phone = DeviceFacts(
        device_id=name,
        user_id=name,
        app_id="family",
        platform=Platform.IOS,
        stay_logged_in=True,
        subscriptions={("ann", kind): subscription for kind in Kind},
    )
    guardian = UserFacts(user_id=name, devices=(phone,))
    return RelationshipFacts(guardian=guardian, portal_enabled=True)


class Town:
    """Plans batch after batch, each on what the batches before have left."""

    def __init__(self, facts: World | None = None) -> None:
        self.world = facts or world()
        self.states: dict[FactKey, FactState] = {}
        self.deliveries: dict[str, Delivery] = {}
        self.told: dict[str, PlannedDelivery] = {}
        """Every delivery that was ever planned, by id."""
        self.cancelled: set[str] = set()

    def publish(self, *changes: Change) -> Plan:
        """Plan one batch, received as it occurs, and keep it."""
        batch = [_received(one) for one in changes]
        made = plan(batch, self.world, self.states, self.deliveries.values())
        self.states.update(made.states)
        for delivery_id in made.superseded:
            self.cancelled.add(delivery_id)
            self.deliveries[delivery_id] = replace(
                self.deliveries[delivery_id], state=DeliveryState.CANCELLED
            )
        for planned in made.deliveries:
            self._keep(planned, changes[planned.index].occur_time)
        return made

    def attempt(self, *, seen: bool = True) -> None:
        """Let every waiting delivery leave; one that its provider rejects is not seen."""
        for delivery_id, delivery in self.deliveries.items():
            if delivery.untouched:
                state = DeliveryState.ACCEPTED if seen else DeliveryState.REJECTED
                self.deliveries[delivery_id] = replace(delivery, state=state, attempt_count=1)

    @property
    def waiting(self) -> list[Value | None]:
        """Return the values that wait to be told, oldest first."""
        return [
            self.told[delivery_id].told.current
            for delivery_id, delivery in self.deliveries.items()
            if delivery.untouched
        ]

    def _keep(self, planned: PlannedDelivery, now: dt.datetime) -> None:
        delivery_id = str(len(self.deliveries))
        self.told[delivery_id] = planned
        superseded = planned.superseded_by is not None
        if superseded:
            self.cancelled.add(delivery_id)
        self.deliveries[delivery_id] = waiting_delivery(
            delivery_id,
            state=DeliveryState.CANCELLED if superseded else DeliveryState.PENDING,
            device_id=planned.device_id,
            fact_key=planned.fact_key,
            told=planned.told,
            user_id=planned.user_id,
            create_time=now,
        )


def _received(one: Change) -> Received:
    return Received(
        change=one,
        receive_time=one.occur_time,
        moment=moment(one, one.occur_time, ZONE, replay=False),
    )


def verdict(made: Plan, index: int = 0, device_id: str = MOM) -> DeviceDecision:
    """Return what was decided for one device of a plan."""
    (found,) = (
        device
        for recipient in made.decisions[index].recipients
        for device in recipient.devices
        if device.device_id == device_id
    )
    return found
