"""Profiles, forms of output, exit codes and waiting: what all commands have in common."""

from __future__ import annotations

import asyncio
import json
import stat
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result

from schoolbell.cli.main import main
from schoolbell.v1 import access_service_pb2 as access
from tests.programs import run
from tests.service.command import schoolbell
from tests.service.ports import free_port
from tests.service.scene import CALENDAR, STUDENT, grade, populate, publish
from tests.service.whole import DISTRICT, Whole, whole


async def bare(
    folder: Path, *arguments: str, typed: str | bytes = "", **environment: str | None
) -> Result:
    """Run the command with nothing of the environment but a folder for profiles."""
    names = ("TARGET", "KEY", "KEY_FILE", "CA_FILE", "DISTRICT")
    without: dict[str, str | None] = {f"SCHOOLBELL_{name}": None for name in names}
    kept = {**without, "SCHOOLBELL_PROFILES": str(folder / "profiles"), **environment}
    runner = CliRunner(env=kept)
    return await asyncio.to_thread(runner.invoke, main, list(arguments), input=typed)


def ca_file(service: Whole) -> str:
    return str(service.config.server.data_dir / "tls" / "ca.pem")


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
async def test_a_login_takes_the_place_of_exports(tmp_path: Path, encoding: str) -> None:
    async with whole(tmp_path) as service:
        await populate(service)
        connection = service.connection(access.ROLE_MONITOR)
        key = tmp_path / "monitor.key"
        key.write_text(f"{connection.key}\r\n", encoding=encoding)
        place = ("--target", connection.target, "--ca-file", ca_file(service))
        made = await bare(tmp_path, "login", *place, "--key-file", str(key))
        assert made.exit_code == 0, made.output
        assert f"as monitor for {DISTRICT}" in made.stderr
        assert connection.key not in made.output
        profile = tmp_path / "profiles" / "default.json"
        assert (mode(profile), mode(profile.parent)) == (0o600, 0o700)
        key.unlink()
        assert "ACTIVE" in (await bare(tmp_path, "status")).output
        typed = await bare(tmp_path, "--profile", "t", "login", *place, typed=f"{connection.key}\n")
        assert typed.exit_code == 0, typed.output
        named = await bare(tmp_path, "status", "--profile", "t", SCHOOLBELL_TARGET="localhost:1")
        assert "ACTIVE" in named.output, "a profile that is named stands before the environment"
        assert (await bare(tmp_path, "logout")).exit_code == 0
        after = await bare(tmp_path, "status")
        assert (after.exit_code, "schoolbell login" in after.output) == (3, True)
        again = await bare(tmp_path, "logout")
        assert again.exit_code == 4


async def test_a_login_with_a_bad_key_stores_nothing(tmp_path: Path) -> None:
    async with whole(tmp_path) as service:
        await service.create_district()
        place = ("--target", service.connection().target, "--ca-file", ca_file(service))
        for typed, words in (("sb_none_none\n", "does not know"), ("not a key\n", "has spaces")):
            refused = await bare(tmp_path, "login", *place, typed=typed)
            assert refused.exit_code == 3
            assert words in refused.output
        assert not (tmp_path / "profiles").exists()


async def test_a_key_is_written_where_only_its_owner_reads_it(tmp_path: Path) -> None:
    async with whole(tmp_path) as service:
        await service.create_district()
        out = tmp_path / "publisher.key"
        command = ("keys", "create", "--role", "publisher", "--name", "sis", "--out", str(out))
        made = await schoolbell(service, access.ROLE_OPERATOR, *command)
        assert (made.code, made.out) == (0, ""), made.err
        assert mode(out) == 0o600
        before = out.read_text()
        assert before.startswith("sb_")
        again = await schoolbell(service, access.ROLE_OPERATOR, *command)
        assert again.code == 1
        assert "is there already" in again.err
        assert out.read_text() == before
        denied = tmp_path / "denied.key"
        refused = await schoolbell(service, access.ROLE_MONITOR, *command[:-1], str(denied))
        assert refused.code == 3
        assert not denied.exists()


async def test_every_form_says_the_same(tmp_path: Path) -> None:
    async with whole(tmp_path) as service:
        await populate(service)
        await publish(service, grade("g1", 90), grade("g2", 91))

        async def ask(form: str, *command: str) -> Any:
            return await schoolbell(service, access.ROLE_ADMINISTRATOR, *command, "-o", form)

        for command in (("changes", "list"), ("students", "get", STUDENT), ("settings", "get")):
            as_json = (await ask("json", *command)).out
            as_yaml = (await ask("yaml", *command)).out
            objects = [json.loads(line) for line in as_json.splitlines()]
            assert objects == list(yaml.safe_load_all(as_yaml)), command
        table, wide = [(await ask(form, "changes", "list")).out for form in ("table", "wide")]
        assert "\x1b" not in table + wide
        assert "DISTRICT" in wide.splitlines()[0]
        assert len(table.splitlines()) == len(wide.splitlines()) == 3
        empty = await ask("table", "changes", "list", "--student", "nobody")
        assert (empty.out, empty.err) == ("", "No changes.\n")
        missing = [await ask(form, "students", "get", "nobody") for form in ("json", "yaml")]
        (told,) = [json.loads(line) for line in missing[0].err.splitlines()]
        assert told == yaml.safe_load(missing[1].err)
        assert (told["error"]["code"], told["error"]["reason"]) == (
            "NOT_FOUND",
            "STUDENT_NOT_FOUND",
        )


