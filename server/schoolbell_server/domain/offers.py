"""What a phone's settings page offers: each student and kind, and which gate closes it today.

The gates themselves decide, on a probe: a change of the kind that would happen today.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass

from schoolbell_server.domain.calendar_gates import survey
from schoolbell_server.domain.cases import change_case, named_recipient, places
from schoolbell_server.domain.change import Change, ChangeKey
from schoolbell_server.domain.change_gates import SWITCH_RULES
from schoolbell_server.domain.decision import Moment, Refusal
from schoolbell_server.domain.eligibility import ended_apps
from schoolbell_server.domain.fact import FactUpdate
from schoolbell_server.domain.gate import first_refusal
from schoolbell_server.domain.kinds import AppType, Gate, Kind
from schoolbell_server.domain.kinds.registry import PAYLOADS
from schoolbell_server.domain.recipient_gates import RECIPIENT_RULES
from schoolbell_server.domain.timing import zone_of
from schoolbell_server.domain.world import World

_NOON = dt.time(12)
_KEY = ChangeKey(source="offer", change_id="offer")
_RELATED = RECIPIENT_RULES[:1]


@dataclass(frozen=True, slots=True)
class Offer:
    """One student and kind on the page."""

    student_id: str
    kind: Kind
    closed_by: Gate | None
    """The first of gates 1, 2 and 4 to 8 that is closed; None where the kind is offered."""


def offers(world: World, user_id: str, app: AppType, today: dt.date) -> Iterator[Offer]:
    """Yield every kind of every student of the world, as one user of an app sees them."""
    for student_id in sorted(world.students):
        for kind in Kind:
            yield Offer(student_id, kind, _closed_by(world, student_id, kind, user_id, app, today))


def _closed_by(
    world: World, student_id: str, kind: Kind, user_id: str, app: AppType, today: dt.date
) -> Gate | None:
    refusal = _refusal(world, _probe(world, student_id, kind, today), user_id, app, today)
    return None if refusal is None else refusal.gate


def _refusal(
    world: World, probe: Change, user_id: str, app: AppType, today: dt.date
) -> Refusal | None:
    moment = Moment(lateness=dt.timedelta(0), school_day=today)
    case = change_case(probe, moment, FactUpdate(key=""), world)
    refusal = first_refusal(SWITCH_RULES, case)
    if refusal is not None:
        return refusal
    found = survey(places(case, world))
    hidden = dict(ended_apps(found)).get(app)
    recipient = named_recipient(case, user_id, world)
    return found.refusal or hidden or first_refusal(_RELATED, recipient)


def _probe(world: World, student_id: str, kind: Kind, today: dt.date) -> Change:
    """Return a change without a calendar: it is judged in that in which it gets furthest."""
    zone = zone_of(world.district.time_zone)
    return Change(
        key=_KEY,
        student_id=student_id,
        occur_time=dt.datetime.combine(today, _NOON, tzinfo=zone).astimezone(dt.UTC),
        payload=PAYLOADS[kind].probe(today),
    )
