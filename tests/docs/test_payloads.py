"""The guide's example pushes and tables of keys are what the gateways send to the sandboxes."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from schoolbell.v1 import access_service_pb2 as access
from schoolbell.v1 import common_pb2, device_service_pb2, roster_pb2
from schoolbell.v1.change_pb2 import Change
from schoolbell.v1.delivery_pb2 import DELIVERY_STATE_ACCEPTED
from schoolbell_sandbox.ledger import Arrival
from schoolbell_server.config import Config
from schoolbell_server.domain.kinds import Kind
from schoolbell_server.gateways.apns.message import ApnsMessages
from schoolbell_server.gateways.app_config import AndroidStyle
from tests.docs.pages import blocks, read, section
from tests.service.following import following
from tests.service.scene import (
    MOTHER,
    STUDENT,
    absence,
    grade,
    phone,
    populate,
    publish,
    register,
    token_of,
    upsert,
)
from tests.service.whole import DISTRICT, Whole, whole
from tests.unit.gateways.pushes import push

PAGE = read("docs/guide-mobile-backend.md")
APPLE = section(PAGE, "### To Apple")
GOOGLE = section(PAGE, "### To Google")
VARYING = {"delivery_id", "notification_id", "tag", "ttl", "token"}
"""Keys whose values are another each time."""

_DATE = re.compile(r"[A-Z][a-z]{2} \d{1,2}, \d{4}")
_CELL = re.compile(r"^\| (`[^|]+) \|", re.MULTILINE)
_WORD = re.compile(r"`([^`]+)`")
_KINDS = frozenset(kind.name for kind in Kind)
_READ = re.compile(r'(?:push|data)(?:\.getValue\(|\[)"(\w+)"')


def alike(value: Any, key: str = "") -> Any:
    """Return a payload with what varies made the same."""
    if isinstance(value, dict):
        return {name: alike(inner, name) for name, inner in value.items()}
    if key in VARYING:
        return key
    return _DATE.sub("a date", value) if isinstance(value, str) else value


def paths(value: dict[str, Any], above: str = "") -> Iterator[str]:
    """Yield the paths of the values of a payload."""
    for name, inner in value.items():
        if isinstance(inner, dict):
            yield from paths(inner, f"{above}{name}.")
        else:
            yield f"{above}{name}"


def told_keys(text: str) -> list[str]:
    """Return the code words of the first cells of a text's tables."""
    return [word for cell in _CELL.findall(text) for word in _WORD.findall(cell)]


def drawn_by_the_system(config: Config) -> Config:
    apps = {}
    for app_id, app in config.apps.items():
        assert app.android is not None
        android = replace(
            app.android,
            style=AndroidStyle.NOTIFICATION,
            click_action="org.example.parent.OPEN",
            analytics_label="parents",
        )
        apps[app_id] = replace(app, android=android)
    return replace(config, apps=apps)


def _as_it_is(config: Config) -> Config:
    return config


@asynccontextmanager
async def district(
    folder: Path, detail: common_pb2.DetailLevel.ValueType, *, system: bool = False
) -> AsyncIterator[Whole]:
    """Run the scene at a level of detail, with a student who has a name."""
    adapt = drawn_by_the_system if system else _as_it_is
    async with whole(folder, adapt=adapt) as service:
        await populate(service)
        await service.configure(detail_level=detail)
        names = roster_pb2.PersonNames(given_name="Mia")
        user = roster_pb2.User(user_id=STUDENT, enabled=True, names=names)
        await upsert(service, roster_pb2.RosterRecord(user=user))
        yield service


async def arrived(service: Whole, change: Change) -> tuple[dict[str, Any], dict[str, Any]]:
    """Publish a change and return what the mother's iPhone and her Android phone got."""
    phones = phone(MOTHER), phone(MOTHER, ios=False, number=2)
    for one in phones:
        one.device.registration_ref = "maple"
    await register(service, *phones)
    async with following(service) as followed:
        await publish(service, change)
        await followed.until_states(DELIVERY_STATE_ACCEPTED, DELIVERY_STATE_ACCEPTED)
    ios, android = (arrival(service, one).content for one in phones)
    return ios, android


