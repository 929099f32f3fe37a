"""Who set a fact that a gate saw, and when."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass

from schoolbell_server.domain.change import Change
from schoolbell_server.domain.fact import FactState, FactUpdate
from schoolbell_server.domain.gate import BAR_ID, EntityKind, SeenFact
from schoolbell_server.domain.kinds import AdultStudentRule
from schoolbell_storage.provenance import DEFAULT, Provenance, SettingOrigin

_SETTINGS = {
    "enabled": "enabled",
    "adult_students": "adult_students",
    "minimum_os_version": "minimum_versions",
    "minimum_app_version": "minimum_versions",
}
"""What the district's settings say, by the name of the field that says it."""
_DISTRICT = {
    "licensed_kinds": "licensed_kinds",
    "active_school_year": "active_school_year",
    "app": "app_ids",
}
_UNSET = frozenset({"", "false", AdultStudentRule.FOLLOW_PORTAL_FLAG.name})
_SHOWN = frozenset({"display_enabled", "tool_shown"})
_KNOWN = frozenset({"known_value", "known_number", "known_time"})


@dataclass(frozen=True, slots=True, kw_only=True)
class FactOrigins:
    """Answers the origin of every fact around one change."""

    change: Change
    accept_time: dt.datetime | None
    """None for a change that only might be published."""
    update: FactUpdate
    state: FactState | None
    """What is stored of the fact."""
    provenance: Provenance

    def of(self, fact: SeenFact) -> SettingOrigin:
        """Return who set a fact, and when."""
        stored = self.provenance
        match fact.entity:
            case EntityKind.DISTRICT:
                return self._of_district(fact)
            case EntityKind.CALENDAR if fact.name in _SHOWN:
                return stored.display_options.get(fact.entity_id, DEFAULT)
            case EntityKind.TERM:
                return stored.display_options.get(self.change.calendar_id or "", DEFAULT)
            case EntityKind.USER if fact.name == "device_count":
                return self._of_devices(fact.entity_id)
            case EntityKind.BAR:
                user_id, _, source = fact.entity_id.partition(BAR_ID)
                return stored.bars.get((user_id, source), DEFAULT)
            case EntityKind.CHANGE:
                return self._of_change()
            case EntityKind.FACT:
                return self._of_fact(fact.name)
        return self._rows(fact.entity).get(fact.entity_id, DEFAULT)

    def _rows(self, entity: EntityKind) -> Mapping[str, SettingOrigin]:
        stored = self.provenance
        return {
            EntityKind.CALENDAR: stored.calendars,
            EntityKind.ENROLLMENT: stored.enrollments,
            EntityKind.USER: stored.users,
            EntityKind.RELATIONSHIP: stored.relationships,
            EntityKind.DEVICE: stored.devices,
            EntityKind.SUBSCRIPTION: stored.device_subscriptions,
            EntityKind.PERSON_SUBSCRIPTION: stored.person_subscriptions,
        }.get(entity, {})

    def _of_devices(self, user_id: str) -> SettingOrigin:
        """Return who last touched a device of a person: that is the person."""
        own = [one for one in self.provenance.devices.values() if one.source == user_id]
        return max(own, key=_update_time, default=DEFAULT)

    def _of_district(self, fact: SeenFact) -> SettingOrigin:
        """Return what the audit log says; where it is silent, what is unset is a default."""
        field, row = _SETTINGS.get(fact.name), self.provenance.settings
        if field is None:
            field, row = _DISTRICT[fact.name], self.provenance.district
        silent = DEFAULT if fact.value in _UNSET else row
        return self.provenance.fields.get(field, silent)

    def _of_change(self) -> SettingOrigin:
        return SettingOrigin(self.change.key.source, self.accept_time)

    def _of_fact(self, name: str) -> SettingOrigin:
        """Return who set the known value; everything else about a fact the change itself says."""
        if name not in _KNOWN or self.update.previous.from_publisher:
            return self._of_change()
        if self.state is None:
            return DEFAULT
        return SettingOrigin(self.state.setter.source, self.state.set_time)


def _update_time(origin: SettingOrigin) -> float:
    return 0 if origin.update_time is None else origin.update_time.timestamp()
