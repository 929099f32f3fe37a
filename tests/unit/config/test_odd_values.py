"""Whatever a file or the environment says, a configuration is read or its problems are named."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from schoolbell_server.config.database_url import database_url
from schoolbell_server.config.load import load_config
from schoolbell_server.config.problems import ConfigError


def _problems(folder: Path, text: str | bytes, **environ: str) -> str:
    file = folder / "schoolbell.toml"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ConfigError) as refused:
        load_config(file, environ, check_files=True)
    return "\n".join(refused.value.problems)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a = " + "[" * 50_000, "not TOML: it is nested too deep"),
        ("a = " + "{b = " * 5_000, "not TOML: it is nested too deep"),
        ("[limits]\nbacklog = " + "9" * 5_000, "not TOML: Exceeds the limit"),
        ("[server]\ndata_dir = '~no-such-user/x'", "server.data_dir: must begin with the home"),
        ("[server]\ndata_dir = ''", "server.data_dir: must be a path"),
        ('[server]\ndata_dir = "a\\u0000b"', "server.data_dir: must be a path"),
        ("[server.tls]\nclient_ca_file = '" + "x" * 300 + "'", "server.tls.client_ca_file: must"),
        ('[server]\nlisten = "a\\u0000b:80"', "server.listen: must begin with a host name"),
        (
            '[server]\nlisten = "\\uff11\\uff12\\uff17.0.0.1:80"',
            "server.listen: must begin with a host name",
        ),
        ("[server.tls]\nnames = ['bücher.example']", "server.tls.names: must be host names"),
        ("[server]\nlisten = '" + "x" * 64 + ":80'", "server.listen: must begin with a host name"),
        ("[server]\nmetrics_listen = 'a..b:80'", "server.metrics_listen: must begin with a host"),
        ("[server.tls]\nnames = ['a, b']", "server.tls.names: must be host names"),
        ("[server.tls]\nnames = ['']", "server.tls.names: must be host names"),
        ("[storage]\nurl_file = '/dev/zero'", "storage.url_file: the file '/dev/zero' is not a"),
        ("[storage]\nurl_file = 'schoolbell.toml'\n# \\", "storage.url: must begin with"),
    ],
)
def test_what_cannot_be_read_is_a_problem_of_its_key(
    tmp_path: Path, text: str, problem: str
) -> None:
    assert problem in _problems(tmp_path, text)


@pytest.mark.parametrize("content", [b"", b"postgresql://\xe4@h/d", b"postgresql://h/d\nx"])
def test_a_file_with_another_content_than_a_url_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "url").write_bytes(content)
    assert "storage.url" in _problems(tmp_path, "[storage]\nurl_file = 'url'")


def test_a_pipe_in_place_of_a_file_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "url")
    assert "is not a file" in _problems(tmp_path, "[storage]\nurl_file = 'url'")


@pytest.mark.parametrize("number", ["9" * 5_000, "[" * 50_000, "", "\x00"])
def test_a_number_of_the_environment_that_is_none_is_named(tmp_path: Path, number: str) -> None:
    assert "limits.backlog" in _problems(tmp_path, "", SCHOOLBELL_LIMITS_BACKLOG=number)


def test_a_path_of_the_environment_that_is_none_is_named(tmp_path: Path) -> None:
    found = _problems(tmp_path, "", SCHOOLBELL_SERVER_DATA_DIR="~no-such-user/x")
    assert "server.data_dir: must begin with the home" in found


def test_a_name_of_the_file_does_not_write_lines_of_its_own(tmp_path: Path) -> None:
    found = _problems(tmp_path, '[apps."a\\nserver: all is well\\u001b[2J"]\n')
    assert found.count("\n") == 0
    assert "\x1b" not in found


def test_a_mark_before_the_first_line_is_nothing(tmp_path: Path) -> None:
    file = tmp_path / "schoolbell.toml"
    file.write_bytes(b"\xef\xbb\xbf[server]\ndata_dir = 'd'\n")
    assert load_config(file, {}).server.data_dir == tmp_path / "d"


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("postgresql://h/d?sslmode=maybe", "unknown value of sslmode"),
        ("postgresql://h/d?application_name=x", "has the option 'application_name'"),
        ("postgresql://h:70000/d", "a port from 1 to 65535"),
        ("postgresql+psycopg2://h/d", "must begin with postgresql://"),
        ("postgresql://u:secret@h:x/d", "must be postgresql://user:password@host:port/database"),
        ("postgresql://u:secret@h/d\n", "on one line"),
        ("postgresql://h/d?prepared_statement_cache_size=many", "must have a number"),
    ],
)
def test_a_database_that_cannot_be_asked_for_is_a_problem(url: str, problem: str) -> None:
    with pytest.raises(ValueError, match=r".*") as refused:
        database_url(url)
    assert problem in str(refused.value)
    assert "secret" not in str(refused.value)


def test_the_mode_of_tls_may_be_called_as_elsewhere() -> None:
    url = database_url("postgresql://u:p@h/d?sslmode=require")
    assert dict(url.query) == {"ssl": "require"}
    assert url.drivername == "postgresql+asyncpg"
