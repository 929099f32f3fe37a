"""The gates of a device: 10 usable, 11 stays logged in, 12 subscribed, 13, 14 changed, 15 news."""

from __future__ import annotations

from schoolbell_server.domain.cases import DeviceCase
from schoolbell_server.domain.condition_gate import CONDITION, see_subscription
from schoolbell_server.domain.decision import Refusal
from schoolbell_server.domain.fact import value_text
from schoolbell_server.domain.gate import EntityKind, GateCheck, SeenFact, seen
from schoolbell_server.domain.kinds import Gate, RefusalReason
from schoolbell_server.domain.versions import is_older
from schoolbell_server.domain.world import MinimumVersion

_NO_MINIMUM = MinimumVersion()


def _minimum(case: DeviceCase) -> MinimumVersion:
    minimums = case.recipient.case.district.minimum_versions
    return minimums.get((case.device.app_id, case.device.platform), _NO_MINIMUM)


def _refuse_device(case: DeviceCase) -> Refusal | None:
    device = case.device
    if device.retirement is not None:
        return _unusable(RefusalReason.DEVICE_RETIRED, device.retirement.name)
    app = case.recipient.case.district.apps.get(device.app_id)
    if app is None:
        return _unusable(RefusalReason.APP_UNKNOWN, device.app_id)
    if app is not case.recipient.app:
        return _unusable(RefusalReason.WRONG_APP, app.name)
    return _refuse_version(case)


def _refuse_version(case: DeviceCase) -> Refusal | None:
    device, minimum = case.device, _minimum(case)
    if is_older(device.os_version, minimum.os_version):
        return _unusable(RefusalReason.PLATFORM_TOO_OLD, device.os_version)
    if is_older(device.app_version, minimum.app_version):
        return _unusable(RefusalReason.APP_TOO_OLD, device.app_version)
    return None


def _unusable(reason: RefusalReason, value: str) -> Refusal:
    return Refusal(Gate.DEVICE_USABLE, reason, value)


def _see_device(case: DeviceCase) -> tuple[SeenFact, ...]:
    device, minimum, district = case.device, _minimum(case), case.recipient.case.district
    app = district.apps.get(device.app_id)
    retirement = device.retirement
    return (
        *seen(
            EntityKind.DEVICE,
            device.device_id,
            retirement=None if retirement is None else retirement.name,
            app_id=device.app_id,
            platform=device.platform.name,
            os_version=device.os_version,
            app_version=device.app_version,
        ),
        *seen(
            EntityKind.DISTRICT,
            district.district_id,
            app=None if app is None else app.name,
            minimum_os_version=minimum.os_version,
            minimum_app_version=minimum.app_version,
        ),
    )


def _refuse_login(case: DeviceCase) -> Refusal | None:
    if case.device.stay_logged_in:
        return None
    return Refusal(Gate.STAYS_LOGGED_IN, RefusalReason.NOT_STAYING_LOGGED_IN)


def _see_login(case: DeviceCase) -> tuple[SeenFact, ...]:
    device = case.device
    return seen(EntityKind.DEVICE, device.device_id, stay_logged_in=device.stay_logged_in)


def _refuse_subscription(case: DeviceCase) -> Refusal | None:
    if case.device.muted:
        return Refusal(Gate.SUBSCRIBED, RefusalReason.DEVICE_MUTED)
    if case.subscription is not None and case.subscription.enabled:
        return None
    return Refusal(Gate.SUBSCRIBED, RefusalReason.NOT_SUBSCRIBED)


def _see_subscription(case: DeviceCase) -> tuple[SeenFact, ...]:
    return (
        *seen(EntityKind.DEVICE, case.device.device_id, muted=case.device.muted),
        *see_subscription(
            case,
            subscription_enabled=case.subscription is not None and case.subscription.enabled,
            subscription_level=case.level.name,
        ),
    )


def _is_unchanged(case: DeviceCase) -> bool:
    """Return whether there is no news; a move is news also where only its old place changed."""
    update, known = case.recipient.case.update, case.baseline.previous.value
    if not update.changed:
        return True
    return update.other_key is None and known == update.current


def _said_so_itself(case: DeviceCase) -> bool:
    """Return whether this source and section gave the known value, in this change or before."""
    return case.recipient.case.update.same_setter or case.baseline.previous.from_publisher


def _refuse_no_change(case: DeviceCase) -> Refusal | None:
    if _said_so_itself(case) and _is_unchanged(case):
        return Refusal(Gate.VALUE_CHANGED, RefusalReason.UNCHANGED)
    return None


def _refuse_told(case: DeviceCase) -> Refusal | None:
    if not _said_so_itself(case) and _is_unchanged(case):
        return Refusal(Gate.NOT_ALREADY_TOLD, RefusalReason.ALREADY_TOLD)
    return None


def _see_value(case: DeviceCase) -> tuple[SeenFact, ...]:
    update = case.recipient.case.update
    return seen(
        EntityKind.FACT,
        update.key,
        known_value=value_text(case.baseline.previous.value),
        new_value=value_text(update.current),
        changed=update.changed,
        same_setter=update.same_setter,
    )


USABLE_RULES: tuple[GateCheck[DeviceCase], ...] = (
    GateCheck(Gate.DEVICE_USABLE, _refuse_device, _see_device),
    GateCheck(Gate.STAYS_LOGGED_IN, _refuse_login, _see_login),
    GateCheck(Gate.SUBSCRIBED, _refuse_subscription, _see_subscription),
)
"""Judged again before each attempt."""

DEVICE_RULES: tuple[GateCheck[DeviceCase], ...] = (
    *USABLE_RULES,
    CONDITION,
    GateCheck(Gate.VALUE_CHANGED, _refuse_no_change, _see_value),
    GateCheck(Gate.NOT_ALREADY_TOLD, _refuse_told, _see_value),
)
