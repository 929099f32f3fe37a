"""What the command does with persons' choices and their devices."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from google.protobuf import json_format

from schoolbell.v1 import access_service_pb2 as access
from schoolbell.v1.device_service_pb2 import DeviceRegistration
from tests.service.command import schoolbell
from tests.service.scene import CALENDAR, FATHER, MOTHER, STUDENT, listed, phone, populate, register
from tests.service.whole import Whole, whole

BACKEND = access.ROLE_MOBILE_BACKEND


async def rows(service: Whole, *arguments: str) -> list[dict[str, Any]]:
    ended = await schoolbell(service, BACKEND, "--json", *arguments)
    assert ended.code == 0, ended.err
    return [json.loads(line) for line in ended.out.splitlines()]


async def test_choices_of_a_person_and_a_device_are_saved_and_reset(tmp_path: Path) -> None:
    async with whole(tmp_path) as service:
        await populate(service)
        (device,) = await register(service, phone(MOTHER))
        person = ("--user", MOTHER, "--app-type", "parent")
        tablet = ("--user", MOTHER, "--device", device.device_id)
        grade = ("--student", STUDENT, "--kind", "grade")
        saved = await rows(service, "subscriptions", "set", *person, *grade, "--below", "70")
        levels = {one["subscription"]["kind"]: one["inheritedFrom"] for one in saved[:5]}
        assert levels.pop("KIND_GRADE") == "SUBSCRIPTION_LEVEL_PERSON"
        assert set(levels.values()) == {"SUBSCRIPTION_LEVEL_DISTRICT"}
        assert saved[1]["subscription"]["condition"]["grade"]["belowPercent"] == 70
        await rows(service, "subscriptions", "set", *tablet, *grade, "--off")
        seen = await rows(service, "subscriptions", "get", *tablet)
        assert seen[1]["inheritedFrom"] == "SUBSCRIPTION_LEVEL_DEVICE"
        back = await rows(service, "subscriptions", "reset", *tablet, *grade)
        assert back[1]["inheritedFrom"] == "SUBSCRIPTION_LEVEL_PERSON"
        back = await rows(service, "subscriptions", "reset", *person)
        assert back[1]["inheritedFrom"] == "SUBSCRIPTION_LEVEL_DISTRICT"
        student = ("--student", STUDENT)
        for wrong in (
            ("set", *person, *student, "--below", "70"),
            ("set", *person, *student, "--kind", "attendance", "--below", "70"),
            ("set", *person, *grade, "--condition", "{broken"),
            ("get", "--user", MOTHER),
            ("reset", *person, "--kind", "grade"),
        ):
            refused = await schoolbell(service, BACKEND, "subscriptions", *wrong)
            assert refused.code == 2, wrong
            assert "Traceback" not in refused.err


async def test_a_device_is_muted_and_tested(tmp_path: Path) -> None:
    async with whole(tmp_path) as service:
        await populate(service)
        (device,) = await register(service, phone(MOTHER))
        named = ("--user", MOTHER, "--device", device.device_id)
        for command, muted in (("mute", True), ("unmute", False)):
            (ended,) = [await schoolbell(service, BACKEND, "devices", command, *named)]
            assert ended.code == 0, ended.err
            assert [one.muted for one in await listed(service, MOTHER)] == [muted]
        send = ("--json", "devices", "test")
        answers = [
            json.loads((await schoolbell(service, BACKEND, *send, *named, *more)).out)
            for more in (("--request", "r1"), ("--request", "r1"), ())
        ]
        assert answers[0] == answers[1] != answers[2]


async def test_a_file_of_devices_is_registered_line_by_line(tmp_path: Path) -> None:
    good = [phone(FATHER, number=number) for number in range(501)]
    lines = [
        json_format.MessageToJson(
            DeviceRegistration(user_id=one.user_id, device=one.device, address=one.address),
            indent=None,
        )
        for one in good
    ]
    lines.insert(2, "{broken")
    lines.insert(500, "")
    lines.append(lines[0].replace(FATHER, "nobody"))
    file = tmp_path / "devices.jsonl"
    file.write_text("\n".join(lines), encoding="utf-8")
    async with whole(tmp_path) as service:
        await populate(service)
        for _ in range(2):
            ended = await schoolbell(service, BACKEND, "devices", "register-batch", str(file))
            assert ended.code == 1
            assert ended.out == "registered 501\nrefused 2\n"
            first, second = ended.err.splitlines()
            assert first.startswith("line 3: ")
            assert second.startswith("line 504: NOT_FOUND USER_NOT_FOUND")
        assert len(await listed(service, FATHER)) == 50, "a page"


async def test_settings_that_cannot_be_read_are_refused_in_a_line(tmp_path: Path) -> None:
    file = tmp_path / "settings.json"
    file.write_text('{"kinds": []}')
    async with whole(tmp_path) as service:
        await populate(service)
        ended = await schoolbell(
            service, access.ROLE_ADMINISTRATOR, "settings", "set", "--file", str(file)
        )
    assert ended.code == 1
    assert 'no field named "kinds"; it has' in ended.err and "Traceback" not in ended.err


async def test_a_calendar_is_reset(tmp_path: Path) -> None:
    async with whole(tmp_path) as service:
        await populate(service)
        ended = await schoolbell(
            service, access.ROLE_ADMINISTRATOR, "--json", "display-options", "reset", CALENDAR
        )
        assert ended.code == 0, ended.err
        assert json.loads(ended.out)["inherited"]
