"""What a decision or an explanation says of one device, whatever scope said it."""

from __future__ import annotations

from schoolbell_server.domain.decision import Decision, DeviceDecision, Refusal
from schoolbell_server.domain.explain import DeviceExplanation, Explanation
from schoolbell_server.domain.kinds import AppType


def refusal_of(decision: Decision, app: AppType, user_id: str, device_id: str) -> Refusal | None:
    """Return the refusal that stops a device: of the change, its app, its user or its own."""
    ended = dict(decision.app_refusals).get(app) or decision.refusal
    if ended is not None:
        return ended
    (recipient,) = (one for one in decision.recipients if one.user_id == user_id)
    return recipient.refusal or device_of(decision, device_id).refusal


def device_of(decision: Decision, device_id: str) -> DeviceDecision:
    """Return the decision of one device."""
    (found,) = (
        device
        for recipient in decision.recipients
        for device in recipient.devices
        if device.device_id == device_id
    )
    return found


def explained(explanation: Explanation, device_id: str) -> DeviceExplanation:
    """Return the explanation of one device."""
    (found,) = (
        device
        for recipient in explanation.recipients
        for device in recipient.devices
        if device.device_id == device_id
    )
    return found


def first_failure(explanation: Explanation, device_id: str) -> Refusal | None:
    """Return the first gate that fails for a device, as a decision would record it."""
    row = explained(explanation, device_id).first_failure
    if row is None:
        return None
    assert row.reason is not None
    return Refusal(row.gate, row.reason, row.value)
