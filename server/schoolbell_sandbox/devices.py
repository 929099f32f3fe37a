"""The phones behind the providers: online or not, dead or not, and what waits for them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from schoolbell_sandbox.clock import Clock
from schoolbell_sandbox.ledger import Arrival, Ledger
from schoolbell_server.domain.kinds import Provider

FCM_STORED = 100
"""Beyond this FCM throws all waiting messages away and tells the app to ask its server."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Death:
    """Why and since when an address is dead."""

    reason: str = "Unregistered"
    time: float
    """Epoch seconds."""


@dataclass(slots=True, kw_only=True)
class Device:
    """An address at a provider."""

    address: str
    app: str
    """The bundle id (APNs) or the project id (FCM) it belongs to."""
    environment: str = ""
    """APNs only."""
    ios: bool = False
    """FCM only: reached through APNs."""
    online: bool = True
    death: Death | None = None
    waiting: list[Arrival] = field(default_factory=list)


class Devices:
    """The devices of one provider."""

    def __init__(self, provider: Provider, ledger: Ledger, clock: Clock) -> None:
        self._ledger = ledger
        self._clock = clock
        stores = {Provider.APNS: store_newest, Provider.FCM: store_all}
        self._store: Callable[[Device, Arrival], int] = stores[provider]
        self._devices: dict[str, Device] = {}

    def get(self, address: str) -> Device | None:
        """Return a device."""
        return self._devices.get(address)

    def add(self, device: Device) -> Device:
        """Add or replace a device."""
        self._devices[device.address] = device
        return device

    def __len__(self) -> int:
        """How many there are."""
        return len(self._devices)

    def clear(self) -> None:
        """Forget all."""
        self._devices.clear()

    def deliver(self, device: Device, arrival: Arrival) -> None:
        """Record an acceptance; show it, or keep it for an offline device."""
        self._ledger.accept(arrival)
        now = self._clock.now()
        if device.online:
            self._show(arrival, now)
        elif arrival.expire_time is not None and arrival.expire_time <= now:
            self._ledger.expire()
        else:
            self._ledger.expire(self._store(device, arrival))

    def set_online(self, device: Device, online: bool) -> None:
        """Switch a phone on, which shows what waited and has not expired, or off."""
        device.online = online
        if online:
            waiting, device.waiting = device.waiting, []
            now = self._clock.now()
            for arrival in waiting:
                self._show(arrival, now)

    def kill(self, device: Device, death: Death) -> None:
        """Let an address die; what waits for it is lost."""
        device.death = death
        self._ledger.expire(len(device.waiting))
        device.waiting = []

    def _show(self, arrival: Arrival, now: float) -> None:
        late = arrival.expire_time is not None and arrival.expire_time < now
        if late and arrival.expire_time != 0:
            self._ledger.expire()
        else:
            self._ledger.show(arrival, now)


def store_newest(device: Device, arrival: Arrival) -> int:
    """Keep one notification per device and app, as APNs does; return how many were dropped."""
    kept = [waiting for waiting in device.waiting if waiting.app != arrival.app]
    dropped = len(device.waiting) - len(kept)
    device.waiting = [*kept, arrival]
    return dropped


def store_all(device: Device, arrival: Arrival) -> int:
    """Keep up to `FCM_STORED` messages, then none; return how many were dropped."""
    device.waiting.append(arrival)
    if len(device.waiting) <= FCM_STORED:
        return 0
    dropped = len(device.waiting)
    device.waiting = []
    return dropped
