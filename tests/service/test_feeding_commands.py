"""`roster import` and `changes publish` with files that are not quite right."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from google.protobuf import json_format

from schoolbell.v1 import access_service_pb2 as access
from tests.service.command import schoolbell
from tests.service.scene import grade, populate
from tests.service.whole import whole
from tests.unit.oneroster.test_dirty_extracts import CASES


async def test_an_extract_that_is_refused_shows_its_problems_and_can_be_allowed(
    tmp_path: Path,
) -> None:
    copy = tmp_path / "oneroster"
    shutil.copytree(CASES / "sound", copy)
    demographics = copy / "demographics.csv"
    demographics.write_text(demographics.read_text().replace("2008-01-01", "01/01/2008"))
    async with whole(tmp_path) as service:
        await service.create_district()
        command = ("roster", "import", "--oneroster", str(copy))
        refused = await schoolbell(service, access.ROLE_PUBLISHER, *command)
        assert refused.code == 1
        *warnings, error = refused.err.splitlines()
        assert {line.split(":")[0] for line in warnings} == {"warning"}
        assert len(warnings) == 4, "three birth dates, and no side file"
        assert error.startswith("Error: demographics.csv, line 2, column birthDate")
        allowed = await schoolbell(
            service, access.ROLE_PUBLISHER, *command, "--max-bad-rows-percent", "80", "--json"
        )
        assert allowed.code == 0, allowed.err
        assert json.loads(allowed.out)["state"] == "IMPORT_STATE_APPLIED"


async def test_an_import_without_the_side_file_leaves_relationships_alone(tmp_path: Path) -> None:
    extract, side = str(CASES / "sound"), str(CASES / "sound" / "relationships.csv")
    async with whole(tmp_path) as service:
        await service.create_district()
        command = ("--json", "roster", "import", "--oneroster", extract)
        first = await schoolbell(service, access.ROLE_PUBLISHER, *command, "--relationships", side)
        assert json.loads(first.out)["report"]["portalRelationshipCount"] == 4, first.err
        again = await schoolbell(service, access.ROLE_PUBLISHER, *command)
        assert again.code == 0, again.err
        assert json.loads(again.out)["report"]["portalRelationshipCount"] == 4


@pytest.mark.parametrize(("percents", "is_warned"), [((0.9, 1, 0), True), ((0.9, 70, 1), False)])
async def test_percents_that_all_lie_between_0_and_1_are_warned_of(
    tmp_path: Path, percents: tuple[float, ...], is_warned: bool
) -> None:
    feed = tmp_path / "feed.jsonl"
    changes = [grade(f"g{number}", percent) for number, percent in enumerate(percents)]
    lines = [json_format.MessageToJson(change, indent=None) for change in changes]
    feed.write_text("\n".join(lines), encoding="utf-8")
    async with whole(tmp_path) as service:
        await populate(service)
        ended = await schoolbell(service, access.ROLE_PUBLISHER, "changes", "publish", str(feed))
        assert ended.code == 0, ended.err
        assert ("every percentage of the feed (3) lies between 0 and 1" in ended.err) is is_warned


async def test_a_feed_that_the_key_may_not_publish_is_refused_in_one_line(tmp_path: Path) -> None:
    feed = tmp_path / "feed.jsonl"
    lines = [json_format.MessageToJson(grade(f"g{n}", 70.0), indent=None) for n in range(300)]
    feed.write_text("\n".join(lines), encoding="utf-8")
    async with whole(tmp_path) as service:
        await populate(service)
        ended = await schoolbell(service, access.ROLE_MONITOR, "changes", "publish", str(feed))
    assert ended.code == 3
    assert ended.err == (
        "Error: PERMISSION_DENIED: needs a publisher's key; this key is a monitor's\n"
    )


async def test_lines_with_one_cause_are_told_together_and_in_json_one_by_one(
    tmp_path: Path,
) -> None:
    feed = tmp_path / "feed.jsonl"
    bad = [grade(f"g{n}", 70.0) for n in range(60)]
    for change in bad:
        change.student_id = "nobody"
    lines = [json_format.MessageToJson(change, indent=None) for change in bad]
    feed.write_text("\n".join([*lines, "{"]), encoding="utf-8")
    async with whole(tmp_path) as service:
        await populate(service)
        publish = ("changes", "publish", str(feed))
        told = await schoolbell(service, access.ROLE_PUBLISHER, *publish)
        each = await schoolbell(service, access.ROLE_PUBLISHER, *publish, "--json")
    assert told.code == each.code == 1
    assert told.err.splitlines() == [
        "lines 1, 2, 3 and 57 more: NOT_FOUND STUDENT_NOT_FOUND: the roster has no student nobody: "
        "send it again after the roster",
        "line 61: is not JSON from column 2 on",
    ]
    objects = [json.loads(line) for line in each.err.splitlines()]
    assert [one["line"] for one in objects[:-1]] == list(range(1, 51))
    assert objects[-1] == {"more_bad_lines": 11}
