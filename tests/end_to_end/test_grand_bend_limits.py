"""A grade limit of 70 over the recorded year, by both policies: each phone gets what is implied.

Students want a grade as it falls below 70, a guardian of each wants every changed grade below.
Each posting date is published once every delivery of the last has its outcome, so that what
went before was told. Only as running grades of the course do the policies differ: there the
grades of two terms' sections follow each other in one fact, and of two sections on one day.

The whole year implies, over all 560 students:

| published as                    | changed | crossing 70 | while below 70 |
| ------------------------------- | ------- | ----------- | -------------- |
| grades of each grading period   |  23,520 |       8,220 |          8,220 |
| running grades of the section   |   7,840 |       2,740 |          2,740 |
| running grades of the course    |   7,773 |       2,253 |          2,724 |

LONG=1 plays them all; otherwise 40 students.
"""

from __future__ import annotations

import gzip
import json
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest

from schoolbell import oneroster
from schoolbell.v1 import common_pb2, delivery_pb2, settings_service_pb2, subscription_pb2
from schoolbell.v1.change_pb2 import Change
from schoolbell.v1.change_service_pb2 import PUBLISH_RESULT_ACCEPTED
from schoolbell_server.demo.district import Phone, phones_of
from tests.end_to_end.grand_bend import (
    grand_bend_service,
    publish,
    settled,
    states,
)
from tests.grand_bend import convert
from tests.grand_bend.convert import GradeForm
from tests.service.whole import Whole

pytestmark = pytest.mark.grand_bend

LIMIT = 70
SHARE = 1 if os.environ.get("LONG") else 14
"""One student of so many."""
TOTALS = {
    GradeForm.PERIOD: (23_520, 8_220, 8_220),
    GradeForm.RUNNING: (7_840, 2_740, 2_740),
    GradeForm.RUNNING_OF_COURSE: (7_773, 2_253, 2_724),
}
_FACTS: dict[GradeForm, Callable[[dict[str, Any]], tuple[str, ...]]] = {
    GradeForm.PERIOD: lambda row: (row["section"], row["term"], row["gradingPeriod"]),
    GradeForm.RUNNING: lambda row: (row["section"],),
    GradeForm.RUNNING_OF_COURSE: lambda row: (row["course"],),
}


def implied(
    rows: Iterable[dict[str, Any]], form: GradeForm
) -> tuple[Counter[str], Counter[str], Counter[str]]:
    """Return, by student, the changed grades, those that fall below, and those that are below."""
    known: dict[tuple[str, ...], float] = {}
    changed, falling, below = Counter[str](), Counter[str](), Counter[str]()
    for row in rows:
        student, percent = row["student"], row["percent"]
        fact = (student, *_FACTS[form](row))
        before = known.get(fact)
        known[fact] = percent
        changed[student] += percent != before
        below[student] += percent != before and percent < LIMIT
        falling[student] += percent < LIMIT and (before is None or before >= LIMIT)
    return changed, falling, below


def test_the_year_implies_these_counts(grand_bend: Path) -> None:
    rows = list(recorded(grand_bend))
    for form, totals in TOTALS.items():
        assert tuple(counts.total() for counts in implied(rows, form)) == totals


async def test_every_phone_gets_what_its_policy_implies(tmp_path: Path, grand_bend: Path) -> None:
    roster = oneroster.read(grand_bend / "oneroster-1.1", grand_bend / "relationships.csv")
    students = sorted({one.student_id for one in roster.enrollments})[::SHARE]
    guardians = {
        relationship.student_id: relationship.guardian_id
        for relationship in roster.relationships
        if relationship.portal_enabled
    }
    followed = [student for student in students if student in guardians]
    phones = phones_of([*students, *(guardians[student] for student in followed)])
    rows = [row for row in recorded(grand_bend) if row["student"] in set(students)]
    async with grand_bend_service(tmp_path, roster, phones=phones) as service:
        await want_grades_below(service)
        for form in GradeForm:
            before = service.sandbox.ledger.totals().accepted
            await publish_by_date(service, convert.grades(grand_bend, form), set(students))
            _, falling, below = implied(rows, form)
            expected = falling + Counter({guardians[one]: below[one] for one in followed})
            assert received(service, phones, after=before) == expected


def recorded(folder: Path) -> Iterator[dict[str, Any]]:
    with gzip.open(folder / "changes" / "grades.jsonl.gz", "rt", encoding="utf-8") as file:
        yield from map(json.loads, file)


async def want_grades_below(service: Whole) -> None:
    """Let students want what crosses the limit, and guardians all that is below it."""
    await service.configure(
        default_subscriptions=[
            settings_service_pb2.DefaultSubscription(
                app_type=app,
                kind=common_pb2.KIND_GRADE,
                condition=subscription_pb2.Condition(
                    grade=subscription_pb2.GradeCondition(
                        below_percent=LIMIT, limit_trigger=limit_trigger
                    )
                ),
            )
            for app, limit_trigger in (
                (common_pb2.APP_TYPE_STUDENT, subscription_pb2.LIMIT_TRIGGER_ON_CROSSING),
                (common_pb2.APP_TYPE_PARENT, subscription_pb2.LIMIT_TRIGGER_WHILE_BELOW),
            )
        ],
    )


async def publish_by_date(service: Whole, changes: Iterator[Change], students: set[str]) -> None:
    """Publish a posting date once every delivery of the last has its outcome."""
    for _, posted in groupby(changes, key=lambda one: one.occur_time.seconds):
        results = await publish(service, (one for one in posted if one.student_id in students))
        assert results.keys() == {PUBLISH_RESULT_ACCEPTED}
        tally = (await settled(service))[common_pb2.KIND_GRADE]
        assert states(tally).keys() == {delivery_pb2.DELIVERY_STATE_ACCEPTED}


def received(service: Whole, phones: Iterable[Phone], after: int) -> Counter[str]:
    """Count what each person's phone has received since so many pushes were accepted."""
    user_ids = {phone.token: phone.user_id for phone in phones}
    return Counter(user_ids[one.address] for one in service.sandbox.ledger.since(after))
