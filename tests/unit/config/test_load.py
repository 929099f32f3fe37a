"""The configuration file and the environment: what is read, and what is refused by name."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from schoolbell_server.address import Address
from schoolbell_server.config import Config, ConfigError, load_config
from schoolbell_server.domain.kinds import AppType, ProviderEnvironment
from schoolbell_server.observability.log import LogFormat

APP = """
[apps.campus-parent]
kind = "parent"
ios = { topic = "org.example.parent", team_id = "T", key_id = "K", key_file = "apns.p8" }
"""


def load(folder: Path, text: str, **environ: str) -> Config:
    path = folder / "schoolbell.toml"
    path.write_text(text)
    return load_config(path, environ)


def problems(folder: Path, text: str, **environ: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(folder, text, **environ)
    assert str(caught.value) == "\n".join(caught.value.problems)
    return list(caught.value.problems)


def test_no_file_is_the_defaults_on_loopback_with_tls() -> None:
    config = load_config(None, {})
    assert config.server.listen == Address("127.0.0.1", 7443)
    assert not config.server.plaintext
    assert config.server.data_dir == Path.cwd() / "schoolbell-data"
    assert not config.storage.url


def test_every_sort_of_value_is_read(tmp_path: Path) -> None:
    text = """
    [server]
    listen = "[::1]:0"
    tls = { names = ["bell.example.org"] }
    [delivery]
    attempt_budget = 3
    lease = "30s"
    [log]
    format = "json"
    """
    config = load(tmp_path, text + APP)
    assert config.server.listen == Address("::1", 0)
    assert config.server.tls.names == ("bell.example.org",)
    assert config.delivery.attempt_budget == 3
    assert config.delivery.lease == timedelta(seconds=30)
    assert config.log.format is LogFormat.JSON
    app = config.apps["campus-parent"]
    assert (app.app_id, app.kind) == ("campus-parent", AppType.PARENT)
    assert app.ios is not None and app.android is None
    assert app.ios.key_file == tmp_path / "apns.p8"
    assert app.ios.environment is ProviderEnvironment.PRODUCTION


def test_paths_in_the_file_are_relative_to_it(tmp_path: Path) -> None:
    assert load(tmp_path, "[server]\ndata_dir = 'd'").server.data_dir == tmp_path / "d"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[sever]", "sever: unknown key; did you mean server?"),
        ("[server]\nlisten_adress = 'x'", "server.listen_adress: unknown key; did you mean"),
        ("[server.tls]\nkey = 'x'", "server.tls.key: unknown key; did you mean server.tls.key_"),
        ("[apps.a]\nkind = 'parent'\nios = {}", "apps.a.ios.topic: is required"),
        ("[apps.a]", "apps.a.kind: is required"),
        ("[apps.a]\nkind = 'teacher'", "apps.a.kind: must be one of student, parent, not 'teac"),
        ("[delivery]\nattempt_budget = 0", "delivery.attempt_budget: must be from 1 to 50, not 0"),
        ("[delivery]\nattempt_budget = true", "delivery.attempt_budget: must be a whole number, n"),
        ("[delivery]\nlease = 10", "delivery.lease: must be a text, not 10"),
        ("[delivery]\nlease = '10 s'", "delivery.lease: must be a time such as"),
        ("[delivery]\nlease = '1h'", "delivery.lease: must be from 3s to 5m, not '1h'"),
        ("[server]\nplaintext = 'yes'", "server.plaintext: must be true or false, not 'yes'"),
        ("[server]\nlisten = '::1:80'", "server.listen: must be host:port"),
        ("[server]\nlisten = 'a:70000'", "server.listen: must end in a port from 0 to 65535"),
        ("[server]\ntls = 1", "server.tls: must be a table"),
        ("[server.tls]\nnames = 'a'", "server.tls.names: must be a list, not 'a'"),
        ("apps = 1", "apps: must be a table of tables"),
        ("[log]\nlevel = 'loud'", "log.level: must be one of debug, info, warning, error, not"),
        ("[server", "not TOML"),
    ],
)
def test_a_bad_key_is_named(tmp_path: Path, text: str, problem: str) -> None:
    assert any(problem in found for found in problems(tmp_path, text))


def test_every_problem_is_told_at_once(tmp_path: Path) -> None:
    text = "[server]\nplaintxt = true\n[delivery]\nin_flight = -1\nlease = 'x'"
    assert len(problems(tmp_path, text)) == 3


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"absent\.toml: No such file"):
        load_config(tmp_path / "absent.toml", {})


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[server]\nlisten = '0.0.0.0:1'\nplaintext = true", "beyond this machine"),
        ("[server]\nlisten = '[::]:1'\nplaintext = true", "beyond this machine"),
        ("[server]\nlisten = 'example.org:1'\nplaintext = true", "beyond this machine"),
        ("[server]\nmetrics_listen = '0.0.0.0:1'", "server.metrics_listen: 0.0.0.0:1 is beyond"),
        ("[server.tls]\ncertificate_file = 'schoolbell.toml'", "set together"),
        ("[server.tls]\nclient_ca_file = 'absent.pem'", "server.tls.client_ca_file: no such file"),
        (
            "[server]\nplaintext = true\ntls = { client_ca_file = 'schoolbell.toml' }",
            "server.plaintext: certificates are set",
        ),
        ("[storage]\nurl = 'mysql://x'", "storage.url: must begin with postgresql://"),
        ("[delivery]\nlease = '3s'", "delivery.lease_renewal: must be at most a third"),
        ("[delivery]\nfirst_backoff = '6m'", "delivery.first_backoff: must be at most"),
    ],
)
def test_keys_that_do_not_go_together_are_refused(tmp_path: Path, text: str, problem: str) -> None:
    assert any(problem in found for found in problems(tmp_path, text))


def test_beyond_loopback_with_tls_is_served(tmp_path: Path) -> None:
    config = load(tmp_path, "[server]\nlisten = '0.0.0.0:7443'")
    assert not config.server.listen.is_loopback


def test_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    config = load(
        tmp_path,
        "[delivery]\nlease = '20s'\n" + APP,
        SCHOOLBELL_DELIVERY_LEASE="40s",
        SCHOOLBELL_DELIVERY_IN_FLIGHT="7",
        SCHOOLBELL_SERVER_PLAINTEXT="true",
        SCHOOLBELL_SERVER_TLS_NAMES="a.example, b.example",
        SCHOOLBELL_APPS_CAMPUS_PARENT_IOS_TOPIC="org.example.other",
        SCHOOLBELL_APPS_CAMPUS_PARENT_ANDROID_PROJECT_ID="p",
        SCHOOLBELL_APPS_CAMPUS_PARENT_ANDROID_SERVICE_ACCOUNT_FILE="/s.json",
    )
    assert config.delivery.lease == timedelta(seconds=40)
    assert config.delivery.in_flight == 7
    assert config.server.plaintext
    assert config.server.tls.names == ("a.example", "b.example")
    app = config.apps["campus-parent"]
    assert app.ios and app.ios.topic == "org.example.other"
    assert app.android and app.android.service_account_file == Path("/s.json")


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("SCHOOLBELL_DELIVERY_LEESE", "did you mean SCHOOLBELL_DELIVERY_LEASE?"),
        ("SCHOOLBELL_STROAGE_URL", "did you mean SCHOOLBELL_STORAGE_URL?"),
    ],
)
def test_an_unknown_setting_in_the_environment_is_refused(
    tmp_path: Path, name: str, problem: str
) -> None:
    assert problems(tmp_path, "", **{name: "1"}) == [f"{name}: unknown setting; {problem}"]


def test_a_bad_value_in_the_environment_is_named_by_its_key(tmp_path: Path) -> None:
    found = problems(tmp_path, "", SCHOOLBELL_DELIVERY_IN_FLIGHT="many")
    assert found == ["delivery.in_flight: must be a whole number, not 'many'"]


def test_the_clients_variables_are_left_alone(tmp_path: Path) -> None:
    config = load(tmp_path, "", SCHOOLBELL_API_KEY="sb_x", SCHOOLBELL_ADDRESS="a:1")
    assert config == load(tmp_path, "")


def test_two_apps_that_share_a_variable_are_refused(tmp_path: Path) -> None:
    text = "[apps.a-b]\nkind = 'parent'\n[apps.a_b]\nkind = 'student'"
    assert any("names both apps.a-b.kind and apps.a_b.kind" in p for p in problems(tmp_path, text))


def test_the_storage_url_is_a_secret_and_may_come_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "url").write_text("postgresql://u:hunter2@h/d\n")
    config = load(tmp_path, "[storage]\nurl_file = 'url'")
    assert config.storage.url.reveal() == "postgresql://u:hunter2@h/d"
    assert "hunter2" not in repr(config)
    both = problems(
        tmp_path, "[storage]\nurl_file = 'url'", SCHOOLBELL_STORAGE_URL="postgresql://h/d"
    )
    assert both == ["storage.url_file: storage.url is set too; remove one of the two"]


def test_a_secret_of_the_wrong_type_is_not_shown(tmp_path: Path) -> None:
    assert problems(tmp_path, "[storage]\nurl = ['hunter2']") == ["storage.url: must be a text"]
