"""The table of a run: scenario by language."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tests.conformance.play import Result
from tests.conformance.scenarios import Scenario


def table(scenarios: Sequence[Scenario], results: Mapping[str, Sequence[Result]]) -> str:
    """Return the table as text, a line a scenario, and how many passed at its end."""
    width = max((len(scenario.name) for scenario in scenarios), default=0) + 2
    lines = ["scenario".ljust(width) + "".join(name.ljust(12) for name in results)]
    for number, scenario in enumerate(scenarios):
        marks = (_mark(played[number]) for played in results.values())
        lines.append(scenario.name.ljust(width) + "".join(mark.ljust(12) for mark in marks))
    sums = (f"{sum(_mark(one) == 'pass' for one in played)}" for played in results.values())
    total = f"passed, of {len(scenarios)}"
    lines.append(total.ljust(width) + "".join(one.ljust(12) for one in sums))
    return "\n".join(line.rstrip() for line in lines)


def failures(results: Mapping[str, Sequence[Result]]) -> str:
    """Return each failure with its reason; '' if there is none."""
    return "".join(
        f"\n{name}: {one.scenario.name} ({one.scenario.file}.yaml): {one.fault}\n"
        for name, played in results.items()
        for one in played
        if one.fault
    )


def _mark(result: Result) -> str:
    if not result.played:
        return "-"
    return "FAIL" if result.fault else "pass"
