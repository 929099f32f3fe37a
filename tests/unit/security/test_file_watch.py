"""An open data directory, readable keys and expired certificates are told, and told to be over."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

from schoolbell.v1 import status_pb2
from schoolbell_sandbox.certificates import Authority, CertificateFlaw
from schoolbell_server.config import Config, ServerConfig
from schoolbell_server.domain.kinds import AppType
from schoolbell_server.gateways.app_config import AndroidConfig, AppConfig, IosConfig
from schoolbell_server.maintenance.file_watch import SOON, look_at_files
from schoolbell_server.security.credential_files import span_of
from schoolbell_server.security.tls import TlsConfig

NOW = dt.datetime.now(dt.UTC)


class Told(dict[str, str]):
    """What was reported, by its setting."""

    def report(
        self, setting: str, text: str, app_id: str, code: status_pb2.WarningCode.ValueType
    ) -> None:
        exposed = code == status_pb2.WARNING_CODE_SECRETS_EXPOSED
        assert exposed != setting.endswith(" span")
        self.pop(setting, None)
        if text:
            assert (app_id == "parent") == setting.startswith("apps.parent")
            self[setting] = text


@pytest.fixture
def config(tmp_path: Path) -> Config:
    authority = Authority.create()
    server, push = authority.server(), authority.client("org.example")
    for name, data in (
        ("tls.pem", server.certificate),
        ("tls.key", server.key),
        ("push.pem", push.certificate + push.key),
        ("account.json", b"{}"),
    ):
        (tmp_path / name).write_bytes(data)
        (tmp_path / name).chmod(0o600)
    (tmp_path / "data").mkdir(mode=0o700)
    tls = TlsConfig(certificate_file=tmp_path / "tls.pem", key_file=tmp_path / "tls.key")
    return Config(
        server=ServerConfig(data_dir=tmp_path / "data", tls=tls),
        apps={
            "parent": AppConfig(
                app_id="parent",
                kind=AppType.PARENT,
                ios=IosConfig(topic="org.example", certificate_file=tmp_path / "push.pem"),
                android=AndroidConfig(
                    project_id="p", service_account_file=tmp_path / "account.json"
                ),
            )
        },
    )


def look(config: Config, told: Told, now: dt.datetime = NOW) -> set[str]:
    look_at_files(config, now, told.report)
    return set(told)


def test_what_is_as_it_should_be_is_not_told(config: Config) -> None:
    assert look(config, Told()) == set()


def test_what_others_may_read_is_told_until_they_may_not(config: Config, tmp_path: Path) -> None:
    told = Told()
    (tmp_path / "data").chmod(0o755)
    for name in ("tls.key", "push.pem", "account.json"):
        (tmp_path / name).chmod(0o644)
    assert look(config, told) == {
        "server.data_dir",
        "server.tls.key_file readable",
        "apps.parent.ios.certificate_file readable",
        "apps.parent.android.service_account_file readable",
    }
    assert not any(str(tmp_path) in text for text in told.values()), "administrators read it"
    (tmp_path / "data").chmod(0o700)
    for name in ("tls.key", "push.pem", "account.json"):
        (tmp_path / name).chmod(0o640)
    assert look(config, told) == set()


def test_a_certificate_is_told_before_it_begins_and_from_a_while_before_its_end(
    config: Config, tmp_path: Path
) -> None:
    begin, end = span_of((tmp_path / "tls.pem").read_bytes())
    ours = "server.tls.certificate_file span"
    theirs = "apps.parent.ios.certificate_file span"
    second, told = dt.timedelta(seconds=1), Told()
    assert look(config, told, begin - second) >= {ours}
    assert "not good before" in told[ours]
    assert ours not in look(config, told, begin + second)
    assert ours in look(config, told, end - SOON + second)
    assert "expires" in told[ours]
    assert look(config, told, end + 3650 * dt.timedelta(days=1)) == {ours, theirs}
    assert "expired" in told[ours]


def test_an_expired_certificate_is_told(config: Config, tmp_path: Path) -> None:
    expired = Authority.create().server(CertificateFlaw.EXPIRED)
    (tmp_path / "tls.pem").write_bytes(expired.certificate)
    assert look(config, Told()) == {"server.tls.certificate_file span"}
