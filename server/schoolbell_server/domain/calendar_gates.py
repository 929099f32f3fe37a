"""The gates of a change's calendar: 4 active year, 5 enabled, 6 tool shown, 7 enrolled.

Only a lunch change may name no calendar; then one of the student's calendars that passes is
enough, and otherwise the one that gets furthest is recorded.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from schoolbell_server.domain.cases import CalendarCase
from schoolbell_server.domain.decision import Refusal
from schoolbell_server.domain.enrollment_gate import ENROLLED
from schoolbell_server.domain.gate import EntityKind, GateCheck, SeenFact, first_refusal, seen
from schoolbell_server.domain.kinds import AppType, Gate, RefusalReason
from schoolbell_server.domain.terms import judged_terms, term_refusal


@dataclass(slots=True)
class Survey:
    """How far a change gets in the calendars in which it may count."""

    leading: CalendarCase
    """The first of those that get furthest."""
    reached: tuple[CalendarCase, ...]
    """All that get as far."""
    refusal: Refusal | None
    """Of the leading one; gate 6 is left to each app."""


@dataclass(slots=True)
class AppCase:
    """One app's side of a change."""

    app: AppType
    survey: Survey


def survey(places: Sequence[CalendarCase]) -> Survey:
    """Judge gates 4, 5 and 7 in every place."""
    if len(places) == 1:
        return Survey(places[0], tuple(places), first_refusal(PLACE_RULES, places[0]))
    judged = [(place, first_refusal(PLACE_RULES, place)) for place in places]
    leading, refusal = max(judged, key=_progress)
    furthest = _progress((leading, refusal))
    reached = tuple(entry[0] for entry in judged if _progress(entry) == furthest)
    return Survey(leading, reached, refusal)


_PROGRESS = {Gate.ACTIVE_YEAR: 0, Gate.CALENDAR_ENABLED: 1, Gate.ENROLLED: 2}


def _progress(judged: tuple[CalendarCase, Refusal | None]) -> int:
    refusal = judged[1]
    return len(_PROGRESS) if refusal is None else _PROGRESS[refusal.gate]


def _refuse_year(place: CalendarCase) -> Refusal | None:
    if not place.calendar_id:
        return None
    active = place.case.district.active_school_year
    if active is None:
        return Refusal(Gate.ACTIVE_YEAR, RefusalReason.NO_ACTIVE_YEAR)
    if place.calendar is None:
        return Refusal(Gate.ACTIVE_YEAR, RefusalReason.CALENDAR_NOT_IN_ACTIVE_YEAR, "unknown")
    if place.calendar.school_year == active:
        return None
    year = str(place.calendar.school_year)
    return Refusal(Gate.ACTIVE_YEAR, RefusalReason.CALENDAR_NOT_IN_ACTIVE_YEAR, year)


def _see_year(place: CalendarCase) -> tuple[SeenFact, ...]:
    district = place.case.district
    year = None if place.calendar is None else place.calendar.school_year
    return (
        *seen(
            EntityKind.DISTRICT,
            district.district_id,
            active_school_year=district.active_school_year,
        ),
        *seen(EntityKind.CALENDAR, place.calendar_id, school_year=year),
    )


def _refuse_calendar(place: CalendarCase) -> Refusal | None:
    if place.calendar is None:
        return None
    if not place.calendar.display_options.enabled:
        return Refusal(Gate.CALENDAR_ENABLED, RefusalReason.CALENDAR_DISABLED)
    return term_refusal(place, place.calendar)


def _see_calendar(place: CalendarCase) -> tuple[SeenFact, ...]:
    if place.calendar is None:
        return ()
    options = place.calendar.display_options
    enabled = seen(EntityKind.CALENDAR, place.calendar_id, display_enabled=options.enabled)
    terms = [
        SeenFact(
            "term_enabled",
            "false" if term.term_id in options.disabled_term_ids else "true",
            EntityKind.TERM,
            term.term_id,
        )
        for term in judged_terms(place, place.calendar)
    ]
    return (*enabled, *terms)


def _shows(place: CalendarCase, app: AppType) -> bool:
    if place.calendar is None:
        return True
    return place.case.kind in place.calendar.display_options.app_kinds.get(app, ())


def _refuse_hidden(case: AppCase) -> Refusal | None:
    for place in case.survey.reached:
        if _shows(place, case.app):
            return None
    return Refusal(Gate.TOOL_SHOWN, RefusalReason.TOOL_HIDDEN, case.app.name)


def _see_hidden(case: AppCase) -> tuple[SeenFact, ...]:
    return tuple(
        fact
        for place in case.survey.reached
        for fact in seen(EntityKind.CALENDAR, place.calendar_id, tool_shown=_shows(place, case.app))
    )


def _has_calendar(place: CalendarCase) -> bool:
    return place.calendar is not None


def _has_calendar_to_show(case: AppCase) -> bool:
    return _has_calendar(case.survey.leading)


PLACE_RULES: tuple[GateCheck[CalendarCase], ...] = (
    GateCheck(Gate.ACTIVE_YEAR, _refuse_year, _see_year, lambda place: bool(place.calendar_id)),
    GateCheck(Gate.CALENDAR_ENABLED, _refuse_calendar, _see_calendar, _has_calendar),
    ENROLLED,
)

TOOL_SHOWN = GateCheck(Gate.TOOL_SHOWN, _refuse_hidden, _see_hidden, _has_calendar_to_show)
