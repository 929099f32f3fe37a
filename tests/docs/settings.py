"""Every key of the configuration with its default, as the operations page writes them."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Iterator, Mapping
from enum import Enum
from typing import Any, get_args, get_origin

from schoolbell_server.address import Address
from schoolbell_server.config import Config
from schoolbell_server.config.reader import bare_type, fields_of, name_field
from schoolbell_server.config.span import show_span


def defaults(cls: Any = Config, path: str = "") -> Iterator[tuple[str, str]]:
    """Yield each key by its path, and its default as a file would say it."""
    fields = {field.name: field for field in dataclasses.fields(cls)}
    for key, hint in fields_of(cls).items():
        kind = bare_type(hint)
        if get_origin(kind) is Mapping:
            table = get_args(kind)[1]
            name = name_field(table)
            shown = name if name.endswith("_id") else key.removesuffix("s")
            within = f"{path}{key}.<{shown}>."
            yield from (one for one in defaults(table, within) if one[0] != f"{within}{name}")
        elif dataclasses.is_dataclass(kind) and kind is not Address:
            yield from defaults(kind, f"{path}{key}.")
        else:
            yield f"{path}{key}", _default(fields[key])


def _default(field: dataclasses.Field[Any]) -> str:
    if field.default_factory is not dataclasses.MISSING:
        return _shown(field.default_factory())
    return "required" if field.default is dataclasses.MISSING else _shown(field.default)


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, Enum):
        return f"`{value.name.lower()}`"
    if isinstance(value, dt.timedelta):
        return f"`{show_span(value)}`"
    if isinstance(value, tuple):
        return f"`{', '.join(value)}`" if value else "—"
    return f"`{value}`" if value else "—"
