"""What is wrong with a configuration, all of it at once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches

from schoolbell_server.printable import printable


class ConfigError(Exception):
    """The configuration cannot be served; every problem is a line of its own.

    Keys are texts of a file: what does not print is escaped, so that none is more than a line.
    """

    def __init__(self, problems: Sequence[str]) -> None:
        problems = [printable(one) for one in problems]
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)


def unknown_key(path: str, key: str, known: Iterable[str]) -> str:
    """Say that a key is unknown, and which known one was perhaps meant."""
    name = f"{path}.{key}" if path else key
    nearest = get_close_matches(key, sorted(known), n=1, cutoff=0.0)
    hint = f"; did you mean {f'{path}.' if path else ''}{nearest[0]}?" if nearest else ""
    return f"{name}: unknown key{hint}"
