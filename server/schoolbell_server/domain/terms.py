"""Gate 5 within a calendar: the terms that a change is judged by."""

from __future__ import annotations

from collections.abc import Collection

from schoolbell_server.domain.cases import CalendarCase
from schoolbell_server.domain.decision import Refusal
from schoolbell_server.domain.kinds import Gate, RefusalReason
from schoolbell_server.domain.world import CalendarFacts, Term


def term_refusal(place: CalendarCase, calendar: CalendarFacts) -> Refusal | None:
    """Refuse unless one of the judged terms is enabled.

    Lunch ignores terms, and so does a calendar for which the roster gave none: it has neither
    a term that could be disabled nor a gap between terms.
    """
    if not place.case.change.payload.in_terms or not calendar.terms:
        return None
    terms = judged_terms(place, calendar)
    if not terms:
        return Refusal(
            Gate.CALENDAR_ENABLED,
            RefusalReason.NO_TERM,
            place.case.change.payload.term_id or place.judged_date.isoformat(),
        )
    disabled = calendar.display_options.disabled_term_ids
    if all(term.term_id in disabled for term in terms):
        ids = " ".join(sorted(term.term_id for term in terms))
        return Refusal(Gate.CALENDAR_ENABLED, RefusalReason.TERM_DISABLED, ids)
    return None


def judged_terms(place: CalendarCase, calendar: CalendarFacts) -> Collection[Term]:
    """Return the term named, else those that cover the judged date, else the last ended."""
    if not place.case.change.payload.in_terms:
        return ()
    named = place.case.change.payload.term_id
    if named is not None:
        return [term for term in calendar.terms if term.term_id == named]
    day = place.judged_date
    covering = [term for term in calendar.terms if term.start_date <= day <= term.end_date]
    return covering or _last_ended(place, calendar)


def _last_ended(place: CalendarCase, calendar: CalendarFacts) -> Collection[Term]:
    """Return what closed last before a gap: grades and assignments are posted late."""
    if not place.case.change.payload.posted_late:
        return ()
    ended = [term for term in calendar.terms if term.end_date < place.judged_date]
    last = max((term.end_date for term in ended), default=None)
    return [term for term in ended if term.end_date == last]
