"""Print what the service answers: as a table, as a wide one, as JSON Lines, or as YAML.

JSON and YAML go the same way for answers, lists, counts and errors. A table fits its terminal: the
columns that may go do, and what is still too long folds; nothing is shortened.
"""

from __future__ import annotations

import json
import os
import textwrap
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import click
from google.protobuf import json_format
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from schoolbell.cli import values
from schoolbell.cli.printing import escape, escape_json


class Form(StrEnum):
    """How answers are printed."""

    TABLE = "table"
    WIDE = "wide"
    JSON = "json"
    YAML = "yaml"


_GOOD, _WAITING, _BAD, _OVER = "green", "yellow", "red", "dim"
_STYLES = {
    **dict.fromkeys(("ACCEPTED", "DISPLAYED", "OPENED", "APPLIED", "VALIDATED"), _GOOD),
    **dict.fromkeys(("ACTIVE", "CONNECTED", "CLOSED", "PASSED"), _GOOD),
    **dict.fromkeys(("PENDING", "HELD", "SENDING", "UNCERTAIN", "DEGRADED", "HALF_OPEN"), _WAITING),
    **dict.fromkeys(("RECEIVING", "APPLYING", "WARNING"), _WAITING),
    **dict.fromkeys(("REJECTED", "FAILED", "REFUSED", "ABANDONED", "INACTIVE"), _BAD),
    **dict.fromkeys(("DISCONNECTED", "OPEN", "ERROR"), _BAD),
    **dict.fromkeys(("EXPIRED", "CANCELLED"), _OVER),
}


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a list: its title, and where its value is."""

    title: str
    value: str | Callable[[Any], str]
    """A dotted path of fields, or what makes the text of a message."""
    rank: int = 0
    """0 stays; 1 goes where there is no room; 2 is only in the wide table."""

    def cell(self, message: Message) -> Text:
        """Return the text of a message in this column, in the color of a state."""
        is_state = False
        if not callable(self.value):
            field, _ = values.get(message, self.value)
            is_state = field is not None and bool(field.enum_type)
        return cell(self.text(message), is_state=is_state)

    def text(self, message: Message) -> str:
        """Return the text of a message in this column."""
        if callable(self.value):
            return self.value(message)
        return values.text(*values.get(message, self.value))


def columns(*specs: str | tuple[str, Callable[[Any], str]]) -> tuple[Column, ...]:
    """Return columns by `title=path`, or (title, function); `?` may go, `+` is only wide."""
    found = []
    for spec in specs:
        title, value = spec.split("=") if isinstance(spec, str) else spec
        rank = {"?": 1, "+": 2}.get(title[0], 0)
        found.append(Column(title.lstrip("?+"), value, rank))
    return tuple(found)


def cell(text: str, *, is_state: bool = True) -> Text:
    """Return a value, in the color of its state on a terminal."""
    return Text(escape(text), style=_STYLES.get(text, "") if is_state else "")


class Output:
    """Where and how a run of the command prints."""

    def __init__(self, form: Form = Form.TABLE, console: Console | None = None) -> None:
        self.form = form
        self.console = console or make_console()

    @property
    def is_for_people(self) -> bool:
        """Return whether tables are printed, not data."""
        return self.form in (Form.TABLE, Form.WIDE)

    def message(self, message: Message) -> None:
        """Print one message."""
        if self.is_for_people:
            self.console.print(detail(message))
        else:
            self.data(to_data(message))

    def rows(self, messages: Sequence[Message], shown: Sequence[Column], nothing: str) -> None:
        """Print a list; `nothing` says of an empty one what there is none of."""
        if not self.is_for_people:
            for message in messages:
                self.data(to_data(message))
        elif not messages:
            click.echo(f"No {nothing}.", err=True)
        else:
            self.console.print(self.table(messages, shown))

    def counts(self, **counts: int) -> None:
        """Print numbers by their names: one a line, or one object."""
        if self.is_for_people:
            for name, count in counts.items():
                click.echo(f"{name.replace('_', ' ')} {count}")
        else:
            self.data(counts)

    def note(self, text: str, **data: Any) -> None:
        """Print on stderr what is not the answer: a line for people, else an object."""
        click.echo(escape(text) if self.is_for_people else self.dumped(data), err=True)

    def line(self, text: str) -> None:
        """Print a line; on a terminal it folds between words, under its own beginning."""
        text = escape(text)
        if self.console.is_terminal:
            indent = " " * (len(text) - len(text.lstrip()))
            text = textwrap.fill(
                text,
                self.console.width,
                subsequent_indent=indent,
                break_long_words=False,
                break_on_hyphens=False,
            )
        click.echo(text)

    def data(self, found: Mapping[str, Any]) -> None:
        """Print an object as JSON on one line, or as a YAML document."""
        click.echo(self.dumped(found))

    def dumped(self, found: Mapping[str, Any]) -> str:
        """Return an object as JSON on one line, or as a YAML document."""
        if self.form is Form.YAML:
            return "---\n" + "\n".join(_yaml(found, ""))
        return escape_json(json.dumps(found, ensure_ascii=False))

    def table(self, messages: Sequence[Message], shown: Sequence[Column]) -> Table:
        """Return a list as a table with the columns for which there is room."""
        rank = 2 if self.form is Form.WIDE else 1
        kept = [column for column in shown if column.rank <= rank]
        if rank == 1:
            kept = [one for one in kept if not one.rank or any(map(one.text, messages))]
        table = _table(kept, messages)
        while _width(table) > self.console.width:
            going = [column for column in kept if column.rank == 1]
            if not going or self.form is Form.WIDE:
                break
            kept.remove(going[-1])
            table = _table(kept, messages)
        return table


def make_console(*, stderr: bool = False) -> Console:
    """Return a console; into a pipe or file, lines are as long as they are."""
    console = Console(stderr=stderr, highlight=False, emoji=False, markup=False)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = 100_000
    return console


def plain_table(*titles: str) -> Table:
    """Return an empty table as all lists of the command have it."""
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for title in titles:
        table.add_column(title.upper(), overflow="fold")
    table.columns[0].no_wrap = True  # what is copied to the next command
    return table


def _table(shown: Sequence[Column], messages: Iterable[Message]) -> Table:
    table = plain_table(*(column.title for column in shown))
    for message in messages:
        table.add_row(*(column.cell(message) for column in shown))
    return table


def _width(table: Table) -> int:
    """Return how many letters a table needs to show every cell on one line."""
    widest = (max(map(_cell_width, [column.header, *column.cells])) for column in table.columns)
    return sum(widest) + 2 * (len(table.columns) - 1)


def _cell_width(one: RenderableType) -> int:
    return one.cell_len if isinstance(one, Text) else len(str(one))


def detail(message: Message) -> Table:
    """Return a message as names and values: a grid, its parts within."""
    fields = sorted(
        [*message.ListFields(), *((field, 0) for field in zero_counts(message))],
        key=lambda one: one[0].number,
    )
    return pairs((values.words(field.name), _part(field, value)) for field, value in fields)


def zero_counts(message: Message) -> list[Any]:
    """Return the counts of a message that are 0: ProtoJSON leaves such answers out."""
    return [
        field
        for field in message.DESCRIPTOR.fields
        if field.name.endswith("_count")
        and field.cpp_type == FieldDescriptor.CPPTYPE_INT32
        and not field.has_presence
        and not getattr(message, field.name)
    ]


def pairs(rows: Iterable[tuple[str, RenderableType]]) -> Table:
    """Return names and values, one a line."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="bold", no_wrap=True)
    grid.add_column(overflow="fold")
    for name, value in rows:
        grid.add_row(name, value)
    return grid


