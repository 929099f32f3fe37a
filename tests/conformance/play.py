"""Play scenarios with a runner and say what was not as expected."""

from __future__ import annotations

import asyncio
import itertools
import json
import tempfile
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from schoolbell import SchoolbellError
from tests.conformance.district import set_up
from tests.conformance.environment import Environment
from tests.conformance.languages import Language
from tests.conformance.matching import at_path, mismatches
from tests.conformance.runner import Runner, RunnerBroke, running
from tests.conformance.scenarios import DRIVER_STEPS, BadScenario, Scenario, Step
from tests.conformance.values import UnknownVariable, filled

_DISTRICTS = itertools.count(1)
_SHOWN = 1_500  # characters of an answer
_PATIENCE = 180.0  # seconds, of a scenario


@dataclass(frozen=True, slots=True)
class Result:
    """What became of a scenario in a language; no fault is a pass."""

    scenario: Scenario
    played: bool
    fault: str = ""


async def play_all(
    environment: Environment, language: Language, scenarios: Sequence[Scenario]
) -> AsyncIterator[Result]:
    """Play scenarios one by one; a runner that broke is started anew."""
    left = list(scenarios)
    while left:
        async with running(language.command, language.folder) as runner:
            while left:
                scenario = left.pop(0)
                if scenario.needs - runner.offers:
                    yield Result(scenario, played=False)
                    continue
                result, broke = await _guarded(environment, runner, scenario)
                yield result
                if broke:
                    break


async def _guarded(
    environment: Environment, runner: Runner, scenario: Scenario
) -> tuple[Result, bool]:
    broke = False
    try:
        async with asyncio.timeout(_PATIENCE):
            fault = await _play(environment, runner, scenario)
    except RunnerBroke as error:
        fault, broke = str(error), True
    except TimeoutError:
        fault, broke = "it took too long", True
    except (BadScenario, UnknownVariable, KeyError, SchoolbellError) as error:
        fault = f"the driver: {type(error).__name__}: {error}"
    # Clients of the scenario end with it, whatever state it left them in.
    if not broke:
        try:
            await runner.do("reset", {})
        except RunnerBroke as error:
            fault, broke = fault or str(error), True
    await environment.restore()
    return Result(scenario, played=True, fault=fault), broke


async def _play(environment: Environment, runner: Runner, scenario: Scenario) -> str:
    """Play a scenario; return what was wrong, or ''."""
    with tempfile.TemporaryDirectory() as name:
        district = await set_up(environment.server, f"district-{next(_DISTRICTS)}")
        variables = {**environment.variables(Path(name)), **district}
        for number, step in enumerate(scenario.steps, 1):
            wrong = await _do(environment, runner, step, variables)
            if wrong:
                lines = "\n".join(f"    {line}" for line in wrong)
                return f"step {number}, {step.op}:\n{lines}"
    return ""


async def _do(
    environment: Environment, runner: Runner, step: Step, variables: dict[str, Any]
) -> list[str]:
    arguments = filled(step.arguments, variables)
    if step.op in DRIVER_STEPS:
        answer = await environment.do(step.op, arguments, variables)
    else:
        if step.op == "connect":
            arguments = _connection(arguments, variables)
        if step.name:
            arguments = {**arguments, "as": step.name}
        answer = await runner.do(step.op, arguments)
    expected = filled(step.expect, variables) or {}
    if "error" in expected:
        wrong = mismatches(expected, answer)
    elif "error" in answer:
        wrong = [f"failed: {answer['error']}"]
    else:
        wrong = mismatches(expected, answer["ok"])
    if wrong:
        return [*wrong, f"the answer was {json.dumps(answer)[:_SHOWN]}"]
    for name, path in (step.keep or {}).items():
        variables[name] = at_path(answer["ok"], path)
    return []


def _connection(given: dict[str, Any], variables: dict[str, Any]) -> dict[str, Any]:
    """Return the fields of `connect` that a runner is given."""
    fields = {key: value for key, value in given.items() if key not in ("role", "through", "bare")}
    if not given.get("bare"):
        through = given.get("through", "server")
        fields.setdefault("target", variables[through])
        if through == "relay":
            fields["plaintext"] = True
        else:
            fields.setdefault("ca_file", variables["ca_file"])
    if "role" in given:
        fields.setdefault("key", variables[f"key_{given['role']}"])
    return fields
