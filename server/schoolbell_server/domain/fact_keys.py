"""Which fact a change speaks of: two changes with equal keys speak of the same.

A key is a compact JSON list that begins with the word of its kind; no id, whatever it holds, can
make two facts collide.
"""

from __future__ import annotations

from schoolbell_server.domain import compact
from schoolbell_server.domain.change import Change
from schoolbell_server.domain.fact import FactKey


def make_key(word: str, *parts: str | None) -> FactKey:
    """Return the key of a fact of the kind that a word stands for."""
    return compact.encode((word, *parts))


def key_range(word: str, student_id: str) -> tuple[FactKey, FactKey]:
    """Return the range, by bytes and without its ends, of a student's keys of one kind."""
    begin = make_key(word, student_id).removesuffix("]")
    return f"{begin},", f"{begin}-"  # "-" is the byte behind ","


def fact_key(change: Change) -> FactKey:
    """Return the fact that a change tells of; a move's is that of its new place."""
    return change.payload.fact_key(change)


def other_keys(change: Change) -> tuple[FactKey, ...]:
    """Return what else a change touches.

    That is a move's old place, a withdrawal's other aspects, and what was said of a lunch account
    for each student who shares it.
    """
    return change.payload.other_keys(change)


def all_keys(change: Change) -> tuple[FactKey, ...]:
    """Return every fact that a change touches, the one that it tells of first."""
    return (fact_key(change), *other_keys(change))
