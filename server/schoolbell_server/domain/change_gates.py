"""The gates of a change itself: 1 switch on, 2 kind licensed, 3 timely, 16 newest."""

from __future__ import annotations

import datetime as dt

from schoolbell_server.domain.cases import ChangeCase
from schoolbell_server.domain.decision import Refusal
from schoolbell_server.domain.gate import EntityKind, GateCheck, SeenFact, names_of, seen, text_of
from schoolbell_server.domain.kinds import Gate, RefusalReason
from schoolbell_server.domain.timing import end_of_life


def time_to_live(case: ChangeCase) -> dt.timedelta:
    """Return how long after its occur time the change may still be told."""
    settings = case.district.settings_of(case.kind)
    return end_of_life(case.change, settings, case.zone, lifted=case.lifts)


def _refuse_switch(case: ChangeCase) -> Refusal | None:
    if case.district.enabled:
        return None
    return Refusal(Gate.DISTRICT_ENABLED, RefusalReason.DISTRICT_DISABLED)


def _see_switch(case: ChangeCase) -> tuple[SeenFact, ...]:
    district = case.district
    return seen(EntityKind.DISTRICT, district.district_id, enabled=district.enabled)


def _refuse_licence(case: ChangeCase) -> Refusal | None:
    if case.kind in case.district.licensed_kinds:
        return None
    return Refusal(Gate.KIND_LICENSED, RefusalReason.KIND_NOT_LICENSED, case.kind.name)


def _see_licence(case: ChangeCase) -> tuple[SeenFact, ...]:
    district = case.district
    licensed = names_of(district.licensed_kinds)
    return seen(EntityKind.DISTRICT, district.district_id, licensed_kinds=licensed)


def _refuse_lateness(case: ChangeCase) -> Refusal | None:
    if case.change.historical:
        return Refusal(Gate.TIMELY, RefusalReason.HISTORICAL)
    if case.moment.lateness < time_to_live(case):
        return None
    return Refusal(Gate.TIMELY, RefusalReason.TOO_LATE, text_of(case.moment.lateness))


def _see_lateness(case: ChangeCase) -> tuple[SeenFact, ...]:
    return seen(
        EntityKind.CHANGE,
        case.change.key.change_id,
        historical=case.change.historical,
        lateness=case.moment.lateness,
        time_to_live=time_to_live(case),
    )


def _refuse_older(case: ChangeCase) -> Refusal | None:
    if not case.update.older:
        return None
    known = case.update.known_time
    return Refusal(Gate.NEWEST, RefusalReason.OLDER_THAN_KNOWN, text_of(known))


def _see_older(case: ChangeCase) -> tuple[SeenFact, ...]:
    change = case.change
    occurred = seen(EntityKind.CHANGE, change.key.change_id, occur_time=change.occur_time)
    known = case.update.known_time
    return occurred + seen(EntityKind.FACT, case.update.key, known_time=known)


SWITCH_RULES: tuple[GateCheck[ChangeCase], ...] = (
    GateCheck(Gate.DISTRICT_ENABLED, _refuse_switch, _see_switch),
    GateCheck(Gate.KIND_LICENSED, _refuse_licence, _see_licence),
)
"""The district's own gates, judged again before each attempt."""

TIMELY = GateCheck(Gate.TIMELY, _refuse_lateness, _see_lateness)

NEWEST = GateCheck(Gate.NEWEST, _refuse_older, _see_older)
"""Judged last among the gates of the change."""

ARRIVAL_RULES: tuple[GateCheck[ChangeCase], ...] = (*SWITCH_RULES, TIMELY)
