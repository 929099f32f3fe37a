"""The rule of every RPC, in one table; what has no rule here is refused.

The role decides first; an administrator then needs the tool right as well. Which district a caller
acts in is its key's. Finer limits (sources, a user's own devices) are the servicers'.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum, auto

from schoolbell_server.security.api_key import EVERY_DISTRICT, Grant, Right, Role, Tool


class Reach(Enum):
    """What `-` in place of a district id means to an RPC."""

    ONE = auto()
    """Nothing: it is no district id."""
    READABLE = auto()
    """Every district that the caller may read."""
    ALL = auto()
    """Every district there is: for operators whose key is for every district."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """Who may call an RPC."""

    roles: frozenset[Role] = frozenset()
    tool: Tool | None = None
    right: Right | None = None
    """What an administrator needs, if ADMINISTRATOR is among the roles."""
    reach: Reach = Reach.ONE
    sourced: bool = False
    """A key that is limited to sources may call it: the servicer keeps to what is of them."""
    optional_district: bool = False
    """An empty district id is `-`."""
    public: bool = False
    """Anybody may call it, without credentials."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Denial:
    """Why a caller may not; a tool is named where only a tool right is missing."""

    tool: Tool | None = None
    right: Right | None = None
    sources: bool = False
    """The key is limited to sources, and the RPC is not."""


def refusal(rule: Rule, key: Grant, district_id: str) -> Denial | None:
    """Return why a key may not call an RPC for a district; None if it may."""
    if key.role not in rule.roles or not _reaches(rule, key, district_id):
        return Denial()
    if key.sources and not rule.sourced:
        return Denial(sources=True)
    asked = key.district_ids if district_id == EVERY_DISTRICT else {district_id}
    if any(_has_right(rule, key, one) for one in asked):
        return None
    return Denial(tool=rule.tool, right=rule.right)


def districts_of(rule: Rule, key: Grant, district_id: str) -> frozenset[str] | None:
    """Return the districts that an allowed call speaks of; None is every district there is."""
    if district_id != EVERY_DISTRICT:
        return frozenset({district_id})
    if EVERY_DISTRICT in key.district_ids:
        return None
    return frozenset(one for one in key.district_ids if _has_right(rule, key, one))


def _has_right(rule: Rule, key: Grant, district_id: str) -> bool:
    """Return whether the caller needs no tool right in a district, or has it there."""
    if key.role is not Role.ADMINISTRATOR or rule.tool is None or rule.right is None:
        return True
    return key.rights.get(district_id, {}).get(rule.tool, 0) >= rule.right


def may_hand_out(key: Grant, role: Role, district_id: str) -> bool:
    """Return whether a caller may give a role away: an administrator, what it could do itself."""
    if key.role is Role.OPERATOR or role is Role.ADMINISTRATOR:
        return True
    rules = (rule for rule in RULES.values() if role in rule.roles)
    return all(key.role in rule.roles and _has_right(rule, key, district_id) for rule in rules)


def _reaches(rule: Rule, key: Grant, district_id: str) -> bool:
    if district_id != EVERY_DISTRICT:
        return key.covers(district_id)
    if rule.reach is Reach.ALL:
        return key.role is Role.OPERATOR and key.covers(EVERY_DISTRICT)
    return rule.reach is Reach.READABLE


def _administrator(tool: Tool, right: Right, *others: Role, reach: Reach = Reach.ONE) -> Rule:
    roles = frozenset({Role.ADMINISTRATOR, *others})
    return Rule(roles=roles, tool=tool, right=right, reach=reach)


def _only(*roles: Role, reach: Reach = Reach.ONE) -> Rule:
    return Rule(roles=frozenset(roles), reach=reach)