def arrival(service: Whole, one: device_service_pb2.RegisterDeviceRequest) -> Arrival:
    return service.sandbox.ledger.arrivals(token_of(one))[-1]


def marked() -> Change:
    change = absence("a1")
    change.attendance.course_name = "Algebra"
    return change


async def test_the_generic_examples_are_what_arrives(tmp_path: Path) -> None:
    async with district(tmp_path, common_pb2.DETAIL_LEVEL_GENERIC) as service:
        ios, android = await arrived(service, grade("g1", 68.5))
    assert alike(json.loads(blocks(APPLE, "json")[0].text)) == alike(ios)
    assert alike(json.loads(blocks(GOOGLE, "json")[0].text)) == alike(android)


async def test_the_detailed_examples_are_what_arrives(tmp_path: Path) -> None:
    async with district(tmp_path, common_pb2.DETAIL_LEVEL_DETAILED, system=True) as service:
        ios, android = await arrived(service, marked())
    assert alike(json.loads(blocks(APPLE, "json")[1].text)) == alike(ios)
    assert alike(json.loads(blocks(GOOGLE, "json")[1].text)) == alike(android)
    assert told_keys(APPLE) == [*headers(), *paths(ios)]
    assert set(told_keys(GOOGLE)) == {*paths(android), "message.fid"}


def headers() -> list[str]:
    """Return the headers in the page's order, none of them left out."""
    sent = ApnsMessages("org.example.parent", "bearer t").headers(push())
    return sorted(sent, key=told_keys(APPLE).index)


async def test_a_test_push_is_as_the_page_says(tmp_path: Path) -> None:
    async with district(tmp_path, common_pb2.DETAIL_LEVEL_DETAILED, system=True) as service:
        phones = phone(MOTHER), phone(MOTHER, ios=False, number=2)
        async with service.client(access.ROLE_MOBILE_BACKEND) as backend:
            for device in await register(service, *phones):
                await backend.devices.SendTestNotification(
                    device_service_pb2.SendTestNotificationRequest(
                        district_id=DISTRICT, user_id=MOTHER, device_id=device.device_id
                    )
                )
        ios, android = (arrival(service, one).content for one in phones)
    assert f'"{ios["aps"]["alert"]["body"]}"' in section(PAGE, "### A test push")
    assert not {"thread-id", "category"} & set(ios["aps"])
    told = android["message"]
    for told_keys_of in (ios, told["data"]):
        assert told_keys_of["detail_level"] == "GENERIC"
        assert not {"kind", "notification_id", "tag"} & set(told_keys_of)
    assert told["android"].pop("ttl") in ("299s", "300s")
    assert told["android"] == {
        "priority": "HIGH",
        "notification": {"click_action": "org.example.parent.OPEN"},
    }


def test_the_code_of_the_apps_reads_keys_that_are_sent() -> None:
    code = "".join(block.text for block in blocks(PAGE, "swift", "kotlin"))
    sent = {key.rpartition(".")[2] for key in (*told_keys(APPLE), *told_keys(GOOGLE))}
    found = set(_READ.findall(code))
    assert {"delivery_id", "detail_level", "kind", "registration_ref", "tag", "title"} <= found
    assert found <= sent


def test_the_code_of_the_apps_knows_every_kind() -> None:
    swift = "".join(block.text for block in blocks(PAGE, "swift"))
    kotlin = "".join(block.text for block in blocks(PAGE, "kotlin"))
    assert set(re.findall(r'"([A-Z_]{4,})"', swift)) - {"GENERIC", "SANDBOX", "PRODUCTION"} == (
        _KINDS
    )
    assert set(re.findall(r"^    ([A-Z_]+)\(R\.string", kotlin, re.MULTILINE)) == _KINDS | {"OTHER"}


def test_the_action_of_a_tap_is_the_same_everywhere() -> None:
    actions = set(re.findall(r"org\.example\.parent\.[A-Z]+", PAGE))
    assert actions == {"org.example.parent.OPEN"}
