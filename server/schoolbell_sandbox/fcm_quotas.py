"""FCM's rate limits."""

from __future__ import annotations

from dataclasses import dataclass

from schoolbell_sandbox.clock import Clock
from schoolbell_sandbox.quotas import Buckets, Quota


@dataclass(frozen=True, slots=True, kw_only=True)
class FcmQuotaSettings:
    """The limits; None is none."""

    project: Quota | None = Quota.per(60, 600_000)
    device_minute: Quota | None = Quota.per(60, 240)
    device_hour: Quota | None = Quota.per(3600, 5_000)
    collapsible: Quota | None = Quota(burst=20, refill_seconds=180)


class FcmQuotas:
    """Counts what was sent."""

    def __init__(self, settings: FcmQuotaSettings, clock: Clock) -> None:
        self._clock = clock
        self._project = Buckets(settings.project) if settings.project else None
        kinds = (settings.device_minute, settings.device_hour)
        self._device = [Buckets(quota) for quota in kinds if quota]
        self._collapsible = Buckets(settings.collapsible) if settings.collapsible else None

    def project_wait(self, project_id: str) -> float:
        """Count a message of a project; return the seconds to wait if that is too many."""
        return self._project.take(project_id, self._clock.now()) if self._project else 0.0

    def device_wait(self, address: str, collapsible: bool) -> float:
        """Count a message to a device; return the seconds to wait if that is too many."""
        now = self._clock.now()
        buckets = [*self._device]
        if collapsible and self._collapsible:
            buckets.append(self._collapsible)
        return max((bucket.take(address, now) for bucket in buckets), default=0.0)

    def clear(self) -> None:
        """Forget what was sent."""
        for buckets in (self._project, *self._device, self._collapsible):
            if buckets:
                buckets.clear()
