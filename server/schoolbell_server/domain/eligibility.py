"""Who is told of a change, and by which gate everybody else is not.

The gates run in the order change (1, 2, 3, 4, 5, 6, 7, 16), recipient (8, 9), device (10 to 15);
the first failure is the recorded one.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from operator import attrgetter

from schoolbell_server.domain.calendar_gates import TOOL_SHOWN, AppCase, Survey, survey
from schoolbell_server.domain.cases import (
    RecipientCase,
    change_case,
    device_case,
    named_recipient,
    places,
    recipients,
)
from schoolbell_server.domain.change import Change
from schoolbell_server.domain.change_gates import ARRIVAL_RULES, NEWEST, SWITCH_RULES
from schoolbell_server.domain.condition_gate import is_correction
from schoolbell_server.domain.decision import (
    Decision,
    DeviceDecision,
    Moment,
    RecipientDecision,
    Refusal,
)
from schoolbell_server.domain.device_gates import DEVICE_RULES, USABLE_RULES
from schoolbell_server.domain.fact import Baseline, FactUpdate
from schoolbell_server.domain.gate import first_refusal
from schoolbell_server.domain.kinds import AppType, Gate, RefusalReason
from schoolbell_server.domain.recipient_gates import RECIPIENT_RULES
from schoolbell_server.domain.world import DeviceFacts, World

_BY_ID = attrgetter("device_id")


def decide(
    change: Change,
    moment: Moment,
    update: FactUpdate,
    world: World,
    baselines: Mapping[str, Baseline],
) -> Decision:
    """Decide who is told of a change.

    `baselines` is by device_id; a device that it lacks is judged against `update.previous`.
    Recipients are the student, then guardians by user_id; devices are by device_id.
    """
    case = change_case(change, moment, update, world, baselines)
    refusal = first_refusal(ARRIVAL_RULES, case)
    if refusal is not None:
        return Decision(refusal=refusal)
    found = survey(places(case, world))
    ended = ended_apps(found)
    if len(ended) == len(AppType):
        return Decision(app_refusals=ended)
    refusal = found.refusal or NEWEST.refuse(case)
    if refusal is not None:
        return Decision(refusal=refusal, app_refusals=ended)
    closed = {app for app, _ in ended}
    judged = [_decide_person(r, baselines) for r in recipients(case) if r.app not in closed]
    return Decision(app_refusals=ended, recipients=tuple(judged))


def ended_apps(found: Survey) -> tuple[tuple[AppType, Refusal], ...]:
    """Return the apps whose side gate 6 ends; it is not reached where gate 4 or 5 fails."""
    if found.refusal is not None and found.refusal.gate is not Gate.ENROLLED:
        return ()
    judged = ((app, TOOL_SHOWN.refuse(AppCase(app, found))) for app in AppType)
    return tuple((app, refusal) for app, refusal in judged if refusal is not None)


def _decide_person(
    recipient: RecipientCase, baselines: Mapping[str, Baseline]
) -> RecipientDecision:
    user = recipient.user
    refusal = first_refusal(RECIPIENT_RULES, recipient)
    if refusal is not None:
        return RecipientDecision(user_id=user.user_id, app=recipient.app, refusal=refusal)
    untold = recipient.case.untold
    devices = tuple(
        _decide_device(recipient, device, baselines.get(device.device_id, untold))
        for device in sorted(user.devices, key=_BY_ID)
    )
    return RecipientDecision(user_id=user.user_id, app=recipient.app, devices=devices)


def _decide_device(
    recipient: RecipientCase, device: DeviceFacts, baseline: Baseline
) -> DeviceDecision:
    case = device_case(recipient, device, baseline)
    refusal = first_refusal(DEVICE_RULES, case)
    return DeviceDecision(
        device_id=device.device_id,
        refusal=refusal,
        previous=baseline.previous,
        correction=refusal is None and is_correction(case),
    )


def recheck(
    change: Change, user_id: str, device_id: str, school_day: dt.date, world: World
) -> Refusal | None:
    """Judge gates 1 to 12 again for one delivery, before an attempt.

    Gate 3 is left out: lateness is a fact of the receipt, the time to live was fixed in the
    delivery's expire time, and a district that shortens it means the changes to come.
    """
    moment = Moment(lateness=dt.timedelta(0), school_day=school_day)
    case = change_case(change, moment, FactUpdate(key=""), world)
    refusal = first_refusal(SWITCH_RULES, case)
    if refusal is not None:
        return refusal
    recipient = named_recipient(case, user_id, world)
    return (
        _recheck_calendar(survey(places(case, world)), recipient.app)
        or first_refusal(RECIPIENT_RULES, recipient)
        or _recheck_device(recipient, device_id)
    )


def _recheck_calendar(found: Survey, app: AppType) -> Refusal | None:
    return dict(ended_apps(found)).get(app) or found.refusal


def _recheck_device(recipient: RecipientCase, device_id: str) -> Refusal | None:
    """Judge the device as its present user's: one that went to somebody else is retired."""
    for device in recipient.user.devices:
        if device.device_id == device_id:
            return first_refusal(
                USABLE_RULES, device_case(recipient, device, recipient.case.untold)
            )
    return Refusal(Gate.DEVICE_USABLE, RefusalReason.DEVICE_RETIRED)
