"""The gates of a person: 8 may see the student, 9 has an account and a device."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

from schoolbell_server.domain.cases import RecipientCase
from schoolbell_server.domain.decision import Refusal
from schoolbell_server.domain.gate import BAR_ID, EntityKind, GateCheck, SeenFact, seen, text_of
from schoolbell_server.domain.kinds import AdultStudentRule, AppType, Gate, RefusalReason
from schoolbell_server.domain.world import RelationshipFacts

_OF_AGE = 18


def is_of_age(birth_date: dt.date | None, day: dt.date) -> bool:
    """Return whether a person is 18 on a day; one of unknown birth date is not."""
    if birth_date is None:
        return False
    had_birthday = (day.month, day.day) >= (birth_date.month, birth_date.day)
    return day.year - birth_date.year - (not had_birthday) >= _OF_AGE


def _stops_for_age(recipient: RecipientCase) -> bool:
    case = recipient.case
    if case.district.adult_students is not AdultStudentRule.STOP_AT_18:
        return False
    return is_of_age(case.student.student.birth_date, case.moment.school_day)


def _refuse_relationship(recipient: RecipientCase) -> Refusal | None:
    if recipient.app is AppType.STUDENT:
        return None
    if recipient.bars:
        return Refusal(Gate.RELATED, RefusalReason.BARRED)
    if not recipient.relationships:
        return Refusal(Gate.RELATED, RefusalReason.NO_RELATIONSHIP)
    causes = [_closed_by(recipient, relationship) for relationship in recipient.relationships]
    if None in causes:
        return None
    return Refusal(Gate.RELATED, *min(cause for cause in causes if cause is not None))


def _closed_by(
    recipient: RecipientCase, relationship: RelationshipFacts
) -> tuple[RefusalReason, str] | None:
    """Return why one relationship does not let a person see the student."""
    day = recipient.case.moment.school_day
    if not relationship.active:
        return RefusalReason.RELATIONSHIP_ENDED, ""
    if relationship.end_date is not None and relationship.end_date < day:
        return RefusalReason.RELATIONSHIP_ENDED, text_of(relationship.end_date)
    if relationship.start_date is not None and day < relationship.start_date:
        return RefusalReason.RELATIONSHIP_NOT_STARTED, text_of(relationship.start_date)
    if not relationship.portal_enabled:
        return RefusalReason.PORTAL_OFF, ""
    if not relationship.adult_consent and _stops_for_age(recipient):
        return RefusalReason.ADULT_STUDENT, ""
    return None


def _see_relationship(recipient: RecipientCase) -> tuple[SeenFact, ...]:
    case = recipient.case
    student = case.student.student
    of_age = is_of_age(student.birth_date, case.moment.school_day)
    rows = [
        *seen(EntityKind.CHANGE, case.change.key.change_id, school_day=case.moment.school_day),
        *seen(EntityKind.USER, student.user_id, student_of_age=of_age),
        *seen(
            EntityKind.DISTRICT,
            case.district.district_id,
            adult_students=case.district.adult_students.name,
        ),
    ]
    rows += _see_bars(recipient)
    for relationship in recipient.relationships:
        rows += _see_one_relationship(relationship)
    return tuple(rows)


def _see_bars(recipient: RecipientCase) -> Iterator[SeenFact]:
    user_id = recipient.user.user_id
    for source in recipient.bars:
        yield from seen(
            EntityKind.BAR,
            f"{user_id}{BAR_ID}{source}",
            barred=True,
            bar_origin="source" if source else "district",
        )
    if recipient.app is AppType.PARENT and not recipient.bars:
        yield from seen(EntityKind.BAR, user_id, barred=False)


def _see_one_relationship(relationship: RelationshipFacts) -> tuple[SeenFact, ...]:
    return seen(
        EntityKind.RELATIONSHIP,
        relationship.guardian.user_id,
        relation=relationship.relation,
        relationship_active=relationship.active,
        portal_enabled=relationship.portal_enabled,
        adult_consent=relationship.adult_consent,
        start_date=relationship.start_date,
        end_date=relationship.end_date,
    )


def _refuse_account(recipient: RecipientCase) -> Refusal | None:
    user = recipient.user
    if not (user.enabled and user.active):
        return Refusal(Gate.ACCOUNT, RefusalReason.ACCOUNT_DISABLED)
    if not user.devices:
        return Refusal(Gate.ACCOUNT, RefusalReason.NO_DEVICE)
    return None


def _see_account(recipient: RecipientCase) -> tuple[SeenFact, ...]:
    user = recipient.user
    return seen(
        EntityKind.USER,
        user.user_id,
        account_enabled=user.enabled,
        account_active=user.active,
        device_count=len(user.devices),
    )


RECIPIENT_RULES: tuple[GateCheck[RecipientCase], ...] = (
    GateCheck(Gate.RELATED, _refuse_relationship, _see_relationship),
    GateCheck(Gate.ACCOUNT, _refuse_account, _see_account),
)
