"""What FCM is told of a push."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any

import pytest

from schoolbell_sandbox.fcm_rules import size_of
from schoolbell_sandbox.fcm_schema import check_request
from schoolbell_server.domain.kinds import DetailLevel, Kind
from schoolbell_server.gateways.app_config import AndroidConfig, AndroidStyle
from schoolbell_server.gateways.common.push import Push
from schoolbell_server.gateways.fcm.message import LONGEST_TTL, PAYLOAD_LIMIT, FcmMessages
from tests.unit.gateways.pushes import NOW, push


def messages(**changes: Any) -> FcmMessages:
    config = AndroidConfig(project_id="p", service_account_file=Path("s.json"), **changes)
    return FcmMessages(config)


def message(sent: Push, **changes: Any) -> Any:
    body = messages(**changes).encode(sent, NOW)
    assert body is not None
    document = json.loads(body)
    assert document["validate_only"] is False
    return document["message"]


def test_a_data_message_carries_all_that_the_app_draws() -> None:
    assert message(push(data={"b": "2"})) == {
        "token": "ab" * 32,
        "data": {
            "title": "New grade",
            "body": "Open the app.",
            "tag": "c" * 22,
            "delivery_id": "6ba7b810-9dad-41d1-80b4-00c04fd430c8",
            "kind": "GRADE",
            "detail_level": "GENERIC",
            "registration_ref": "maple",
            "b": "2",
        },
        "android": {"priority": "NORMAL", "ttl": "3600s"},
    }


def test_the_notification_style_lets_the_system_draw_it() -> None:
    drawn = message(push(), style=AndroidStyle.NOTIFICATION)
    assert drawn["notification"] == {"title": "New grade", "body": "Open the app."}
    assert drawn["android"]["notification"] == {"tag": "c" * 22, "channel_id": "GRADE"}
    assert drawn["data"]["delivery_id"] == push().delivery_id


@pytest.mark.parametrize("kind", Kind)
def test_every_kind_has_its_channel(kind: Kind) -> None:
    drawn = message(push(kind=kind), style=AndroidStyle.NOTIFICATION)
    assert drawn["android"]["notification"]["channel_id"] == kind.name == drawn["data"]["kind"]


@pytest.mark.parametrize(
    ("level", "visibility"),
    [(DetailLevel.GENERIC, None), (DetailLevel.DETAILED, "PRIVATE"), (None, "PRIVATE")],
)
def test_a_locked_phone_hides_what_may_name_somebody(
    level: DetailLevel | None, visibility: str | None
) -> None:
    drawn = message(push(detail_level=level), style=AndroidStyle.NOTIFICATION)
    assert drawn["android"]["notification"].get("visibility") == visibility


def test_a_tap_starts_the_action_that_is_configured() -> None:
    style = AndroidStyle.NOTIFICATION
    tapped = message(push(), style=style, click_action="org.example.OPEN")
    assert tapped["android"]["notification"]["click_action"] == "org.example.OPEN"
    assert "click_action" not in message(push(), style=style)["android"]["notification"]


def test_a_test_notification_of_the_system_style_has_no_channel() -> None:
    drawn = message(push(kind=None, collapse_key=""), style=AndroidStyle.NOTIFICATION)
    assert "notification" not in drawn["android"]


@pytest.mark.parametrize(
    ("changes", "priority"),
    [
        ({}, "NORMAL"),
        ({"time_sensitive": True}, "HIGH"),
        ({"kind": None}, "HIGH"),
    ],
)
def test_only_what_cannot_wait_wakes_a_sleeping_phone(
    changes: dict[str, Any], priority: str
) -> None:
    for style in AndroidStyle:
        assert message(push(**changes), style=style)["android"]["priority"] == priority


def test_an_installation_id_is_a_target_of_its_own() -> None:
    sent = message(push(fid=True))
    assert sent["fid"] == "ab" * 32
    assert "token" not in sent


def test_fcms_own_collapse_key_is_never_used() -> None:
    for style in AndroidStyle:
        assert "collapse_key" not in message(push(), style=style)["android"]


def test_the_label_groups_googles_reports() -> None:
    assert message(push(), analytics_label="parents")["fcm_options"] == {
        "analytics_label": "parents"
    }
    assert "fcm_options" not in message(push())


def test_what_cannot_wait_says_so() -> None:
    assert message(push(time_sensitive=True))["data"]["time_sensitive"] == "true"


@pytest.mark.parametrize(
    ("left", "ttl"),
    [
        (dt.timedelta(seconds=90, milliseconds=900), "90s"),
        (dt.timedelta(0), "0s"),
        (dt.timedelta(seconds=-5), "0s"),
        (dt.timedelta(days=90), f"{LONGEST_TTL}s"),
    ],
)
def test_the_ttl_is_what_is_left(left: dt.timedelta, ttl: str) -> None:
    assert message(push(expire_time=NOW + left))["android"]["ttl"] == ttl


def test_without_an_expiry_the_ttl_is_the_longest() -> None:
    assert message(push(expire_time=None))["android"]["ttl"] == f"{LONGEST_TTL}s"


@pytest.mark.parametrize("letter", ["👩🏽\u200d🚀", "🇲🇽", "e\u0301\u0323"])
def test_a_long_body_is_cut_before_a_letter(letter: str) -> None:
    cut = message(push(body=letter * 2000))["data"]["body"].removesuffix("…")
    assert cut == letter * (len(cut) // len(letter))


@pytest.mark.parametrize("piece", ["a", "é", "語", "😀", '"'])
def test_a_long_body_is_cut_and_nothing_else_is(piece: str) -> None:
    data = message(push(body=piece * 5000, data={"k": "v" * 500}))["data"]
    size = sum(len(key.encode()) + len(value.encode()) for key, value in data.items())
    assert PAYLOAD_LIMIT - 16 < size <= PAYLOAD_LIMIT
    assert data["body"].endswith("…")
    assert data["body"][:-1] == piece * (len(data["body"]) - 1)
    assert data["k"] == "v" * 500


def test_a_text_that_the_system_draws_counts_twice() -> None:
    sent = message(push(body="é" * 5000), style=AndroidStyle.NOTIFICATION)
    assert sent["notification"]["body"] == sent["data"]["body"]
    assert size_of(check_request({"message": sent}, "")["message"]) > PAYLOAD_LIMIT - 16
    assert size_of(check_request({"message": sent}, "")["message"]) <= PAYLOAD_LIMIT


@pytest.mark.parametrize(
    "data",
    [
        {"from": "x"},
        {"message_type": "x"},
        {"google.sent": "x"},
        {"googles": "x"},
        {"gcm.notification.title": "x"},
        {"gcm": "x"},
        {"k": "v" * 5000},
    ],
)
def test_what_fcm_would_refuse_whatever_the_address_does_not_leave(data: dict[str, str]) -> None:
    assert messages().encode(push(data=data), NOW) is None


def test_further_keys_cannot_pose_as_ours() -> None:
    data = message(push(data={"title": "x", "delivery_id": "x", "tag": "x"}))["data"]
    assert (data["title"], data["tag"]) == ("New grade", "c" * 22)
    assert data["delivery_id"] == push().delivery_id
