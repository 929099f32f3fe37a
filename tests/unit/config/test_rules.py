"""Replay only against sandboxes on this machine, and the warnings that must be shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from schoolbell_server.config import Config, ConfigError, ServerConfig, check_replay, warnings
from schoolbell_server.domain.kinds import AppType
from schoolbell_server.gateways.app_config import AndroidConfig, AppConfig, IosConfig


def config(ios_server: str, android_endpoint: str) -> Config:
    ios = IosConfig(topic="t", team_id="T", key_id="K", key_file=Path("k.p8"), server=ios_server)
    android = AndroidConfig(
        project_id="p", service_account_file=Path("s.json"), endpoint=android_endpoint
    )
    app = AppConfig(app_id="parent", kind=AppType.PARENT, ios=ios, android=android)
    return Config(apps={"parent": app})


@pytest.mark.parametrize("server", ["127.0.0.1:2197", "localhost:2197", "[::1]:2197"])
def test_replay_may_play_to_a_sandbox_here(server: str) -> None:
    check_replay(config(server, f"https://{server}"))


@pytest.mark.parametrize(
    ("server", "endpoint", "key"),
    [
        ("", "https://127.0.0.1:1", "apps.parent.ios.server"),
        ("127.0.0.1:1", "", "apps.parent.android.endpoint"),
        ("127.0.0.1:1", "https://fcm.googleapis.com", "apps.parent.android.endpoint"),
        ("127.0.0.1.example.org:1", "https://127.0.0.1:1", "apps.parent.ios.server"),
        ("localhost@example.org:1", "https://127.0.0.1:1", "apps.parent.ios.server"),
        ("127.0.0.1:1", "https://127.0.0.1:1@example.org", "apps.parent.android.endpoint"),
    ],
)
def test_replay_to_anything_else_is_refused(server: str, endpoint: str, key: str) -> None:
    with pytest.raises(ConfigError) as caught:
        check_replay(config(server, endpoint))
    assert [problem.partition(":")[0] for problem in caught.value.problems] == [key]


def test_an_app_whose_pushes_reach_no_phone_is_warned_of() -> None:
    (found,) = warnings(config("127.0.0.1:1", ""))
    assert (found.code.name, found.app_id) == ("SANDBOX", "parent")
    assert warnings(config("", "")) == ()


def test_only_plaintext_and_replay_are_warned_of() -> None:
    assert warnings(Config()) == ()
    plaintext = Config(server=ServerConfig(plaintext=True))
    assert [warning.code.name for warning in warnings(plaintext, replay=True)] == [
        "PLAINTEXT",
        "REPLAY",
    ]
    assert "not encrypted" in warnings(plaintext)[0].text.lower()
