"""What the signed-in person may do, as GetCaller answers it; it decides what is shown.

The server decides what is done: these rules only keep from offering what it would refuse.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from schoolbell.v1 import access_service_pb2 as access

EVERY_DISTRICT = "-"


@dataclass(frozen=True, slots=True)
class Caller:
    """The signed-in person."""

    answer: access.GetCallerResponse

    @property
    def name(self) -> str:
        """Return who is signed in, as the audit log names them."""
        return self.answer.principal.acting_user_id or self.answer.principal.id

    @property
    def district_ids(self) -> Sequence[str]:
        """Return the districts that may be named; `-` alone is every district."""
        return list(self.answer.district_ids)

    def covers(self, district_id: str) -> bool:
        """Return whether a district is one of the caller's."""
        return district_id in self.answer.district_ids or EVERY_DISTRICT in self.answer.district_ids

    def has_role(self, *roles: access.Role.ValueType) -> bool:
        """Return whether the caller has one of some roles."""
        return any(role in self.answer.roles for role in roles)

    def may(self, district_id: str, tool: access.Tool.ValueType, *, write: bool = False) -> bool:
        """Return whether an administrator has a right on a tool in a district."""
        wanted = access.RIGHT_WRITE if write else access.RIGHT_READ
        return self.has_role(access.ROLE_ADMINISTRATOR) and any(
            right.tool == tool and right.right >= wanted
            for district in self.answer.rights
            if district.district_id == district_id
            for right in district.rights
        )


@dataclass(frozen=True, slots=True)
class Abilities:
    """What the caller may do in one district."""

    caller: Caller
    district_id: str

    def _may(self, tool: access.Tool.ValueType, *, write: bool = False) -> bool:
        return self.caller.may(self.district_id, tool, write=write)

    @property
    def _operates(self) -> bool:
        return self.caller.has_role(access.ROLE_OPERATOR)

    @property
    def see_settings(self) -> bool:
        """See the page Push Notifications."""
        return self._operates or self._may(access.TOOL_PUSH_NOTIFICATIONS)

    @property
    def save_settings(self) -> bool:
        """Save it."""
        return self._may(access.TOOL_PUSH_NOTIFICATIONS, write=True)

    @property
    def watch(self) -> bool:
        """See states and deliveries."""
        return self.see_settings or self.caller.has_role(access.ROLE_MONITOR)

    @property
    def steer(self) -> bool:
        """Stop deliveries and send failed ones again."""
        return self._operates or self.save_settings

    @property
    def explain(self) -> bool:
        """See persons, changes and why they were told."""
        return self._may(access.TOOL_EXPLANATIONS)

    @property
    def see_bars(self) -> bool:
        """See who is kept from a student's data."""
        return self._operates or self._may(access.TOOL_BARS)

    @property
    def save_bars(self) -> bool:
        """Keep somebody from a student's data, and lift that again."""
        return self._operates or self._may(access.TOOL_BARS, write=True)

    @property
    def see_calendars(self) -> bool:
        """See schools, calendars and what they show."""
        return self._operates or self._may(access.TOOL_DISPLAY_OPTIONS)

    @property
    def save_calendars(self) -> bool:
        """Save what calendars show."""
        return self._may(access.TOOL_DISPLAY_OPTIONS, write=True)

    @property
    def see_access(self) -> bool:
        """See keys, rights and the audit log."""
        return self._operates or self._may(access.TOOL_ACCESS)

    @property
    def save_access(self) -> bool:
        """Hand keys and rights out, and take them back."""
        return self._operates or self._may(access.TOOL_ACCESS, write=True)

    @property
    def export_persons(self) -> bool:
        """Export what is stored of a person."""
        return self._may(access.TOOL_ACCESS)

    @property
    def erase_persons(self) -> bool:
        """Erase what is stored of a person."""
        return self._may(access.TOOL_ACCESS, write=True)
