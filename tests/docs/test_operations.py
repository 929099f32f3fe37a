"""The operations page names every key, metric and log field that there is, and no other."""

from __future__ import annotations

import re
from itertools import chain
from pathlib import Path

from schoolbell.v1 import status_pb2
from schoolbell_server.observability.log import FIELDS
from schoolbell_server.observability.metrics import Metrics
from schoolbell_server.processes.gathered_metrics import ParentMetrics
from tests.docs.pages import first_cells, read, section
from tests.docs.settings import defaults
from tests.docs.troubles import ALSO, TROUBLES

_PAGE = read("docs/operations.md")
_ROW = re.compile(r"^\| `([^`]+)` \| (\S+) \|", re.MULTILINE)
_TESTS = Path(__file__).parents[1]
_NAME = re.compile(r"`(\w+)`")
_SERVER = _TESTS.parent / "server"
_LOGGED = re.compile(r"""(?:\(|failure=|, )"([a-z][^"\n]* [^"\n]*)"(?:,|\))""")
_SHOWN = re.compile(r"`([^`{]+)[`{]")


def test_the_table_of_the_configuration_says_every_key_and_its_default() -> None:
    assert _ROW.findall(section(_PAGE, "## Configuration")) == list(defaults())


def test_the_metrics_are_those_that_there_are() -> None:
    registries = Metrics().registry, ParentMetrics(dict).registry
    served = {family.name for registry in registries for family in registry.collect()}
    assert set(first_cells(section(_PAGE, "## Health, log, metrics"))) == served


def test_the_log_fields_are_those_that_are_written() -> None:
    named = section(_PAGE, "## Health, log, metrics").split("Fields: ", 1)[1].split(".", 1)[0]
    assert set(_NAME.findall(named)) == FIELDS


def test_the_warnings_and_troubles_of_links_are_those_of_the_contract() -> None:
    named = first_cells(section(_PAGE, "## What the status says"))
    warnings = status_pb2.WarningCode.DESCRIPTOR.values[1:]
    troubles = status_pb2.LinkTrouble.DESCRIPTOR.values[1:]
    assert named == [
        *(one.name.removeprefix("WARNING_CODE_") for one in warnings),
        *(one.name.removeprefix("LINK_TROUBLE_") for one in troubles),
    ]


def _troubles() -> list[list[str]]:
    """Return the cells of each row of what may be wrong."""
    rows = section(_PAGE, "## When something is wrong").splitlines()
    return [row.removeprefix("| ").split(" | ") for row in rows if row.startswith("| ")][2:]


def test_every_trouble_is_caused_by_a_test() -> None:
    assert [row[0] for row in _troubles()] == list(TROUBLES), "in the page's order"
    assert ALSO.keys() <= TROUBLES.keys()
    for place in (*TROUBLES.values(), *chain.from_iterable(ALSO.values())):
        file, _, function = place.partition("::")
        assert f"def {function}" in (_TESTS / file).read_text(encoding="utf-8"), place


def test_its_tests_look_for_what_a_trouble_is_shown_by() -> None:
    """Each metric and each line of the log that a row names."""
    written = set(_LOGGED.findall("".join(map(_text, _SERVER.rglob("*.py")))))
    unseen = [
        (symptom, name)
        for symptom, shown, *_ in _troubles()
        for name in _SHOWN.findall(shown)
        if (name.startswith("schoolbell_") or name in written)
        and not any(f'"{name}' in _text(_TESTS / file) for file in _files(symptom))
    ]
    assert not unseen


def _files(symptom: str) -> set[str]:
    return {place.partition("::")[0] for place in (TROUBLES[symptom], *ALSO.get(symptom, ()))}


def _text(file: Path) -> str:
    return file.read_text(encoding="utf-8")
