"""The command can do everything that the contract can: each RPC has a command, and it works."""

from __future__ import annotations

import asyncio
import json
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result
from google.protobuf import json_format

from schoolbell.cli.main import main
from schoolbell.v1.device_service_pb2 import DeviceRegistration
from tests.service.command_calls import LINES, Line
from tests.service.observed import observed
from tests.service.scene import FATHER, grade, phone, populate, register
from tests.service.test_metrics import scrape
from tests.service.whole import DISTRICT, Whole
from tests.unit.contract import methods
from tests.unit.oneroster.test_dirty_extracts import CASES

STUBS = {
    "AccessService": "access",
    "ChangeService": "changes",
    "DeviceService": "devices",
    "DistrictService": "districts",
    "RosterService": "roster",
    "SettingsService": "settings",
    "StatusService": "status",
    "SubscriptionService": "subscriptions",
}
RPCS = {f"{STUBS[one.containing_service.name]}.{one.name}" for one in methods()}
WATCHED = "status.WatchStatus"
"""Has no end: tried where the command watches."""


def leaves(group: click.Group, before: str = "") -> Iterator[tuple[str, click.Command]]:
    """Yield every command by its words."""
    for name, command in group.commands.items():
        words = f"{before} {name}".strip()
        if isinstance(command, click.Group):
            yield from leaves(command, words)
        else:
            yield words, command


def test_every_rpc_of_the_contract_has_a_command() -> None:
    callers: dict[str, list[str]] = {rpc: [] for rpc in sorted(RPCS)}
    for words, command in leaves(main):
        for rpc in getattr(command, "calls", ()):
            callers[rpc].append(words)
    assert not [rpc for rpc, found in callers.items() if not found], callers
    assert len(callers) == len(RPCS) == 65


def test_every_rpc_is_tried() -> None:
    assert {line.rpc for line in LINES} | {WATCHED} == RPCS


def test_every_help_has_an_example_that_is_a_command_line() -> None:
    for words, command in leaves(main):
        examples = getattr(command, "examples", ())
        assert examples, words
        for example in examples:
            kept = shlex.split(example.split("#")[0].split("<")[0].split(">")[0])
            assert words.split()[-1] in kept, example
            result = CliRunner().invoke(main, [*words.split(), "--help"])
            assert result.exit_code == 0, result.output
            assert f"  schoolbell {example}" in result.output


async def test_every_command_makes_its_call(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    ids = files(tmp_path)
    async with observed(tmp_path, caplog) as it:
        await populate(it.service)
        await register(it.service, phone(FATHER))
        for line in LINES:
            result = await invoke(it.service, line, ids)
            assert result.exit_code == 0, (line.text, result.output)
            for said in result.stdout.splitlines():
                assert isinstance(json.loads(said), dict), "one object a line"
            keep(line, result.stdout, ids)
        answered = {
            labels["grpc_method"].partition("/")[2]
            for (name, found), value in (await scrape(it.port)).items()
            if name == "grpc_server_call_duration_seconds_count"
            and (labels := dict(found))["grpc_status"] == "OK"
            and value
        }
    wanted = {line.rpc.partition(".")[2] for line in LINES}
    assert wanted <= {one.rpartition("/")[2] for one in answered}


def files(folder: Path) -> dict[str, str]:
    """Write the files that the lines read; return their names by the words for them."""
    change = json_format.MessageToJson(grade("g1", 61), indent=None)
    other = json_format.MessageToJson(grade("g2", 62), indent=None)
    one = phone(FATHER, number=2)
    device = DeviceRegistration(user_id=one.user_id, device=one.device, address=one.address)
    texts = {
        "change": change,
        "feed": f"{change}\n{other}\n",
        "devices": json_format.MessageToJson(device, indent=None),
    }
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")
    return {name: str(folder / name) for name in texts} | {"extract": str(CASES / "sound")}


async def invoke(service: Whole, line: Line, ids: dict[str, str]) -> Result:
    """Run a command line as a caller of its role."""
    connection = service.connection(line.role)
    environment = {
        "SCHOOLBELL_TARGET": connection.target,
        "SCHOOLBELL_KEY": connection.key,
        "SCHOOLBELL_CA_FILE": str(service.config.server.data_dir / "tls" / "ca.pem"),
        "SCHOOLBELL_DISTRICT": DISTRICT,
    }
    words = line.text
    for name, value in ids.items():
        words = words.replace(f"{{{name}}}", value)
    runner = CliRunner(env=environment)
    return await asyncio.to_thread(runner.invoke, main, ["--json", *shlex.split(words)])


def keep(line: Line, out: str, ids: dict[str, str]) -> None:
    """Remember an id of an answer under the name that later lines have for it."""
    if line.keeps:
        name, _, path = line.keeps.partition("=")
        found: Any = json.loads(out.splitlines()[0])
        for part in path.split("."):
            found = found[part]
        ids[name] = found
