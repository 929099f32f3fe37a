"""What others named is printed so that it shows, and does nothing else."""

from __future__ import annotations

import json
import re
from typing import Any

import click
import pytest
from click.testing import CliRunner
from google.protobuf.message import Message
from google.protobuf.struct_pb2 import Struct
from rich.console import Console

from schoolbell.cli.groups import Root
from schoolbell.cli.output import Form, Output, columns, to_data
from schoolbell.cli.printing import escape, escape_json, say
from schoolbell.cli.values import message_text
from schoolbell.v1.access_service_pb2 import ErasePersonDataResponse
from schoolbell.v1.roster_pb2 import School
from schoolbell.v1.roster_service_pb2 import SetActiveSchoolYearResponse
from schoolbell.v1.status_service_pb2 import CancelDeliveriesResponse

HOSTILE = [
    "\x1b[2J\x1b]0;title\x07",
    "a\r\nforged line",
    "a\x7f\x85\x9b31mb",
    "\u202egnp.exe\u2066\u200f",
    "a\u2028b\u2029c",
    "\x00",
    "a\u00adb\ufeff",
]
SEEN = [
    "Ada Lovelace",
    "Schüler",
    "学校",
    "\u0646\u0645\u06cc\u200c\u062e",
    "👨\u200d👩\u200d👧",
    "[bold]x[/bold]",
    ":smile:",
    "back\\slash",
]


@pytest.mark.parametrize("text", HOSTILE, ids=ascii)
def test_what_moves_or_hides_is_escaped(text: str) -> None:
    shown = escape(text)
    assert shown.isprintable()
    assert len(shown.splitlines()) == 1
    assert "\\" in shown


@pytest.mark.parametrize("text", SEEN)
def test_what_is_seen_stays(text: str) -> None:
    assert escape(text) == text
    assert json.loads(escape_json(json.dumps(text, ensure_ascii=False))) == text


@pytest.mark.parametrize("text", [*HOSTILE, *SEEN], ids=ascii)
def test_json_means_the_same(text: str) -> None:
    message = Struct()
    message.update({"name": text})
    shown = Output(Form.JSON).dumped(to_data(message))
    assert json.loads(shown) == {"name": text}
    if text in HOSTILE:
        assert shown.isprintable()


def test_whole_numbers_of_the_audit_log_are_shown_as_such() -> None:
    after = Struct()
    told: dict[str, Any] = {"cancelled": 3, "parts": [{"step": 1}], "percent": 68.5, "whole": True}
    after.update(told)
    shown = message_text(after)
    assert json.loads(shown) == told
    assert ".0" not in shown


@pytest.mark.parametrize("text", [*HOSTILE, *SEEN], ids=ascii)
def test_a_table_shows_every_letter_of_a_cell(
    text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    output = Output(console=Console(width=400))
    named = ("name", lambda _one: text)
    output.rows([School(school_id="elm")], columns("school=school_id", named), "schools")
    assert escape(text) in capsys.readouterr().out


@pytest.mark.parametrize("text", HOSTILE, ids=ascii)
def test_lines_and_errors_of_a_command_are_escaped(text: str) -> None:
    @click.group(cls=Root)
    def root() -> None:
        """Have one command."""

    @root.command()
    def command() -> None:
        say(text)
        raise click.ClickException(text)

    result = CliRunner().invoke(root, ["command"])
    assert result.exit_code == 1
    assert all(letter.isprintable() or letter == "\n" for letter in result.output)


@pytest.mark.parametrize("form", Form)
@pytest.mark.parametrize(
    "answer",
    [
        CancelDeliveriesResponse(),
        SetActiveSchoolYearResponse(active_school_year=2028),
        ErasePersonDataResponse(),
    ],
    ids=lambda answer: answer.DESCRIPTOR.name,
)
def test_a_count_of_nothing_is_an_answer(
    form: Form, answer: Message, capsys: pytest.CaptureFixture[str]
) -> None:
    Output(form, Console(width=400)).message(answer)
    assert re.search(r"[cC]ount\W+0\b", capsys.readouterr().out)