_READ_SETTINGS = _administrator(Tool.PUSH_NOTIFICATIONS, Right.READ, Role.OPERATOR)
_WRITE_SETTINGS = _administrator(Tool.PUSH_NOTIFICATIONS, Right.WRITE)
_READ_CALENDARS = _administrator(Tool.DISPLAY_OPTIONS, Right.READ, Role.OPERATOR)
_WRITE_CALENDARS = _administrator(Tool.DISPLAY_OPTIONS, Right.WRITE)
_READ_SCHOOLS = replace(
    _administrator(Tool.DISPLAY_OPTIONS, Right.READ, Role.PUBLISHER, Role.OPERATOR), sourced=True
)
_EXPLAIN = _administrator(Tool.EXPLANATIONS, Right.READ)
_EXPLAIN_TO_PUBLISHER = replace(
    _administrator(Tool.EXPLANATIONS, Right.READ, Role.PUBLISHER), sourced=True
)
_EXPLAIN_TO_BACKEND = _administrator(Tool.EXPLANATIONS, Right.READ, Role.MOBILE_BACKEND)
_ROSTER_WRITE = _administrator(Tool.PUSH_NOTIFICATIONS, Right.WRITE, Role.PUBLISHER)
_ROSTER_WRITE_SOURCED = replace(_ROSTER_WRITE, sourced=True)
_IMPORT_READ = replace(
    _administrator(Tool.PUSH_NOTIFICATIONS, Right.READ, Role.PUBLISHER, Role.OPERATOR),
    sourced=True,
)
_WATCH = replace(
    _administrator(
        Tool.PUSH_NOTIFICATIONS, Right.READ, Role.MONITOR, Role.OPERATOR, reach=Reach.READABLE
    ),
    sourced=True,
)
_WATCH_ONE = replace(_WATCH, reach=Reach.ONE)
_STEER = _administrator(Tool.PUSH_NOTIFICATIONS, Right.WRITE, Role.OPERATOR)
_READ_ACCESS = _administrator(Tool.ACCESS, Right.READ, Role.OPERATOR)
_WRITE_ACCESS = _administrator(Tool.ACCESS, Right.WRITE, Role.OPERATOR)
_READ_ALL_ACCESS = _administrator(Tool.ACCESS, Right.READ, Role.OPERATOR, reach=Reach.ALL)
_WRITE_ALL_ACCESS = _administrator(Tool.ACCESS, Right.WRITE, Role.OPERATOR, reach=Reach.ALL)
_OPERATE = _only(Role.OPERATOR)
_PUBLISH = replace(_only(Role.PUBLISHER), sourced=True)
_PHONE = _only(Role.MOBILE_BACKEND)
_EVERYBODY = Rule(roles=frozenset(Role), reach=Reach.READABLE, optional_district=True, sourced=True)
_REACH_PHONE = _administrator(Tool.PUSH_NOTIFICATIONS, Right.WRITE, Role.MOBILE_BACKEND)
_PUBLIC = Rule(public=True)

