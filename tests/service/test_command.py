"""The `schoolbell` command as a person runs it: a process of its own against a real service."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from google.protobuf import json_format

from schoolbell.v1 import access_service_pb2 as access
from tests.service.command import schoolbell
from tests.service.held import hold_grades
from tests.service.scene import MOTHER, STUDENT, absence, grade, lunch, phone, populate, register
from tests.service.whole import DISTRICT, PARENT_APP, whole

LINES = 10_000
BAD = 7_321


async def test_one_bad_line_in_ten_thousand_is_reported_and_the_rest_is_kept(
    tmp_path: Path,
) -> None:
    async with whole(tmp_path) as service:
        await populate(service)
        feed = tmp_path / "feed.jsonl"
        line = json_format.MessageToJson(lunch("same", 1), indent=None)
        with feed.open("w", encoding="utf-8") as file:
            for number in range(1, LINES + 1):
                fine = line.replace('"same"', f'"lunch-{number}"')
                file.write(("{broken" if number == BAD else fine) + "\n")
        first = await schoolbell(service, access.ROLE_PUBLISHER, "changes", "publish", str(feed))
        assert first.code == 1
        assert f"line {BAD}: " in first.err
        assert f"accepted {LINES - 1}\nduplicate 0\nrefused 1" in first.out
        again = await schoolbell(service, access.ROLE_PUBLISHER, "changes", "publish", str(feed))
        assert f"accepted 0\nduplicate {LINES - 1}\nrefused 1" in again.out


async def test_refused_lines_are_reported_by_number_with_the_field(tmp_path: Path) -> None:
    async with whole(tmp_path) as service:
        await populate(service)
        changes = [grade("g1", 90), grade("g2", 1400), absence("a1", "nobody")]
        feed = tmp_path / "feed.jsonl"
        feed.write_text(
            "".join(json_format.MessageToJson(one, indent=None) + "\n" for one in changes)
        )
        ended = await schoolbell(service, access.ROLE_PUBLISHER, "changes", "publish", str(feed))
        assert ended.code == 1
        first, second = ended.err.splitlines()
        assert first.startswith("line 2: INVALID_ARGUMENT INVALID_FIELD")
        assert "grade.percent" in first
        assert second.startswith("line 3: NOT_FOUND STUDENT_NOT_FOUND")


async def test_a_roster_with_swapped_columns_is_refused_and_changes_nothing(
    tmp_path: Path, grand_bend: Path
) -> None:
    async with whole(tmp_path) as service:
        await service.create_district()
        copy = tmp_path / "oneroster"
        shutil.copytree(grand_bend / "oneroster-1.1", copy)
        path = copy / "enrollments.csv"
        header, rest = path.read_text().split("\n", 1)
        columns = header.split(",")
        first, second = columns.index("userSourcedId"), columns.index("beginDate")
        columns[first], columns[second] = columns[second], columns[first]
        path.chmod(0o644)
        path.write_text(",".join(columns) + "\n" + rest)
        command = ("roster", "import", "--oneroster", str(copy))
        ended = await schoolbell(service, access.ROLE_PUBLISHER, *command)
        assert ended.code == 1
        assert "enrollments.csv" in ended.err
        listed = await schoolbell(
            service, access.ROLE_ADMINISTRATOR, "--json", "roster", "students"
        )
        assert (listed.code, listed.out) == (0, "")


async def test_a_whole_roster_is_imported_by_the_command(tmp_path: Path, grand_bend: Path) -> None:
    async with whole(tmp_path) as service:
        await service.create_district()
        command = (
            "roster",
            "import",
            "--oneroster",
            str(grand_bend / "oneroster-1.1"),
            "--relationships",
            str(grand_bend / "relationships.csv"),
            "--active-year",
            "2027",
            "--json",
        )
        ended = await schoolbell(service, access.ROLE_PUBLISHER, *command)
        assert ended.code == 0, ended.err
        report = json.loads(ended.out)["report"]
        assert sorted(one["createdCount"] for one in report["counts"]) == [2, 2, 560, 1107, 1667]


async def test_each_kind_of_caller_can_do_its_work(tmp_path: Path) -> None:
    async with whole(tmp_path) as service:
        await populate(service)
        device = ("--user", MOTHER, "--app", PARENT_APP, "--platform", "ios")
        made = await schoolbell(
            service,
            access.ROLE_MOBILE_BACKEND,
            *(
                "--json",
                "devices",
                "register",
                *device,
                "--token",
                "ab" * 32,
                "--installation",
                "phone-1",
            ),
        )
        assert made.code == 0, made.err
        device_id = json.loads(made.out)["deviceId"]
        saved = await schoolbell(
            service,
            access.ROLE_MOBILE_BACKEND,
            *("--json", "subscriptions", "set", "--user", MOTHER, "--device", device_id),
            *("--student", STUDENT, "--kind", "grade", "--below", "70"),
        )
        assert saved.code == 0, saved.err
        limits = [json.loads(line)["subscription"] for line in saved.out.splitlines()]
        assert {"studentId": STUDENT, "kind": "KIND_GRADE"}.items() <= limits[1].items()
        too_high = await schoolbell(
            service,
            access.ROLE_MOBILE_BACKEND,
            *("subscriptions", "set", "--user", MOTHER, "--device", device_id),
            *("--student", STUDENT, "--kind", "grade", "--below", "140"),
        )
        assert too_high.code == 1
        assert "subscriptions[0].condition.grade.below_percent" in too_high.err
        off = await schoolbell(
            service, access.ROLE_ADMINISTRATOR, "--json", "settings", "set", "--disable"
        )
        assert off.code == 0, off.err
        assert not json.loads(off.out).get("enabled", False)
        refused = await schoolbell(service, access.ROLE_MONITOR, "settings", "get")
        assert refused.code == 3
        assert "needs PUSH_NOTIFICATIONS READ of an administrator" in refused.err
        assert "this key is a monitor's" in refused.err
        status = await schoolbell(service, access.ROLE_MONITOR, "--json", "status")
        assert json.loads(status.out.splitlines()[0])["serviceStatus"] == "SERVICE_STATUS_INACTIVE"


async def test_an_operator_sees_who_is_who_and_deletes_a_district(tmp_path: Path) -> None:
    async with whole(tmp_path) as service:
        await populate(service)
        administrator = access.ROLE_ADMINISTRATOR

        async def run(*command: str, role: access.Role.ValueType = access.ROLE_OPERATOR) -> str:
            ended = await schoolbell(service, role, *command)
            assert ended.code == 0, ended.err
            return ended.out

        who = json.loads(await run("whoami", "--json", role=administrator))
        assert who["principal"]["actingUserId"] == "principal"
        assert json.loads(await run("server-info", "--json"))["version"]
        made = ("keys", "create", "--role", "monitor", "--name", "m", "--request-id", "r-1")
        first = await run(*made, "--district", DISTRICT)
        assert (await run(*made, "--district", DISTRICT)).split("_")[1] == first.split("_")[1]
        of_whom = ("--role", "administrator", "--user", "principal")
        listed = await run("--json", "keys", "list", *of_whom)
        assert [json.loads(line)["userId"] for line in listed.splitlines()] == ["principal"]
        told = await run(
            *("--json", "audit", "list", "--user", "principal", "--subject", "settings"),
            *("--since", "2020-01-01", "--limit", "1"),
            role=administrator,
        )
        assert json.loads(told)["method"] == "schoolbell.v1.SettingsService/UpdateSettings"
        assert "settings" in await run("audit", "list", "--subject", "settings")
        erase = ("--json", "persons", "erase", MOTHER)
        dry = json.loads(await run(*erase, "--dry-run", role=administrator))
        erased = json.loads(await run(*erase, "--yes", role=administrator))
        assert dry == erased
        delete = ("--json", "districts", "delete", DISTRICT, "--confirm", DISTRICT)
        dry = json.loads(await run(*delete, "--dry-run"))
        assert json.loads(await run(*delete)) == dry
        assert await run("--json", "districts", "list") == ""


async def test_deliveries_are_listed(tmp_path: Path) -> None:
    async with whole(tmp_path) as service:
        await populate(service)
        await register(service, phone(STUDENT))
        feed = tmp_path / "feed.jsonl"
        feed.write_text(json_format.MessageToJson(grade("g1", 61), indent=None))
        await schoolbell(service, access.ROLE_PUBLISHER, "changes", "publish", str(feed))
        ended = await schoolbell(service, access.ROLE_MONITOR, "--json", "deliveries", "list")
        (delivery,) = [json.loads(line) for line in ended.out.splitlines()]
        assert delivery["userId"] == STUDENT


async def test_deliveries_of_one_school_are_cancelled_and_changes_listed(tmp_path: Path) -> None:
    async with whole(tmp_path) as service:
        await populate(service)
        await hold_grades(service)
        await register(service, phone(MOTHER))
        feed = tmp_path / "feed.jsonl"
        feed.write_text(json_format.MessageToJson(grade("g1", 90), indent=None) + "\n")
        await schoolbell(service, access.ROLE_PUBLISHER, "changes", "publish", str(feed))
        cancel = (
            "--json",
            "deliveries",
            "cancel",
            "--comment",
            "imported twice",
            "--kind",
            "grade",
        )
        for more, code, count in (
            (("--school", "oak"), 0, 0),
            (("--school", "elm", "--until", "2020-01-01"), 0, 0),
            (("--school", "elm", "--change", "g1"), 2, None),
            (("--school", "elm", "--since", "2020-01-01", "--dry-run"), 0, 1),
            (("--calendar", "elm:2027", "--source", "sis"), 0, 1),
        ):
            ended = await schoolbell(service, access.ROLE_ADMINISTRATOR, *cancel, *more)
            assert ended.code == code, (more, ended.err)
            if count is not None:
                assert json.loads(ended.out).get("deliveryCount", 0) == count
        listing = ("--json", "deliveries", "list", "--cause", "person", "--app", PARENT_APP)
        listed = await schoolbell(service, access.ROLE_MONITOR, *listing)
        assert json.loads(listed.out)["cancellation"]["comment"] == "imported twice"
        for narrowed, count in (((), 1), (("--kind", "attendance"), 0), (("--source", "sis"), 1)):
            command = ("--json", "--district", "-", "changes", "list", *narrowed)
            listed = await schoolbell(service, access.ROLE_PUBLISHER, *command)
            assert len(listed.out.splitlines()) == count, listed.err
