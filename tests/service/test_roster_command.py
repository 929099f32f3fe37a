"""Rosters and bars by the `schoolbell` command, with the sample district's extract."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import schoolbell_server.sample
from schoolbell.v1 import access_service_pb2 as access
from schoolbell.v1 import roster_pb2, roster_service_pb2
from tests.programs import Ended
from tests.service.command import schoolbell
from tests.service.whole import DISTRICT, Whole, whole

DATA = Path(schoolbell_server.sample.__file__).parent / "data"
SIDE_FILE = ("--relationships", str(DATA / "relationships.csv"))


async def import_roster(
    service: Whole, *options: str, folder: Path = DATA / "oneroster"
) -> dict[str, Any]:
    """Import the sample's extract with the command; return its report."""
    command = ("--json", "roster", "import", "--oneroster", str(folder), *options)
    ended = await schoolbell(service, access.ROLE_PUBLISHER, *command)
    assert ended.code == 0, ended.err
    report: dict[str, Any] = json.loads(ended.out)["report"]
    return report


async def ask(service: Whole, *command: str) -> list[dict[str, Any]]:
    """Ask as an administrator; return the objects of the answer."""
    ended = await schoolbell(service, access.ROLE_ADMINISTRATOR, "--json", *command)
    assert ended.code == 0, ended.err
    return [json.loads(line) for line in ended.out.splitlines()]


async def guardians(service: Whole, student_id: str) -> Sequence[roster_pb2.Relationship]:
    async with service.client(access.ROLE_PUBLISHER) as publisher:
        answer = await publisher.roster.GetStudent(
            roster_service_pb2.GetStudentRequest(district_id=DISTRICT, student_id=student_id)
        )
    return answer.student.relationships


async def test_an_extract_without_relationships_silences_nobody(tmp_path: Path) -> None:
    bare = tmp_path / "bare"
    shutil.copytree(DATA / "oneroster", bare)
    (bare / "demographics.csv").unlink()
    manifest = bare / "manifest.csv"
    manifest.write_text(
        manifest.read_text().replace("file.demographics,bulk", "file.demographics,absent")
    )
    async with whole(tmp_path) as service:
        await service.create_district()
        first = await import_roster(service, *SIDE_FILE)
        before = await guardians(service, "s1001")
        async with service.client(access.ROLE_PUBLISHER) as publisher:
            request = roster_service_pb2.GetUserRequest(district_id=DISTRICT, user_id="s1001")
            born = (await publisher.roster.GetUser(request)).user.birth_date
            again = await import_roster(service, folder=bare)
            assert (await publisher.roster.GetUser(request)).user.birth_date == born
        assert await guardians(service, "s1001") == before
    assert born.year > 2000
    assert any(relationship.portal_enabled for relationship in before)
    assert first["portalRelationshipCount"] == again["portalRelationshipCount"] > 0
    assert {one["recordType"] for one in again["counts"]} == {
        f"RECORD_TYPE_{name}" for name in ("SCHOOL", "CALENDAR", "USER", "ENROLLMENT")
    }
    assert {tuple(set(one) - {"recordType"}) for one in again["counts"]} == {("unchangedCount",)}


async def test_the_guards_are_options(tmp_path: Path) -> None:
    silent = tmp_path / "relationships.csv"
    header, *lines = (DATA / "relationships.csv").read_text().splitlines()
    place = header.split(",").index("portal")
    rows = [line.split(",") for line in lines]
    for row in rows:
        row[place] = "false"
    silent.write_text("\n".join([header, *map(",".join, rows)]) + "\n")
    command = ("roster", "import", "--oneroster", str(DATA / "oneroster"))
    options = ("--relationships", str(silent))
    async with whole(tmp_path) as service:
        await service.create_district()
        await import_roster(service, *SIDE_FILE)
        ended = await schoolbell(service, access.ROLE_PUBLISHER, *command, *options)
        assert ended.code == 1
        assert "IMPORT_GUARD_EXCEEDED" in ended.err
        assert "portal flag" in ended.err
        wide = ("--max-portal-loss", "100", "--max-deactivated", "0", "--max-birth-date-loss", "0")
        report = await import_roster(service, *options, *wide, "--allow-bar-loss")
    assert "portalRelationshipCount" not in report


async def test_bars_are_set_listed_and_lifted(tmp_path: Path) -> None:
    why = ("--comment", "court order 7")
    async with whole(tmp_path) as service:
        await service.create_district()
        await import_roster(service, *SIDE_FILE)
        (known,) = await ask(service, "bars", "list")
        assert (known["studentId"], known["guardianId"]) == ("s1018", "g5022")
        assert (known["origin"], known["source"]) == ("BAR_ORIGIN_SOURCE", "oneroster")
        (bar,) = await ask(service, "bars", "set", "s1001", "g5022", *why)
        assert (bar["origin"], bar["comment"]) == ("BAR_ORIGIN_DISTRICT", "court order 7")
        assert len(await ask(service, "bars", "list", "--guardian", "g5022")) == 2
        assert await ask(service, "bars", "list", "--student", "s1001") == [bar]
        assert await ask(service, "bars", "lift", "s1001", "g5022", *why) == []
        retired = ("bars", "lift", "s1018", "g5022", *why, "--source", "oneroster")
        refused = await schoolbell(service, access.ROLE_ADMINISTRATOR, *retired)
        assert refused.code == 3
        lifted: Ended = await schoolbell(service, access.ROLE_OPERATOR, *retired)
        assert lifted.code == 0, lifted.err
        assert await ask(service, "bars", "list") == []


async def test_places_and_accounts_are_listed(tmp_path: Path) -> None:
    async with whole(tmp_path) as service:
        await service.create_district()
        await import_roster(service, *SIDE_FILE)
        schools = await ask(service, "schools", "list")
        calendars = await ask(service, "calendars", "list", "--school", schools[0]["schoolId"])
        assert {one["schoolDisplayName"] for one in calendars} == {schools[0]["displayName"]}
        (student,) = await ask(service, "users", "list", "S1001")
        family = student["names"]["familyName"]
        found = await ask(service, "users", "list", family[:3].lower())
        assert "s1001" in {one["userId"] for one in found}
        table = await schoolbell(service, access.ROLE_ADMINISTRATOR, "users", "list", "s1001")
        assert family in table.out


async def test_a_year_without_calendars_is_not_activated_by_mistake(tmp_path: Path) -> None:
    async with whole(tmp_path) as service:
        await service.create_district()
        await import_roster(service, *SIDE_FILE)
        (year,) = {one["calendar"]["schoolYear"] for one in await ask(service, "calendars", "list")}
        activate = ("calendars", "activate")
        (good,) = await ask(service, *activate, str(year))
        assert good["calendarCount"] == 2
        wrong = str(year + 10)
        refused = await schoolbell(service, access.ROLE_ADMINISTRATOR, *activate, wrong)
        assert refused.code == 1
        assert f"no calendar is of the year {wrong}: nobody would be told" in refused.err
        (counted,) = await ask(service, *activate, wrong, "--dry-run")
        assert counted["calendarCount"] == 0
        shown = await ask(service, "calendars", "list", "--year", str(year))
        assert len(shown) == 2
        (meant,) = await ask(service, *activate, wrong, "--yes")
        assert meant["activeSchoolYear"] == int(wrong)
