"""The page of the command says what the command says."""

from __future__ import annotations

from schoolbell.cli.failing import CODES
from schoolbell.cli.main import main
from tests.docs.pages import read, section
from tests.service.test_command_calls import RPCS, leaves

_PAGE = read("docs/command.md")


def _rows(heading: str) -> list[list[str]]:
    lines = section(_PAGE, heading).splitlines()
    rows = [line.strip("| ").split(" | ") for line in lines if line.startswith("| ")]
    return rows[2:]


def test_the_exit_codes_are_those_of_the_help() -> None:
    told = [line.split(None, 1) for line in CODES.splitlines()[2:]]
    assert _rows("## Exit codes") == told


def test_every_call_is_listed_with_its_commands() -> None:
    callers: dict[str, set[str]] = {rpc: set() for rpc in RPCS}
    for words, command in leaves(main):
        for rpc in getattr(command, "calls", ()):
            callers[rpc].add(words)
    rows = {
        row[0].strip("`"): {word.strip("`") for word in row[1].split(", ")}
        for row in _rows("## Which command makes which call")
    }
    assert rows == callers