RULES: dict[str, Rule] = {
    "/schoolbell.v1.DistrictService/CreateDistrict": _OPERATE,
    "/schoolbell.v1.DistrictService/GetDistrict": _WATCH_ONE,
    "/schoolbell.v1.DistrictService/ListDistricts": replace(_WATCH, optional_district=True),
    "/schoolbell.v1.DistrictService/UpdateDistrict": _OPERATE,
    "/schoolbell.v1.DistrictService/DeleteDistrict": _OPERATE,
    "/schoolbell.v1.SettingsService/GetSettings": _READ_SETTINGS,
    "/schoolbell.v1.SettingsService/UpdateSettings": _WRITE_SETTINGS,
    "/schoolbell.v1.SettingsService/GetDisplayOptions": _READ_CALENDARS,
    "/schoolbell.v1.SettingsService/ListDisplayOptions": _READ_CALENDARS,
    "/schoolbell.v1.SettingsService/UpdateDisplayOptions": _WRITE_CALENDARS,
    "/schoolbell.v1.SettingsService/ResetDisplayOptions": _WRITE_CALENDARS,
    "/schoolbell.v1.RosterService/ImportRoster": _PUBLISH,
    "/schoolbell.v1.RosterService/GetImport": _IMPORT_READ,
    "/schoolbell.v1.RosterService/ListImports": _IMPORT_READ,
    "/schoolbell.v1.RosterService/UpsertRecords": _ROSTER_WRITE_SOURCED,
    "/schoolbell.v1.RosterService/DeactivateRecords": _ROSTER_WRITE_SOURCED,
    "/schoolbell.v1.RosterService/GetStudent": _EXPLAIN_TO_PUBLISHER,
    "/schoolbell.v1.RosterService/ListStudents": _EXPLAIN_TO_PUBLISHER,
    "/schoolbell.v1.RosterService/GetUser": _EXPLAIN_TO_PUBLISHER,
    "/schoolbell.v1.RosterService/ListUsers": _EXPLAIN,
    "/schoolbell.v1.RosterService/ListSchools": _READ_SCHOOLS,
    "/schoolbell.v1.RosterService/ListCalendars": _READ_SCHOOLS,
    "/schoolbell.v1.RosterService/SetBar": _administrator(Tool.BARS, Right.WRITE, Role.OPERATOR),
    "/schoolbell.v1.RosterService/ListBars": _administrator(Tool.BARS, Right.READ, Role.OPERATOR),
    "/schoolbell.v1.RosterService/SetActiveSchoolYear": _ROSTER_WRITE,
    "/schoolbell.v1.DeviceService/RegisterDevice": _PHONE,
    "/schoolbell.v1.DeviceService/BatchRegisterDevices": _PHONE,
    "/schoolbell.v1.DeviceService/GetDevice": _EXPLAIN_TO_BACKEND,
    "/schoolbell.v1.DeviceService/ListDevices": _EXPLAIN_TO_BACKEND,
    "/schoolbell.v1.DeviceService/UpdateDevice": _PHONE,
    "/schoolbell.v1.DeviceService/UnregisterDevice": _PHONE,
    "/schoolbell.v1.DeviceService/SignOut": _REACH_PHONE,
    "/schoolbell.v1.DeviceService/ReportReceipts": _PHONE,
    "/schoolbell.v1.DeviceService/GetNotification": _PHONE,
    "/schoolbell.v1.DeviceService/SendTestNotification": _REACH_PHONE,
    "/schoolbell.v1.SubscriptionService/GetSubscriptions": _EXPLAIN_TO_BACKEND,
    "/schoolbell.v1.SubscriptionService/UpdateSubscriptions": _PHONE,
    "/schoolbell.v1.SubscriptionService/ResetSubscriptions": _PHONE,
    "/schoolbell.v1.ChangeService/PublishChange": _PUBLISH,
    "/schoolbell.v1.ChangeService/BatchPublishChanges": _PUBLISH,
    "/schoolbell.v1.ChangeService/StreamPublishChanges": _PUBLISH,
    "/schoolbell.v1.ChangeService/GetChange": _EXPLAIN_TO_PUBLISHER,
    "/schoolbell.v1.ChangeService/ListChanges": replace(
        _EXPLAIN_TO_PUBLISHER, reach=Reach.READABLE
    ),
    "/schoolbell.v1.ChangeService/ExplainChange": _EXPLAIN,
    "/schoolbell.v1.ChangeService/ListDecisions": _EXPLAIN,
    "/schoolbell.v1.StatusService/GetStatus": _WATCH_ONE,
    "/schoolbell.v1.StatusService/ListServiceStates": replace(_WATCH, optional_district=True),
    "/schoolbell.v1.StatusService/WatchStatus": _WATCH,
    "/schoolbell.v1.StatusService/GetDelivery": _WATCH_ONE,
    "/schoolbell.v1.StatusService/ListDeliveries": _WATCH,
    "/schoolbell.v1.StatusService/GetTallies": replace(_WATCH, sourced=False),
    "/schoolbell.v1.StatusService/RetryDeliveries": _STEER,
    "/schoolbell.v1.StatusService/CancelDeliveries": _STEER,
    "/schoolbell.v1.AccessService/GetCaller": _EVERYBODY,
    "/schoolbell.v1.AccessService/GetServerInfo": _EVERYBODY,
    "/schoolbell.v1.AccessService/GrantRights": _WRITE_ACCESS,
    "/schoolbell.v1.AccessService/RevokeRights": _WRITE_ACCESS,
    "/schoolbell.v1.AccessService/ListRights": _READ_ACCESS,
    "/schoolbell.v1.AccessService/CreateApiKey": _WRITE_ALL_ACCESS,
    "/schoolbell.v1.AccessService/ListApiKeys": _READ_ALL_ACCESS,
    "/schoolbell.v1.AccessService/RevokeApiKey": _WRITE_ALL_ACCESS,
    "/schoolbell.v1.AccessService/ListAuditEntries": _READ_ALL_ACCESS,
    "/schoolbell.v1.AccessService/VerifyAuditLog": _READ_ALL_ACCESS,
    "/schoolbell.v1.AccessService/ExportPersonData": _administrator(Tool.ACCESS, Right.READ),
    "/schoolbell.v1.AccessService/ErasePersonData": _administrator(Tool.ACCESS, Right.WRITE),
    "/grpc.health.v1.Health/Check": _PUBLIC,
    "/grpc.health.v1.Health/List": _PUBLIC,
    "/grpc.health.v1.Health/Watch": _PUBLIC,
    "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo": _PUBLIC,
    "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo": _PUBLIC,
}

HEAVY = frozenset(
    {
        "/schoolbell.v1.RosterService/ListImports",
        "/schoolbell.v1.RosterService/ListStudents",
        "/schoolbell.v1.RosterService/ListUsers",
        "/schoolbell.v1.RosterService/ListSchools",
        "/schoolbell.v1.RosterService/ListCalendars",
        "/schoolbell.v1.RosterService/ListBars",
        "/schoolbell.v1.StatusService/ListServiceStates",
        "/schoolbell.v1.SettingsService/ListDisplayOptions",
        "/schoolbell.v1.DeviceService/ListDevices",
        "/schoolbell.v1.ChangeService/ListChanges",
        "/schoolbell.v1.ChangeService/ExplainChange",
        "/schoolbell.v1.ChangeService/ListDecisions",
        "/schoolbell.v1.StatusService/ListDeliveries",
        "/schoolbell.v1.StatusService/GetTallies",
        "/schoolbell.v1.AccessService/ListRights",
        "/schoolbell.v1.AccessService/ListApiKeys",
        "/schoolbell.v1.AccessService/ListAuditEntries",
    }
)
"""Reads whose answer is long or takes long to find: few of them work at once."""
