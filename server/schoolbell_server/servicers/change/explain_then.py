"""What was recorded of one person when a change was decided, and what became of it since."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property

from schoolbell.v1 import explanation_pb2
from schoolbell_server.contract.deliveries import write_delivery
from schoolbell_server.contract.explanations import write_recorded
from schoolbell_server.domain.decision import RecipientDecision, Refusal
from schoolbell_server.domain.delivery import Delivery
from schoolbell_server.domain.explain import RecipientExplanation
from schoolbell_server.domain.kinds import DeliveryState
from schoolbell_server.servicers.change.explain_facts import Accepted
from schoolbell_server.texts.summaries import Fate, Verdicts, Why


class Then:
    """What was recorded of one person, and what became of it."""

    def __init__(self, stored: Accepted, person: RecipientExplanation, device_id: str) -> None:
        self._stored = stored
        self._person = person
        self._device_id = device_id
        self._decision = stored.record.decision

    @cached_property
    def _recipient(self) -> RecipientDecision | None:
        found = (one for one in self._decision.recipients if one.user_id == self._person.user_id)
        return next(found, None)

    @property
    def refusal(self) -> Refusal | None:
        """Return what was recorded of the app or the person; that of the change is beside it."""
        of_app = dict(self._decision.app_refusals).get(self._person.app)
        if self._recipient is None or of_app is not None:
            return of_app
        return self._recipient.refusal

    @property
    def verdicts(self) -> Verdicts | None:
        """Return how it went; None where nothing was decided about this person."""
        refusal = self._decision.refusal or self.refusal
        if refusal is not None:
            return Verdicts(refusals=[Why(refusal.gate, refusal.reason)])
        if self._recipient is None:
            return None
        asked = self._devices()
        refused = [refusal for _, refusal in asked if refusal is not None]
        return Verdicts(
            told=len(asked) - len(refused),
            refusals=[Why(refusal.gate, refusal.reason) for refusal in refused],
        )

    def fates(self) -> Iterator[Fate]:
        """Yield what became of each of the person's deliveries."""
        for device_id, refusal in self._devices():
            delivery = self._stored.deliveries.get(device_id)
            if refusal is None and delivery is not None:
                yield fate_of(delivery)

    def complete(self, message: explanation_pb2.ExplainedDevice) -> None:
        """Add to a device what was recorded of it, and its delivery."""
        recorded = dict(self._devices())
        if message.device_id in recorded:
            refusal = recorded[message.device_id]
            message.recorded.CopyFrom(write_recorded(self._stored.record, refusal))
        delivery = self._stored.deliveries.get(message.device_id)
        if delivery is not None:
            message.delivery.CopyFrom(write_delivery(delivery, attempts=True))

    def lost_devices(self) -> Iterator[explanation_pb2.ExplainedDevice]:
        """Yield the devices that were judged then and of which nothing is kept now."""
        kept = {device.device_id for device in self._person.devices}
        for device_id, _ in self._devices():
            if device_id not in kept:
                message = explanation_pb2.ExplainedDevice(device_id=device_id)
                self.complete(message)
                yield message

    def _devices(self) -> list[tuple[str, Refusal | None]]:
        if self._recipient is None:
            return []
        return [
            (device.device_id, device.refusal)
            for device in self._recipient.devices
            if self._device_id in ("", device.device_id)
        ]


def fate_of(row: Delivery) -> Fate:
    """Return what became of a delivery so far."""
    state = DeliveryState.SENDING if row.lease_owner else row.state
    gate = row.cancel_gate
    why = None if gate is None else Why(gate, row.cancel_refusal)
    return Fate(state, row.cancel_cause, why)
