"""What a calendar shows as the fields of a form, and back."""

from __future__ import annotations

import json
from typing import Any

from schoolbell.v1 import common_pb2
from schoolbell.v1.settings_service_pb2 import DisplayOptions

Shown = dict[str, list[str]]
"""The fields of the form by name: each is a list of what is chosen; terms are those not shown."""

FIELDS = {
    "enabled": "enabled",
    "terms": "disabled_term_ids",
    "student": "student_app_kinds",
    "parent": "parent_app_kinds",
}
_LONGEST_BASE = 40_000  # characters: a hundred terms with long ids


def from_options(options: DisplayOptions) -> Shown:
    """Return what the form shows."""
    return {
        "enabled": ["on"] if options.enabled else [],
        "terms": sorted(options.disabled_term_ids),
        "student": [str(kind) for kind in sorted(options.student_app_kinds)],
        "parent": [str(kind) for kind in sorted(options.parent_app_kinds)],
    }


def from_form(form: Any) -> Shown:
    """Return what a person sent: of the terms it is those that were there and are not ticked."""
    ticked = {str(one) for one in form.getall("term", [])}
    there = {str(one) for one in form.getall("known-term", [])}
    kinds = [str(one) for one in common_pb2.Kind.values()[1:]]
    return {
        "enabled": ["on"] if form.get("enabled") else [],
        "terms": sorted(there - ticked),
        **{app: _chosen(form, app, kinds) for app in ("student", "parent")},
    }


def from_base(text: str) -> Shown:
    """Return what the form showed before a person changed it."""
    try:
        found = json.loads(text[:_LONGEST_BASE])
        return {name: [str(one) for one in found.get(name, [])] for name in FIELDS}
    except (ValueError, AttributeError, TypeError):
        return {name: [] for name in FIELDS}


def to_options(values: Shown) -> DisplayOptions:
    """Return the display options that the form asks for."""
    return DisplayOptions(
        enabled=bool(values["enabled"]),
        disabled_term_ids=values["terms"],
        student_app_kinds=[common_pb2.Kind.ValueType(int(one)) for one in values["student"]],
        parent_app_kinds=[common_pb2.Kind.ValueType(int(one)) for one in values["parent"]],
    )


def differing(one: Shown, other: Shown) -> list[str]:
    """Return the fields that differ, in their order on the page."""
    return [name for name in FIELDS if one[name] != other[name]]


def merged(base: Shown, theirs: Shown, wanted: Shown) -> Shown:
    """Return what is there now, with what a person changed laid over it."""
    return {name: theirs[name] if wanted[name] == base[name] else wanted[name] for name in FIELDS}


def _chosen(form: Any, name: str, known: list[str]) -> list[str]:
    asked = {str(one) for one in form.getall(name, [])}
    return [one for one in known if one in asked]
