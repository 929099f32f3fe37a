"""The settings of a district as the fields of a form, and back."""

from __future__ import annotations

from collections.abc import Mapping

from google.protobuf.duration_pb2 import Duration
from google.protobuf.field_mask_pb2 import FieldMask

from schoolbell.v1 import common_pb2, settings_service_pb2
from schoolbell.v1.settings_service_pb2 import KindSettings, Retention, Settings

Values = dict[str, str]
"""The fields of the form by name; an empty one is the service's default."""

KINDS = common_pb2.Kind.values()[1:]
_HOUR, _MINUTE, _DAY = 3600, 60, 86_400  # seconds
_RANGES = {  # of each sort of number: the least and the most, in the unit of the field
    "live": (1, 672),
    "hold": (0, 60),
    "keep": (1, 3650),
    "grace": (0, 60),
}
_MASKS = {
    "enabled": "enabled",
    "detail": "detail_level",
    "live": "kind_settings",
    "hold": "kind_settings",
    "keep": "retention",
    "adult": "adult_student_rule",
    "grace": "enrollment_grace",
}


def fields() -> list[str]:
    """Return the names of all fields, in their order on the page."""
    kinds = [f"{part}-{kind}" for kind in KINDS for part in ("live", "hold")]
    return ["enabled", "detail", *kinds, "adult", "grace", "keep-changes", "keep-deliveries"]


def from_settings(settings: Settings) -> Values:
    """Return what the form shows."""
    values = dict.fromkeys(fields(), "")
    values["enabled"] = "on" if settings.enabled else ""
    values["detail"] = str(int(settings.detail_level or common_pb2.DETAIL_LEVEL_GENERIC))
    rule = settings.adult_student_rule
    follow = settings_service_pb2.ADULT_STUDENT_RULE_FOLLOW_PORTAL_FLAG
    values["adult"] = str(int(rule or follow))
    for one in settings.kind_settings:
        if one.HasField("time_to_live"):
            values[f"live-{one.kind}"] = _units(one.time_to_live, _HOUR)
        if one.HasField("hold"):
            values[f"hold-{one.kind}"] = _units(one.hold, _MINUTE)
    if settings.HasField("enrollment_grace"):
        values["grace"] = _units(settings.enrollment_grace, _DAY)
    for name in ("changes", "deliveries"):
        if settings.retention.HasField(name):
            values[f"keep-{name}"] = _units(getattr(settings.retention, name), _DAY)
    return values


def from_form(form: Mapping[str, object]) -> Values:
    """Return what a person sent; a field that is missing is empty."""
    return {name: str(form.get(name, "")).strip()[:20] for name in fields()}


def wrong(values: Values) -> dict[str, tuple[int, int]]:
    """Return the fields that are no number in their range, with the range."""
    found = {}
    for name, value in values.items():
        span = _RANGES.get(name.partition("-")[0])
        if span and value and not (_is_number(value) and span[0] <= float(value) <= span[1]):
            found[name] = span
    return found


def to_settings(values: Values) -> Settings:
    """Return the settings that the form asks for."""
    settings = Settings(
        enabled=bool(values["enabled"]),
        detail_level=common_pb2.DetailLevel.ValueType(int(values["detail"] or 0)),
        adult_student_rule=settings_service_pb2.AdultStudentRule.ValueType(
            int(values["adult"] or 0)
        ),
        retention=Retention(),
    )
    for kind in KINDS:
        live, hold = values[f"live-{kind}"], values[f"hold-{kind}"]
        if live or hold:
            one = KindSettings(kind=kind)
            if live:
                one.time_to_live.CopyFrom(_duration(live, _HOUR))
            if hold:
                one.hold.CopyFrom(_duration(hold, _MINUTE))
            settings.kind_settings.append(one)
    if values["grace"]:
        settings.enrollment_grace.CopyFrom(_duration(values["grace"], _DAY))
    for name in ("changes", "deliveries"):
        if values[f"keep-{name}"]:
            getattr(settings.retention, name).CopyFrom(_duration(values[f"keep-{name}"], _DAY))
    return settings


def mask(before: Values, wanted: Values) -> FieldMask:
    """Return which settings a person changed."""
    changed = {_MASKS[name.partition("-")[0]] for name in differing(before, wanted)}
    return FieldMask(paths=sorted(changed))


def differing(one: Values, other: Values) -> list[str]:
    """Return the fields that differ, in their order on the page."""
    return [name for name in fields() if one.get(name, "") != other.get(name, "")]


def _is_number(value: str) -> bool:
    return value.replace(".", "", 1).isdecimal() and value.isascii()


def _units(duration: Duration, unit: int) -> str:
    return f"{duration.ToTimedelta().total_seconds() / unit:.6g}"


def _duration(value: str, unit: int) -> Duration:
    duration = Duration()
    duration.FromSeconds(round(float(value) * unit))
    return duration
