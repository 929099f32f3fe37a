"""The command refuses to start with a configuration that it cannot serve, and says why."""

from __future__ import annotations

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


def test_the_commands_are_there() -> None:
    result = CliRunner().invoke(main, ["--help"])
    for command in ("serve", "migrate", "backup", "restored", "sandbox"):
        assert f"  {command} " in result.output
