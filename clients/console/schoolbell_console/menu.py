"""The menu: which pages there are, and who sees them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from schoolbell_console.rights import Abilities


@dataclass(frozen=True, slots=True)
class Place:
    """A page in the menu; its text is `place-<name>`."""

    name: str
    group: str
    is_open: Callable[[Abilities], bool]


_PLACES = (
    Place("push", "service", lambda can: can.see_settings),
    Place("live", "service", lambda can: can.watch),
    Place("why", "families", lambda can: can.explain),
    Place("person", "families", lambda can: can.explain),
    Place("bars", "families", lambda can: can.see_bars),
    Place("stop", "service", lambda can: can.steer),
    Place("undelivered", "service", lambda can: can.watch),
    Place("display", "school", lambda can: can.see_calendars),
    Place("imports", "school", lambda can: can.see_settings),
    Place("access", "district", lambda can: can.see_access),
    Place("audit", "district", lambda can: can.see_access),
    Place("data", "district", lambda can: can.export_persons),
)


def places(can: Abilities) -> dict[str, list[Place]]:
    """Return the pages that a person sees, by group."""
    found: dict[str, list[Place]] = {}
    for place in _PLACES:
        if place.is_open(can):
            found.setdefault(place.group, []).append(place)
    return found
