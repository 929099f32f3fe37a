"""Credential files are checked where the configuration is: beside all else that is wrong."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from schoolbell_sandbox.credentials import SandboxCredentials
from schoolbell_server.main import main
from tests.unit.gateways.keys import write_key

CONFIG = """
[server]
data_dir = "data"
tls = {{ certificate_file = "tls.pem", key_file = "tls.key", client_ca_file = "ca.pem" }}
{more}
[apps.parent]
kind = "parent"
ios = {{ topic = "org.example", team_id = "TEAM123456", {key_id}key_file = "apns.p8" }}
android = {{ project_id = "p", service_account_file = "account.json" }}
[apps.student]
kind = "student"
ios = {{ topic = "org.example", certificate_file = "push.pem", ca_file = "ca.pem" }}
"""
CREDENTIALS = SandboxCredentials.create()


def lay_out(folder: Path) -> None:
    """Write a configuration all of whose files are good."""
    write_config(folder)
    write_key(folder / "apns.p8")
    account = CREDENTIALS.service_account("https://localhost/token")
    (folder / "account.json").write_text(json.dumps(account))
    server, push = CREDENTIALS.authority.server(), CREDENTIALS.authority.client("org.example")
    (folder / "tls.pem").write_bytes(server.certificate)
    (folder / "tls.key").write_bytes(server.key)
    (folder / "push.pem").write_bytes(push.certificate + push.key)
    (folder / "ca.pem").write_bytes(CREDENTIALS.authority.pem.certificate)
    key = folder / "data" / "credentials" / "operator.key"
    key.parent.mkdir(parents=True, exist_ok=True)
    key.write_text("none\n")
    key.chmod(0o600)


def write_config(folder: Path, more: str = "", key_id: str = 'key_id = "KEY1234567", ') -> None:
    (folder / "schoolbell.toml").write_text(CONFIG.format(more=more, key_id=key_id))


def problems(folder: Path) -> list[str]:
    """Start a server that cannot; the operator's key is always at fault, so that none does."""
    file = str(folder / "schoolbell.toml")
    result = CliRunner().invoke(main, ["serve", "--config", file], env={"COLUMNS": "1000"})
    assert result.exit_code == 1
    assert "Traceback" not in result.output
    return result.output.removeprefix("Error: ").splitlines()


def encrypted(folder: Path) -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    secret = serialization.BestAvailableEncryption(b"x")
    pem, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    return key.private_bytes(pem, form, secret)


def other_curve(folder: Path) -> bytes:
    pem, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    return ec.generate_private_key(ec.SECP384R1()).private_bytes(
        pem, form, serialization.NoEncryption()
    )


def empty(folder: Path) -> bytes:
    return b""


def binary(folder: Path) -> bytes:
    return bytes(range(256))


def account_without_key(folder: Path) -> bytes:
    return json.dumps({"client_email": "a@b", "token_uri": "https://localhost/t"}).encode()


def account_with(token_uri: object) -> Callable[[Path], bytes]:
    def make(folder: Path) -> bytes:
        return json.dumps({**CREDENTIALS.service_account(""), "token_uri": token_uri}).encode()

    return make


def another_key(folder: Path) -> bytes:
    write_key(folder / "another")
    return (folder / "another").read_bytes()


