"""How templates show what others wrote: it stays what it is, and in its place."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp
from markupsafe import Markup

from schoolbell.texts import cut, readable
from schoolbell.v1.roster_pb2 import User
from schoolbell_console.facts import fact_name, fact_source, fact_value

_LONGEST = 160  # characters of a name in a line


def said(text: str, longest: int = _LONGEST) -> Markup:
    """Return what somebody wrote: cut, without controls, and its direction kept to itself."""
    return Markup("<bdi>{}</bdi>").format(cut(readable(text), longest))


def whole(text: str) -> Markup:
    """Return what somebody wrote, not cut."""
    return said(text, 2000)


def short(identifier: str) -> Markup:
    """Return the beginning of a UUID, the whole of it as a title."""
    return Markup('<code title="{}">{}</code>').format(identifier, identifier[:8])


def stamp(time: Timestamp, words: Any, *, seconds: bool = False) -> Markup:
    """Return a time in words, for machines too."""
    text = words.time(time, seconds=seconds)
    if not text:
        return Markup("&ndash;")
    return Markup('<time datetime="{}">{}</time>').format(time.ToJsonString(), text)


def name_of(user: User) -> str:
    """Return how people call a person; their id where the roster has no name."""
    names = user.names
    first = names.preferred_name or names.given_name
    return " ".join(part for part in (first, names.family_name) if part) or user.user_id


FILTERS: dict[str, Callable[..., Any]] = {
    "said": said,
    "whole": whole,
    "short": short,
    "stamp": stamp,
    "name": name_of,
    "fact_name": fact_name,
    "fact_value": fact_value,
    "fact_source": fact_source,
}