CODES: dict[str, tuple[int, tuple[str, ...]]] = {
    "done": (0, ("students", "list")),
    "refused": (1, ("users", "list", "m")),
    "not understood": (2, ("deliveries", "list", "--state", "odd")),
    "denied": (3, ("changes", "list", "--key-file", "no-such-file")),
    "not there": (4, ("students", "get", "nobody")),
    "not reached": (5, ("status", "--target", "localhost:1")),
}


async def test_each_sort_of_ending_has_its_exit_code(tmp_path: Path) -> None:
    async with whole(tmp_path) as service:
        await populate(service)
        for case, (code, command) in CODES.items():
            ended = await schoolbell(service, access.ROLE_ADMINISTRATOR, *command)
            assert ended.code == code, (case, ended)
            assert "Traceback" not in ended.err
            assert not ended.code or ended.err.splitlines()[-1].startswith("Error: ")


async def test_a_service_that_is_not_there_is_waited_for_when_asked(tmp_path: Path) -> None:
    port = free_port()
    place = {"SCHOOLBELL_TARGET": f"localhost:{port}", "SCHOOLBELL_KEY": "sb_a_b"}
    ended = await bare(tmp_path, "server-info", "--timeout", "1", **place)
    assert ended.exit_code == 5
    assert ended.output == (
        f"Error: localhost:{port} does not answer: connection refused; start the server, "
        "correct --target, or --wait for it\n"
    )
    told = await bare(tmp_path, "server-info", "--timeout", "1", "--output", "json", **place)
    assert json.loads(told.output)["error"]["code"] == "UNAVAILABLE"
    waited = await bare(tmp_path, "server-info", "--timeout", "1", "--wait", **place)
    assert waited.exit_code == 5
    assert waited.output.startswith(f"waiting for localhost:{port}: connection refused\n")


async def test_a_settings_page_is_read_by_people(tmp_path: Path) -> None:
    async with whole(tmp_path) as service:
        await populate(service)
        saved = await schoolbell(
            service,
            access.ROLE_ADMINISTRATOR,
            *("settings", "set", "--hold", "grade=10m", "--time-to-live", "grade=2d"),
            *("--keep-deliveries", "60d", "--enrollment-grace", "30d"),
        )
        assert saved.code == 0, saved.err
        page = await schoolbell(service, access.ROLE_ADMINISTRATOR, "settings", "get")
        lines = [line.split() for line in page.out.splitlines()]
        assert ["Deliveries", "are", "kept", "60d"] in lines
        assert ["Changes", "are", "kept", "400d"] in lines
        assert ["Enrollment", "grace", "30d"] in lines
        assert ["GRADE", "2d", "10m", "on", "on"] in lines
        again = ("settings", "set", "--hold", "attendance=5m")
        await schoolbell(service, access.ROLE_ADMINISTRATOR, *again)
        page = await schoolbell(service, access.ROLE_ADMINISTRATOR, "settings", "get")
        lines = [line.split() for line in page.out.splitlines()]
        assert ["GRADE", "2d", "10m", "on", "on"] in lines, "one kind leaves the others alone"
        wrong = await schoolbell(
            service, access.ROLE_ADMINISTRATOR, "settings", "set", "--hold", "grade=ten"
        )
        assert (wrong.code, "'ten' is no span, such as 30d" in wrong.err) == (2, True)


async def test_an_unknown_calendar_is_refused_with_those_of_the_student(tmp_path: Path) -> None:
    async with whole(tmp_path) as service:
        await populate(service)
        feed = tmp_path / "feed.jsonl"
        feed.write_text(
            '{"key": {"source": "sis", "changeId": "c"}, "studentId": "student-1", '
            '"calendarId": "nowhere", "occurTime": "2026-11-24T08:15:00Z", "grade": '
            '{"sectionId": "a", "gradingTask": "t", "gradingPeriod": "p", "percent": 90}}'
        )
        ended = await schoolbell(service, access.ROLE_PUBLISHER, "changes", "publish", str(feed))
        assert ended.code == 1
        assert f"no calendar nowhere, and {STUDENT} has the calendars {CALENDAR}" in ended.err


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
async def test_a_shell_learns_to_complete(shell: str) -> None:
    ended = await run(sys.executable, "-m", "schoolbell", "completion", shell)
    assert ended.code == 0, ended.err
    assert "_SCHOOLBELL_COMPLETE" in ended.out


async def test_what_goes_to_stderr_is_an_object_a_line_too(tmp_path: Path) -> None:
    feed = tmp_path / "feed.jsonl"
    feed.write_text('{"grade": {"percent": 0.5}}\n{broken\n', encoding="utf-8")
    async with whole(tmp_path) as service:
        await populate(service)
        ended = await schoolbell(
            service, access.ROLE_PUBLISHER, "--json", "changes", "publish", str(feed)
        )
        assert ended.code == 1
        assert json.loads(ended.out) == {"accepted": 0, "duplicate": 0, "refused": 2}
        warning, first, second = [json.loads(line) for line in ended.err.splitlines()]
        assert warning["warning"].startswith("every percentage of the feed (1)")
        assert (first["line"], second["line"]) == (1, 2)
        assert second["error"] == "is not JSON from column 2 on"