BAD = [
    ("apns.p8", encrypted, "apps.parent.ios.key_file", "is encrypted"),
    ("apns.p8", other_curve, "apps.parent.ios.key_file", "P-256"),
    ("apns.p8", empty, "apps.parent.ios.key_file", "not PEM"),
    ("apns.p8", binary, "apps.parent.ios.key_file", "not PEM"),
    ("account.json", empty, "apps.parent.android.service_account_file", "not JSON"),
    ("account.json", binary, "apps.parent.android.service_account_file", "not JSON"),
    ("account.json", account_without_key, "apps.parent.android.service_account_file", "private_k"),
    ("account.json", account_with(""), "apps.parent.android.service_account_file", "token_uri"),
    ("account.json", account_with(5), "apps.parent.android.service_account_file", "token_uri"),
    ("account.json", account_with("https:///t"), "apps.parent.android.service", "token_uri"),
    ("push.pem", another_key, "apps.student.ios.certificate_file", "no certificate"),
    ("push.pem", empty, "apps.student.ios.certificate_file", "not PEM"),
    ("ca.pem", empty, "apps.student.ios.ca_file", "not PEM"),
    ("ca.pem", binary, "server.tls.client_ca_file", "not PEM"),
    ("tls.pem", empty, "server.tls.certificate_file", "not PEM"),
    ("tls.key", encrypted, "server.tls.key_file", "is encrypted"),
    ("tls.key", another_key, "server.tls.key_file", "not the certificate's"),
]


@pytest.mark.parametrize(("name", "make", "setting", "why"), BAD)
def test_a_bad_file_is_a_problem_of_its_setting(
    name: str, make: Callable[[Path], bytes], setting: str, why: str, tmp_path: Path
) -> None:
    lay_out(tmp_path)
    (tmp_path / name).write_bytes(make(tmp_path))
    (found,) = (line for line in problems(tmp_path) if line.startswith(setting))
    assert why in found
    assert str(tmp_path / name) in found


def test_a_file_that_is_missing_or_a_folder_is_named(tmp_path: Path) -> None:
    lay_out(tmp_path)
    (tmp_path / "apns.p8").unlink()
    (tmp_path / "account.json").unlink()
    (tmp_path / "account.json").mkdir()
    found = problems(tmp_path)
    assert any("ios.key_file" in line and "does not exist" in line for line in found)
    assert any("service_account_file" in line and "is not a file" in line for line in found)


def test_all_bad_files_are_told_beside_other_problems(tmp_path: Path) -> None:
    lay_out(tmp_path)
    for name in ("apns.p8", "account.json", "push.pem", "ca.pem", "tls.pem", "tls.key"):
        (tmp_path / name).write_text("none")
    files = {
        "apps.parent.ios.key_file",
        "apps.parent.android.service_account_file",
        "apps.student.ios.certificate_file",
        "apps.student.ios.ca_file",
        "server.tls.certificate_file",
        "server.tls.key_file",
        "server.tls.client_ca_file",
    }
    write_config(tmp_path, more="metrics_listen = '192.0.2.1:9100'")
    found = {line.partition(":")[0] for line in problems(tmp_path)}
    assert found == {*files, "server.metrics_listen", "server.data_dir"}
    write_config(tmp_path, more="[delivery]\nattempt_budget = 0")
    found = {line.partition(":")[0] for line in problems(tmp_path)}
    assert found == {*files, "delivery.attempt_budget"}


def test_a_key_without_an_id_needs_apples_name(tmp_path: Path) -> None:
    lay_out(tmp_path)
    write_config(tmp_path, key_id="")
    assert any(line.startswith("apps.parent.ios.key_id") for line in problems(tmp_path))


def test_an_action_of_a_tap_is_for_what_the_system_draws(tmp_path: Path) -> None:
    lay_out(tmp_path)
    for style, told in (("data", True), ("notification", False)):
        app = f"""
            [apps.another]
            kind = "parent"
            [apps.another.android]
            project_id = "p"
            service_account_file = "account.json"
            style = "{style}"
            click_action = "OPEN"
        """
        write_config(tmp_path, more=app)
        found = [one for one in problems(tmp_path) if "apps.another" in one]
        assert [one.partition(":")[0] for one in found] == (
            ["apps.another.android.click_action"] if told else []
        )


def test_good_files_are_no_problem(tmp_path: Path) -> None:
    lay_out(tmp_path)
    (found,) = problems(tmp_path)
    assert found.startswith("server.data_dir: ")
    assert "operator.key: holds no credential" in found
