"""Command lines that together make every call of the contract, each with the RPC that it is for."""

from __future__ import annotations

from dataclasses import dataclass

from schoolbell.v1 import access_service_pb2 as access
from tests.service.scene import CALENDAR, MOTHER, STUDENT
from tests.service.whole import DISTRICT, PARENT_APP

OPERATOR, BACKEND = access.ROLE_OPERATOR, access.ROLE_MOBILE_BACKEND
PUBLISHER, MONITOR = access.ROLE_PUBLISHER, access.ROLE_MONITOR
ADMINISTRATOR = access.ROLE_ADMINISTRATOR
_MINE = f"--user {MOTHER}"
_PAGE = f"{_MINE} --app-type parent"
_LINE = f"--student {STUDENT} --kind grade"


@dataclass(frozen=True, slots=True)
class Line:
    """A command line; words in braces are ids that a line before it made."""

    rpc: str
    role: access.Role.ValueType
    text: str
    keeps: str = ""
    """What later lines call an id of the answer: `name=dotted.path`."""


LINES = [
    Line("access.GetServerInfo", OPERATOR, "server-info"),
    Line("access.GetCaller", ADMINISTRATOR, "whoami"),
    Line("access.GrantRights", OPERATOR, "rights grant --user clerk --tool bars --right read"),
    Line("access.ListRights", ADMINISTRATOR, "rights list --user clerk"),
    Line("access.RevokeRights", OPERATOR, "rights revoke --user clerk --tool bars"),
    Line(
        "access.CreateApiKey",
        OPERATOR,
        "keys create --role monitor --name m",
        keeps="key=apiKey.apiKeyId",
    ),
    Line("access.ListApiKeys", OPERATOR, "keys list --role monitor --all"),
    Line("access.RevokeApiKey", OPERATOR, "keys revoke {key}"),
    Line(
        "districts.CreateDistrict",
        OPERATOR,
        f"districts create oak-county --time-zone UTC --app {PARENT_APP}",
    ),
    Line("districts.UpdateDistrict", OPERATOR, "--district oak-county districts update --name Oak"),
    Line("districts.GetDistrict", OPERATOR, "--district oak-county districts get"),
    Line("districts.ListDistricts", OPERATOR, "districts list"),
    Line("districts.DeleteDistrict", OPERATOR, "districts delete oak-county --confirm oak-county"),
    Line(
        "settings.UpdateSettings",
        ADMINISTRATOR,
        "settings set --hold grade=1h --keep-deliveries 60d",
    ),
    Line("settings.GetSettings", ADMINISTRATOR, "settings get"),
    Line(
        "settings.UpdateDisplayOptions",
        ADMINISTRATOR,
        f"display-options set {CALENDAR} --parent-app-kind grade",
    ),
    Line("settings.GetDisplayOptions", ADMINISTRATOR, f"display-options get {CALENDAR}"),
    Line("settings.ListDisplayOptions", ADMINISTRATOR, "display-options list --year 2027"),
    Line("settings.ResetDisplayOptions", ADMINISTRATOR, f"display-options reset {CALENDAR}"),
    Line("roster.ListSchools", PUBLISHER, "schools list --all"),
    Line("roster.ListCalendars", PUBLISHER, "calendars list --school elm"),
    Line("roster.SetActiveSchoolYear", PUBLISHER, "calendars activate 2027"),
    Line("roster.ListStudents", PUBLISHER, f"students list --guardian {MOTHER}"),
    Line("roster.GetStudent", PUBLISHER, f"students get {STUDENT}"),
    Line("roster.ListUsers", ADMINISTRATOR, "users list mo"),
    Line("roster.GetUser", PUBLISHER, f"users get {MOTHER}"),
    Line(
        "roster.UpsertRecords",
        PUBLISHER,
        """roster upsert --source sis '{"user": {"userId": "aunt", "enabled": true}}'""",
    ),
    Line("roster.DeactivateRecords", PUBLISHER, "roster deactivate --source sis --user aunt"),
    Line("roster.SetBar", ADMINISTRATOR, f"bars set {STUDENT} father --comment order"),
    Line("roster.ListBars", ADMINISTRATOR, f"bars list --student {STUDENT}"),
    Line("roster.SetBar", ADMINISTRATOR, f"bars lift {STUDENT} father --comment over"),
    Line(
        "roster.ImportRoster",
        PUBLISHER,
        "roster import --oneroster {extract} --import-id i1 --dry-run",
    ),
    Line("roster.ListImports", PUBLISHER, "roster imports"),
    Line("roster.GetImport", PUBLISHER, "roster report i1"),
    Line(
        "devices.RegisterDevice",
        BACKEND,
        f"devices register {_MINE} --app {PARENT_APP} --platform ios --installation p "
        f"--token {'ab' * 32} --environment sandbox",
        keeps="device=deviceId",
    ),
    Line("devices.BatchRegisterDevices", BACKEND, "devices register-batch {devices}"),
    Line("devices.GetDevice", ADMINISTRATOR, f"devices get {_MINE} --device {{device}}"),
    Line("devices.ListDevices", ADMINISTRATOR, f"devices list {_MINE}"),
    Line(
        "devices.UpdateDevice", BACKEND, f"devices update {_MINE} --device {{device}} --locale es"
    ),
    Line("devices.UpdateDevice", BACKEND, f"devices unmute {_MINE} --device {{device}}"),
    Line("devices.SendTestNotification", BACKEND, f"devices test {_MINE} --device {{device}}"),
    Line(
        "subscriptions.UpdateSubscriptions",
        BACKEND,
        f"subscriptions set {_PAGE} {_LINE} --below 70",
    ),
    Line("subscriptions.GetSubscriptions", ADMINISTRATOR, f"subscriptions get {_PAGE}"),
    Line("subscriptions.ResetSubscriptions", BACKEND, f"subscriptions reset {_PAGE}"),
    Line("changes.BatchPublishChanges", PUBLISHER, "changes publish {feed} --dry-run"),
    Line("changes.PublishChange", PUBLISHER, "changes send {change}"),
    Line("changes.StreamPublishChanges", PUBLISHER, "changes publish {feed}"),
    Line("changes.GetChange", PUBLISHER, "changes get sis g1"),
    Line("changes.ListChanges", PUBLISHER, "changes list --source sis --since 2026-01-01"),
    Line("changes.ListDecisions", ADMINISTRATOR, f"changes decisions {_MINE} --change sis/g1"),
    Line("changes.ExplainChange", ADMINISTRATOR, "explain sis g1 --gates"),
    Line("status.GetStatus", MONITOR, "status"),
    Line("status.GetTallies", MONITOR, "status"),
    Line("status.ListServiceStates", MONITOR, "--district - status"),
    Line(
        "status.ListDeliveries",
        MONITOR,
        f"deliveries list {_MINE} --limit 1",
        keeps="delivery=deliveryId",
    ),
    Line("status.GetDelivery", MONITOR, "deliveries get {delivery}"),
    Line("devices.GetNotification", BACKEND, f"notifications get {_MINE} --delivery {{delivery}}"),
    Line("devices.ReportReceipts", BACKEND, f"notifications receipt opened {{delivery}} {_MINE}"),
    Line(
        "status.CancelDeliveries", ADMINISTRATOR, "deliveries cancel --kind grade --comment twice"
    ),
    Line(
        "status.RetryDeliveries",
        ADMINISTRATOR,
        "deliveries retry --uncertain --kind grade --dry-run",
    ),
    Line("devices.UnregisterDevice", BACKEND, f"devices unregister {_MINE} --device {{device}}"),
    Line("devices.SignOut", ADMINISTRATOR, f"devices sign-out {_MINE}"),
    Line("access.ListAuditEntries", ADMINISTRATOR, "audit list --since 2026-01-01 --limit 3"),
    Line("access.VerifyAuditLog", ADMINISTRATOR, "audit verify"),
    Line("access.ExportPersonData", ADMINISTRATOR, f"persons export {MOTHER}"),
    Line("access.ErasePersonData", ADMINISTRATOR, f"persons erase {MOTHER} --yes"),
    Line("districts.GetDistrict", OPERATOR, f"--district {DISTRICT} districts get"),
]
