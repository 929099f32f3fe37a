"""The Python client passes the scenarios; what is broken on purpose does not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.conformance.__main__ import play
from tests.conformance.languages import languages
from tests.conformance.scenarios import CAPABILITIES, Scenario, load
from tests.conformance.table import failures, table

SCENARIOS = load()


def _of(file: str) -> list[Scenario]:
    return [scenario for scenario in SCENARIOS if scenario.file == file]


def test_there_are_at_least_60_scenarios_and_one_for_each_capability() -> None:
    assert len(SCENARIOS) >= 60
    assert {need for scenario in SCENARIOS for need in scenario.needs} == CAPABILITIES


@pytest.mark.parametrize("file", sorted({scenario.file for scenario in SCENARIOS}))
async def test_the_python_client_conforms(file: str) -> None:
    scenarios = _of(file)
    results = await play([languages()["python"]], scenarios)
    assert not failures(results), table(scenarios, results) + failures(results)
    assert all(one.played for one in results["python"]), table(scenarios, results)


WRONG_SCENARIO = """
- name: wrong
  about: It expects another answer than the right one.
  steps:
    - connect: {client: sis, role: publisher}
    - call: {client: sis, method: AccessService/GetCaller, request: {}}
      expect: {response: {roles: [ROLE_MONITOR]}}
- name: right
  about: A wrong scenario does not disturb the next.
  steps:
    - connect: {client: sis, role: publisher}
    - call: {client: sis, method: AccessService/GetCaller, request: {}}
      expect: {response: {roles: [ROLE_PUBLISHER]}}
"""


async def test_a_wrong_scenario_turns_red(tmp_path: Path) -> None:
    (tmp_path / "wrong.yaml").write_text(WRONG_SCENARIO, encoding="utf-8")
    scenarios = load(tmp_path)
    results = await play([languages()["python"]], scenarios)
    assert [bool(one.fault) for one in results["python"]] == [True, False]
    marks = [line.split() for line in table(scenarios, results).splitlines()[1:3]]
    assert marks == [["wrong", "FAIL"], ["right", "pass"]]
    assert "expected 'ROLE_MONITOR', found 'ROLE_PUBLISHER'" in failures(results)


BROKEN_CLIENTS = {
    "no-retries": "retried-reading",
    "no-resending": "publisher-over-cut-connections",
    "no-deadline": "default-deadline",
    "no-reasons": "publish-key-reused",
}


async def test_a_broken_client_turns_red_where_it_is_broken() -> None:
    python = languages()["python"]
    broken = [
        replace(
            python,
            name=fault,
            command=(*python.command[:2], "tests.conformance.broken_runner", fault),
        )
        for fault in BROKEN_CLIENTS
    ]
    chosen = [one for one in SCENARIOS if one.name in BROKEN_CLIENTS.values()]
    results = await play(broken, chosen)
    red = {
        fault: {one.scenario.name for one in played if one.fault}
        for fault, played in results.items()
    }
    assert red == {fault: {name} for fault, name in BROKEN_CLIENTS.items()}, failures(results)
