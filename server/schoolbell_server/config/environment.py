"""Values from the environment: `SCHOOLBELL_DELIVERY_LEASE` is `delivery.lease`.

Names are made from the schema, never taken apart, so an underscore in a key or an app id is
never ambiguous. The client's own variables share the prefix and are left alone; one that looks
like a setting of the server, but is none, is refused.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Mapping, MutableMapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, get_args, get_origin

from schoolbell_server.address import Address
from schoolbell_server.config.model import Config
from schoolbell_server.config.reader import bare_type, fields_of, name_field
from schoolbell_server.config.toml_text import NotToml, parse_toml

PREFIX = "SCHOOLBELL_"


def apply_environment(raw: MutableMapping[str, Any], environ: Mapping[str, str]) -> list[str]:
    """Lay the environment's values over the file's; return what is wrong with their names."""
    known: dict[str, tuple[tuple[str, ...], Any]] = {}
    problems: list[str] = []
    for path, kind in _leaves(Config, (), raw):
        name = PREFIX + re.sub(r"[^A-Z0-9]", "_", "_".join(path).upper())
        if name in known:
            problems.append(f"{name}: names both {'.'.join(known[name][0])} and {'.'.join(path)}")
        known[name] = (path, kind)
    for name, text in environ.items():
        if name in known:
            _put(raw, *known[name], text)
        elif name.startswith(PREFIX) and (meant := _meant(name, known)):
            problems.append(f"{name}: unknown setting; did you mean {meant}?")
    return problems


def _leaves(
    cls: Any, path: tuple[str, ...], raw: object, apart: str = ""
) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield every setting but the one `apart`; of tables with names those that the file has."""
    for key, hint in fields_of(cls).items():
        kind = bare_type(hint)
        inner = raw.get(key) if isinstance(raw, Mapping) else None
        if get_origin(kind) is Mapping:
            table = get_args(kind)[1]
            for name, one in inner.items() if isinstance(inner, Mapping) else ():
                yield from _leaves(table, (*path, key, name), one, name_field(table))
        elif dataclasses.is_dataclass(kind) and kind is not Address:
            yield from _leaves(kind, (*path, key), inner)
        elif key != apart:
            yield (*path, key), kind


def _put(raw: MutableMapping[str, Any], path: tuple[str, ...], kind: Any, text: str) -> None:
    table: Any = raw
    for key in path[:-1]:
        table = table.setdefault(key, {})
        if not isinstance(table, dict):
            return
    table[path[-1]] = _plain(kind, text)


def _plain(kind: Any, text: str) -> object:
    """Return the text as TOML would hold it; what does not fit is left for the reader to refuse."""
    if get_origin(kind) is tuple:
        return [part.strip() for part in text.split(",") if part.strip()]
    if kind is Path:
        home = text.startswith("~")  # Left for the reader, which says where there is no such home.
        return text if home or not text else str(Path(text).absolute())
    if kind in (bool, int):
        try:
            return parse_toml(f"value = {text}")["value"]
        except NotToml:
            return text
    return text


def _meant(name: str, known: Mapping[str, object]) -> str | None:
    sections = tuple(f"{PREFIX}{section.upper()}_" for section in fields_of(Config))
    cutoff = 0.0 if name.startswith(sections) else 0.85
    nearest = get_close_matches(name, known, n=1, cutoff=cutoff)
    return nearest[0] if nearest else None