def _part(field: Any, value: Any) -> RenderableType:
    if values.is_short(field):
        return cell(values.text(field, value), is_state=bool(field.enum_type))
    if not field.is_repeated:
        return detail(value)
    names = list(dict.fromkeys(one.name for message in value for one, _ in message.ListFields()))
    table = plain_table(*(values.words(name) for name in names))
    for message in value:
        table.add_row(*(Column(name, name).cell(message) for name in names))
    return table


def to_data(message: Message) -> dict[str, Any]:
    """Return a message as ProtoJSON has it, its counts also where they are 0."""
    found: dict[str, Any] = json_format.MessageToDict(message)
    return found | {field.json_name: 0 for field in zero_counts(message)}


def _yaml(value: Any, indent: str) -> list[str]:
    """Return the lines of a value as YAML; scalars are JSON, which YAML reads."""
    if isinstance(value, Mapping) and value:
        return [line for name, one in value.items() for line in _entry(_key(name), one, indent)]
    if isinstance(value, list) and value:
        return [line for one in value for line in _item(one, indent)]
    return [indent + escape_json(json.dumps(value, ensure_ascii=False))]


def _entry(name: str, value: Any, indent: str) -> list[str]:
    if isinstance(value, Mapping | list) and value:
        return [indent + name, *_yaml(value, f"{indent}  ")]
    return [f"{indent}{name} {_yaml(value, '')[0]}"]


def _key(name: str) -> str:
    plain = name.isidentifier() and name.lower() not in ("yes", "no", "on", "off", "true", "false")
    return f"{name if plain and name != 'null' else escape_json(json.dumps(name))}:"


def _item(value: Any, indent: str) -> list[str]:
    first, *rest = _yaml(value, f"{indent}  ")
    return [f"{indent}- {first.strip()}", *rest]
