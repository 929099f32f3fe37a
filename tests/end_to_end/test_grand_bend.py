"""A recorded year of a district goes out, and every count is explained by the data itself.

The expected numbers are computed here from the files, with nothing of Schoolbell's.
"""

from __future__ import annotations

import csv
import gzip
import json
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import pytest

from schoolbell import oneroster
from schoolbell.v1 import access_service_pb2 as access
from schoolbell.v1 import common_pb2, delivery_pb2
from schoolbell.v1.change_service_pb2 import PUBLISH_RESULT_ACCEPTED, PUBLISH_RESULT_DUPLICATE
from schoolbell.v1.roster_service_pb2 import GetImportRequest
from tests.end_to_end.grand_bend import (
    grand_bend_service,
    publish,
    refusals,
    settled,
    states,
)
from tests.grand_bend import convert
from tests.service.whole import DISTRICT

pytestmark = pytest.mark.grand_bend

ACCEPTED = delivery_pb2.DELIVERY_STATE_ACCEPTED
PORTAL_OFF = common_pb2.REFUSAL_REASON_PORTAL_OFF
ALREADY_TOLD = common_pb2.REFUSAL_REASON_ALREADY_TOLD


def rows(path: Path) -> list[dict[str, Any]]:
    with gzip.open(path, "rt", encoding="utf-8") as file:
        return [json.loads(line) for line in file]


async def test_the_year_goes_out_and_again_nothing(tmp_path: Path, grand_bend: Path) -> None:
    roster = oneroster.read(grand_bend / "oneroster-1.1", grand_bend / "relationships.csv")
    attendance = rows(grand_bend / "changes" / "attendance.jsonl.gz")
    grades = rows(grand_bend / "changes" / "grades.jsonl.gz")
    assert (len(attendance), len(grades)) == (7_595, 23_520)

    # Who may see whom: the student, and every guardian with the portal flag.
    told: defaultdict[str, int] = defaultdict(lambda: 1)
    hidden = Counter[str]()
    with (grand_bend / "relationships.csv").open(encoding="utf-8") as file:
        for relationship in csv.DictReader(file):
            if relationship["portal"] == "true":
                told[relationship["studentSourcedId"]] += 1
            else:
                hidden[relationship["studentSourcedId"]] += 1
    # A student in two sections of one period is absent once.
    facts = Counter((one["student"], one["date"], one["period"]) for one in attendance)
    assert len(facts) == 6_796

    async with grand_bend_service(tmp_path, roster) as service:
        async with service.client(access.ROLE_PUBLISHER) as publisher:
            request = GetImportRequest(district_id=DISTRICT, import_id="grand-bend")
            found = (await publisher.roster.GetImport(request)).roster_import
        counts = {one.record_type: one.created_count for one in found.report.counts}
        assert sorted(counts.values()) == [2, 2, 560, 1_107, 1_667]
        assert found.report.portal_relationship_count == 1_107 - hidden.total()

        for _ in range(2):
            results = await publish(service, convert.attendance(grand_bend))
            results += await publish(service, convert.grades(grand_bend))
            tallies = await settled(service)
            mark, grade = tallies[common_pb2.KIND_ATTENDANCE], tallies[common_pb2.KIND_GRADE]

            assert (mark.change_count, grade.change_count) == (7_595, 23_520)
            assert states(mark) == {ACCEPTED: sum(told[student] for student, _, _ in facts)}
            assert states(grade) == {ACCEPTED: sum(told[one["student"]] for one in grades)}
            assert refusals(mark) == {
                PORTAL_OFF: sum(hidden[one["student"]] for one in attendance),
                ALREADY_TOLD: sum(
                    told[student] * (times - 1) for (student, _, _), times in facts.items()
                ),
            }
            assert refusals(grade) == {PORTAL_OFF: sum(hidden[one["student"]] for one in grades)}

            totals = service.sandbox.ledger.totals()
            assert totals.accepted == states(mark)[ACCEPTED] + states(grade)[ACCEPTED]
            assert totals.duplicates == 0
            again = PUBLISH_RESULT_DUPLICATE in results
            assert set(results) == {PUBLISH_RESULT_DUPLICATE if again else PUBLISH_RESULT_ACCEPTED}
        assert again
