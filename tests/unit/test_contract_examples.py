"""The examples in the contract's comments are messages: each parses, and each kind has one.

A comment shows an example so, in protobuf's mapping to JSON:

    // Example, a Change:
    // ```json
    // {"key": {"source": "sis", "changeId": "1"}, …}
    // ```

Words may follow the message's name, as in "Example, a Change of a posted grade:".
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from google.protobuf.descriptor import Descriptor
from google.protobuf.json_format import Parse
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from schoolbell.v1.change_pb2 import Change
from tests.unit.contract import comments, messages

_FENCE = re.compile(r"^```json\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_INTRODUCTION = re.compile(r"^Example, an? ([A-Z]\w*)[^\n]*:$")

TYPES: dict[str, Descriptor] = {message.name: message for message in messages()}


@dataclass(frozen=True, slots=True)
class Example:
    """A block of a comment."""

    file: str
    introduction: str
    """The line before the block."""
    json: str

    @property
    def type(self) -> str:
        """Return the name of the message that it is, else an empty text."""
        found = _INTRODUCTION.match(self.introduction)
        return found[1] if found else ""

    def parse(self) -> Message:
        """Return the message; ParseError if it is none of its type."""
        return Parse(self.json, GetMessageClass(TYPES[self.type])())


def examples(commented: Iterator[tuple[str, str]]) -> list[Example]:
    """Return the examples of comments."""
    return [
        Example(file, text[: block.start()].rstrip("\n").rpartition("\n")[2], block[1])
        for file, text in commented
        for block in _FENCE.finditer(text)
    ]


EXAMPLES = examples(comments())


def test_every_example_says_which_message_it_is() -> None:
    assert not [one for one in EXAMPLES if one.type not in TYPES]


@pytest.mark.parametrize("example", EXAMPLES or [None], ids=str)
def test_an_example_is_that_message(example: Example | None) -> None:
    assert example is not None, "the contract has no examples"
    assert example.parse().ByteSize()


def test_every_sort_of_change_has_an_example() -> None:
    changes = [one.parse() for one in EXAMPLES if one.type == "Change"]
    shown = {one.WhichOneof("payload") for one in changes}
    kinds = {field.name for field in Change.DESCRIPTOR.oneofs_by_name["payload"].fields}
    assert kinds - shown == set()


def test_examples_are_found_in_comments() -> None:
    text = 'One.\n\nExample, a Change of a kind:\n```json\n{"studentId": "s1"}\n```\nMore.\n'
    (found,) = examples(iter([("file", text)]))
    assert found.type == "Change"
    assert found.parse() == Change(student_id="s1")
    (other,) = examples(iter([("file", "Such as:\n```json\n{}\n```\n")]))
    assert other.type == ""
