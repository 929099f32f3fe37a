"""The command refuses to start with a configuration that it cannot serve, and says why."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from click.testing import CliRunner

from schoolbell_server.main import main

APP = """
[apps.parent]
kind = "parent"
ios = { topic = "t", team_id = "T", key_id = "K", key_file = "k.p8" }
"""


@pytest.mark.parametrize("command", ["serve", "migrate", "restored"])
@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[server]\nlisen = 'x'", "server.lisen: unknown key; did you mean server.listen?"),
        ("[server]\nlisten = '0.0.0.0:1'\nplaintext = true", "beyond this machine"),
    ],
)
def test_a_bad_configuration_does_not_start(
    tmp_path: Path, command: str, text: str, problem: str
) -> None:
    file = tmp_path / "schoolbell.toml"
    file.write_text(text)
    result = CliRunner().invoke(main, [command, "--config", str(file)])
    assert result.exit_code == 1
    assert problem in result.output


def test_a_replay_that_could_reach_a_phone_does_not_start(tmp_path: Path) -> None:
    file = tmp_path / "schoolbell.toml"
    file.write_text(APP)
    result = CliRunner().invoke(main, ["serve", "--replay", "--config", str(file)])
    assert result.exit_code == 1
    assert "apps.parent.ios.server: --replay needs a sandbox on this machine" in result.output


@pytest.mark.parametrize(
    ("text", "arguments", "problem"),
    [
        ("share_port = true", [], "server.share_port: SQLite has one server"),
        ("", ["--role", "worker"], "server.role: worker needs another server"),
        ("role = 'api'", [], "server.role: api needs another server"),
        ("share_port = true\nrole = 'worker'", [], "a worker takes no calls"),
        ("share_port = true\nlisten = '127.0.0.1:0'", [], "server.listen must name the port"),
    ],
)
def test_what_needs_several_servers_does_not_start_alone(
    tmp_path: Path, text: str, arguments: list[str], problem: str
) -> None:
    file = tmp_path / "schoolbell.toml"
    file.write_text(f"[server]\n{text}")
    result = CliRunner().invoke(main, ["serve", "--config", str(file), *arguments])
    assert result.exit_code == 1
    assert problem in result.output


def test_the_commands_are_there() -> None:
    result = CliRunner().invoke(main, ["--help"])
    for command in ("serve", "migrate", "backup", "restored", "sandbox"):
        assert f"  {command} " in result.output


@pytest.mark.parametrize("by_file", [False, True])
def test_a_database_that_cannot_be_reached_is_named_without_its_password(
    by_file: bool, tmp_path: Path
) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    url = f"postgresql://bell:hunter2@127.0.0.1:{port}/school"
    file = tmp_path / "schoolbell.toml"
    (tmp_path / "url").write_text(url)
    setting = "url_file = 'url'" if by_file else f"url = '{url}'"
    file.write_text(f"[server]\ndata_dir = 'd'\n[storage]\n{setting}")
    result = CliRunner().invoke(main, ["migrate", "--config", str(file)])
    assert result.exit_code == 1
    assert (
        f"storage.url{'_file' if by_file else ''}: PostgreSQL at 127.0.0.1:{port}" in result.output
    )
    assert "hunter2" not in result.output
    assert "ConnectionRefusedError" in result.output


@pytest.mark.parametrize("url", ["postgresql://h:port/d", "postgresql:///[", "postgresql://"])
def test_a_url_that_is_none_is_a_problem_of_its_setting(url: str, tmp_path: Path) -> None:
    file = tmp_path / "schoolbell.toml"
    file.write_text(f"[server]\ndata_dir = 'd'\n[storage]\nurl = '{url}'\ntimeout = '1s'")
    result = CliRunner().invoke(main, ["migrate", "--config", str(file)])
    assert result.exit_code == 1
    assert "storage.url: " in result.output
