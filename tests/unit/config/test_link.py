"""The settings of a link: what they may say, and what refuses to start."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from schoolbell_server.config import ConfigError, load_config, warnings
from schoolbell_server.config.rules import WarningCode

URL = "amqps://district.lincoln@hub.example.org"
GOOD = {"url": f'"{URL}"', "password_file": '"password"'}
PLAIN = {"url": '"amqp://district.lincoln@127.0.0.1"', "plaintext": "true"}
KEY = '"' + "A" * 43 + '="'


def written(folder: Path, link: Mapping[str, str], apps: str = 'platforms = ["ios"]') -> Path:
    (folder / "password").write_text("secret", encoding="utf-8")
    file = folder / "schoolbell.toml"
    lines = ["[link]", *(f"{key} = {value}" for key, value in link.items())]
    lines += ["[apps.parents]", 'kind = "parent"', apps]
    file.write_text("\n".join(lines), encoding="utf-8")
    return file


def test_a_link_is_read_with_what_its_url_says(tmp_path: Path) -> None:
    config = load_config(written(tmp_path, GOOD), {})
    assert config.link is not None
    assert (config.link.host, config.link.port) == ("hub.example.org", 5671)
    assert (config.link.user, config.link.virtual_host) == ("district.lincoln", "schoolbell")
    assert config.link.topology.district == "lincoln"
    assert warnings(config) == ()


def test_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    environ = {"SCHOOLBELL_LINK_SERVER_NAME": "broker.example.org"}
    config = load_config(written(tmp_path, GOOD), environ)
    assert config.link is not None
    assert config.link.server_name == "broker.example.org"


@pytest.mark.parametrize("more", [{}, {"plaintext_host": '"broker.internal"'}])
def test_plaintext_is_for_this_machine_or_one_named_host_and_is_warned_of(
    tmp_path: Path, more: dict[str, str]
) -> None:
    link = GOOD | PLAIN | more
    if more:
        link["url"] = '"amqp://district.lincoln@broker.internal"'
    config = load_config(written(tmp_path, link), {})
    assert [one.code for one in warnings(config)] == [WarningCode.PLAINTEXT]


@pytest.mark.parametrize(
    ("link", "problem"),
    [
        ({"url": GOOD["url"]}, "link: either password_file or certificate_file is required"),
        (GOOD | {"hub": '"x"'}, "link.hub: unknown key"),
        (GOOD | {"url": '"https://district.lincoln@hub"'}, "link.url: must be amqps://"),
        (GOOD | {"url": '"amqps://hub.example.org"'}, "link.url: must be amqps://"),
        (GOOD | {"url": '"amqps://district.lincoln:secret@hub"'}, "link.url: must be amqps://"),
        (GOOD | {"url": '"amqps://[district.lincoln@hub"'}, "link.url: must be amqps://"),
        (GOOD | {"url": '"amqps://lincoln@hub"'}, "link.url: the user must be district.NAME"),
        (GOOD | {"url": '"amqps://district.a.b@hub"'}, "link.url: the user must be district.NAME"),
        (GOOD | {"plaintext": "true"}, "link.plaintext: is true with amqp://"),
        (GOOD | {"url": PLAIN["url"]}, "link.plaintext: is true with amqp://"),
        (
            GOOD | PLAIN | {"url": '"amqp://district.lincoln@broker.internal"'},
            "link.url: broker.internal is beyond this machine",
        ),
        (GOOD | {"payload": '"sealed"'}, "link.hub_key: is required"),
        (GOOD | {"hub_key": KEY}, "link.hub_key: is required"),
        (GOOD | {"payload": '"sealed"', "hub_key": '"x"'}, "link.hub_key: must be the 44"),
        (GOOD | {"payload": '"secret"'}, "link.payload: must be one of plain, sealed, generic"),
        (GOOD | {"certificate_file": '"password"'}, "link: certificate_file and key_file"),
    ],
)
def test_a_link_that_cannot_be_meant_is_refused_by_its_setting(
    tmp_path: Path, link: dict[str, str], problem: str
) -> None:
    with pytest.raises(ConfigError) as refused:
        load_config(written(tmp_path, link), {})
    assert any(one.startswith(problem) for one in refused.value.problems), refused.value.problems
    assert "secret@" not in str(refused.value.problems)


def test_apps_have_accounts_or_platforms_by_who_sends(tmp_path: Path) -> None:
    account = '[apps.parents.ios]\ntopic = "org.example"'
    with pytest.raises(ConfigError, match=r"the hub of \[link\] holds the accounts"):
        load_config(written(tmp_path, GOOD, account), {})
    file = tmp_path / "schoolbell.toml"
    file.write_text('[apps.parents]\nkind = "parent"\nplatforms = ["ios"]', encoding="utf-8")
    with pytest.raises(ConfigError, match=r"there is no \[link\]"):
        load_config(file, {})


def test_a_replay_through_a_link_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="link: --replay"):
        load_config(written(tmp_path, GOOD), {}, replay=True)
