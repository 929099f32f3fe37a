"""What the rules of an explanation see, in words: the contract names facts for machines."""

from __future__ import annotations

import datetime as dt
import re
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp

from schoolbell.v1 import (
    change_pb2,
    common_pb2,
    device_service_pb2,
    explanation_pb2,
    settings_service_pb2,
    subscription_pb2,
    subscription_service_pb2,
)
from schoolbell_console.texts import Words, slug

_MEMBERS: dict[str, Any] = {  # facts whose value names members of an enum
    "actions": change_pb2.AssignmentAction,
    "adult_students": settings_service_pb2.AdultStudentRule,
    "app": common_pb2.AppType,
    "excuses": change_pb2.AttendanceExcuse,
    "licensed_kinds": common_pb2.Kind,
    "limit_trigger": subscription_pb2.LimitTrigger,
    "platform": common_pb2.Platform,
    "retirement": device_service_pb2.RetirementReason,
    "statuses": change_pb2.AttendanceStatus,
    "subscription_level": subscription_service_pb2.SubscriptionLevel,
}
_KEY = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")  # of a caller without a person
_WORDS = {"true": "yes", "false": "no"}


def fact_name(fact: explanation_pb2.GateFact, words: Words) -> str:
    """Return what people call a fact; of a newer server, its name as it is."""
    return words.find(f"fact-{fact.name.replace('_', '-')}") or fact.name.replace("_", " ")


def fact_value(fact: explanation_pb2.GateFact, words: Words) -> str:
    """Return the value of a fact as people read it."""
    if fact.value in _WORDS:
        return words(_WORDS[fact.value])
    if enum := _MEMBERS.get(fact.name):
        return ", ".join(_member(enum, one, words) for one in fact.value.split())
    if fact.name == "bar_origin":
        return words.find(f"bar-by-{fact.value}") or fact.value
    if fact.name.endswith(("_time", "_date", "_day")):
        return _when(fact.value, words)
    return fact.value


def fact_source(fact: explanation_pb2.GateFact, words: Words) -> str:
    """Return who set a fact."""
    if fact.source == "default":
        return words("fact-by-default")
    is_key = _KEY.fullmatch(fact.source)
    return f"{words('api-key')} {fact.source[:8]}" if is_key else fact.source


def _member(enum: Any, name: str, words: Words) -> str:
    member = name.lower().replace("_", "-")
    return words.find(f"{slug(enum.DESCRIPTOR.name)}-{member}") or name


def _when(value: str, words: Words) -> str:
    try:
        time = dt.datetime.fromisoformat(value)
    except ValueError:
        return value
    stamp = Timestamp()
    if time.tzinfo is None:  # a day, which is the same in every zone
        stamp.FromDatetime(time.replace(hour=12, tzinfo=words.zone))
        return words.day(stamp)
    stamp.FromDatetime(time)
    return words.time(stamp, seconds=True)
