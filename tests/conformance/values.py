"""The values of a scenario: its variables, and the makers that README.md describes."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Mapping
from typing import Any

_VARIABLE = re.compile(r"\$\{(\w+)\}")


class UnknownVariable(Exception):
    """A scenario names a variable that nothing set."""


def filled(value: Any, variables: Mapping[str, Any]) -> Any:
    """Return a value with its variables and makers replaced, all through."""
    if isinstance(value, str):
        return _filled_text(value, variables)
    if isinstance(value, list):
        return [filled(one, variables) for one in value]
    if isinstance(value, dict):
        if len(value) == 1 and (maker := _MAKERS.get(next(iter(value)))):
            return maker(filled(next(iter(value.values())), variables), variables)
        return {key: filled(one, variables) for key, one in value.items()}
    return value


def _filled_text(text: str, variables: Mapping[str, Any]) -> Any:
    def look_up(name: str) -> Any:
        try:
            return variables[name]
        except KeyError:
            raise UnknownVariable(f"nothing set ${{{name}}}") from None

    if whole := _VARIABLE.fullmatch(text):
        return look_up(whole[1])  # of its own type, such as a number
    return _VARIABLE.sub(lambda found: str(look_up(found[1])), text)


def date(day: dt.date) -> dict[str, int]:
    """Return a date as the JSON of a message."""
    return {"year": day.year, "month": day.month, "day": day.day}


def timestamp(time: dt.datetime) -> str:
    """Return a time as the JSON of a message."""
    return time.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _text(argument: list[Any], variables: Mapping[str, Any]) -> str:
    text, count = argument
    return str(text * count)


def _date(argument: int, variables: Mapping[str, Any]) -> dict[str, int]:
    return date(dt.datetime.now(dt.UTC).date() + dt.timedelta(days=argument))


def _time(argument: float, variables: Mapping[str, Any]) -> str:
    return timestamp(dt.datetime.now(dt.UTC) + dt.timedelta(seconds=argument))


def _scored(argument: dict[str, Any], variables: Mapping[str, Any]) -> dict[str, Any]:
    change_id = argument["id"]
    further = {key: value for key, value in argument.items() if key not in ("id", "percent")}
    return {
        "key": {"source": "sis", "changeId": change_id},
        "studentId": variables["student"],
        "calendarId": variables["calendar"],
        "occurTime": timestamp(dt.datetime.now(dt.UTC)),
        "assignment": {
            "action": "ASSIGNMENT_ACTION_SCORED",
            "assignmentId": f"assignment-of-{change_id}",
            "title": "Fractions",
            "sectionId": "section-1",
            "courseName": "Mathematics",
            "scorePercent": argument.get("percent", 71.5),
        },
        **further,
    }


def _changes(argument: dict[str, Any], variables: Mapping[str, Any]) -> list[dict[str, Any]]:
    count, prefix = argument["count"], argument["prefix"]
    further = {key: value for key, value in argument.items() if key not in ("count", "prefix")}
    return [
        _scored({"id": f"{prefix}{number}", **further}, variables) for number in range(1, count + 1)
    ]


_MAKERS: dict[str, Callable[[Any, Mapping[str, Any]], Any]] = {
    "$text": _text,
    "$scored": _scored,
    "$changes": _changes,
    "$date": _date,
    "$time": _time,
}
