"""The operations page names every key, metric and log field that there is, and no other."""

from __future__ import annotations

import re
from pathlib import Path

from schoolbell.v1 import status_pb2
from schoolbell_server.observability.log import FIELDS
from schoolbell_server.observability.metrics import Metrics
from schoolbell_server.processes.gathered_metrics import ParentMetrics
from tests.docs.pages import first_cells, read, section
from tests.docs.settings import defaults
from tests.docs.troubles import TROUBLES

_PAGE = read("docs/operations.md")
_ROW = re.compile(r"^\| `([^`]+)` \| (\S+) \|", re.MULTILINE)
_TESTS = Path(__file__).parents[1]
_NAME = re.compile(r"`(\w+)`")


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


def test_every_trouble_is_caused_by_a_test() -> None:
    rows = section(_PAGE, "## When something is wrong").splitlines()
    told = [row.split(" | ")[0].removeprefix("| ") for row in rows if row.startswith("| ")]
    assert told[2:] == list(TROUBLES), "in the page's order"
    for place in TROUBLES.values():
        file, _, function = place.partition("::")
        assert f"def {function}" in (_TESTS / file).read_text(encoding="utf-8"), place
