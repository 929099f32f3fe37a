"""How the Python runner builds changes with the client's builders."""

from __future__ import annotations

import datetime as dt
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.json_format import MessageToDict

from schoolbell.build import Event, date, money
from schoolbell.v1.change_pb2 import Change


def build(given: dict[str, Any]) -> dict[str, Any]:
    """Return the JSON of a change; raise ValueError for what the client refuses."""
    event = Event(
        source=given["source"],
        change_id=given["change_id"],
        student_id=given["student_id"],
        calendar_id=given.get("calendar_id", ""),
        occur_time=dt.datetime.fromisoformat(given["occur_time"]),
    )
    empty: Any = getattr(Change(), given["kind"])
    fields = dict(given["fields"])
    currency = fields.pop("currency_code", "")
    known = empty.DESCRIPTOR.fields_by_name
    made = {name: _value(known[name], value, currency) for name, value in fields.items()}
    payload = type(empty)(**made)
    return dict(MessageToDict(getattr(event, given["kind"])(payload)))


def _value(field: FieldDescriptor, value: Any, currency: str) -> Any:
    if field.message_type is not None and field.message_type.full_name == "google.type.Date":
        return date(dt.date.fromisoformat(value))
    if field.message_type is not None and field.message_type.full_name == "google.type.Money":
        return money(value, currency)
    if field.enum_type is not None:
        prefix = field.enum_type.values[0].name.removesuffix("UNSPECIFIED")
        return prefix + value
    return value
