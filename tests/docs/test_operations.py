"""The operations page names every key, metric and log field that there is, and no other."""

from __future__ import annotations

import re

from schoolbell_server.observability.log import FIELDS
from schoolbell_server.observability.metrics import Metrics
from tests.docs.pages import first_cells, read, section
from tests.docs.settings import defaults

_PAGE = read("docs/operations.md")
_ROW = re.compile(r"^\| `([^`]+)` \| (\S+) \|", re.MULTILINE)
_NAME = re.compile(r"`(\w+)`")


def test_the_table_of_the_configuration_says_every_key_and_its_default() -> None:
    assert _ROW.findall(section(_PAGE, "## Configuration")) == list(defaults())


def test_the_metrics_are_those_that_there_are() -> None:
    served = {family.name for family in Metrics().registry.collect()}
    assert set(first_cells(section(_PAGE, "## Health, log, metrics"))) == served


def test_the_log_fields_are_those_that_are_written() -> None:
    named = section(_PAGE, "## Health, log, metrics").split("Fields: ", 1)[1].split(".", 1)[0]
    assert set(_NAME.findall(named)) == FIELDS
