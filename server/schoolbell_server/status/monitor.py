"""The state of the service: what the portal's page shows, and what watchers are told.

What is measured is kept by this server; a district's own part (its switch, its year) is read when
it is asked for.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Collection, Iterable, Sequence

from schoolbell.v1 import status_pb2
from schoolbell_server.background.periodic import Periodic
from schoolbell_server.config import ConfigWarning
from schoolbell_server.contract.access import write_head
from schoolbell_server.status.backlog import Backlog
from schoolbell_server.status.links import Links, connectivity
from schoolbell_server.status.notices import Notices
from schoolbell_server.status.rates import Rates
from schoolbell_server.status.storage_health import StorageHealth
from schoolbell_server.status.warnings import ActiveWarning, WarningTimes
from schoolbell_storage.audit_chain import head_of
from schoolbell_storage.districts import DistrictRow, get_district, read_settings
from schoolbell_storage.engine import Storage
from schoolbell_storage.instances import count_workers
from schoolbell_storage.roster import has_portal_relationship

_INTERVAL = 1.0  # seconds
_Code = status_pb2.WarningCode


class Monitor:
    """Puts a district's state together from what is measured and what is stored."""

    def __init__(
        self,
        storage: Storage,
        *,
        links: Links,
        backlog: Backlog,
        health: StorageHealth,
        rates: Rates,
        warnings: Sequence[ConfigWarning],
        notices: Notices | None = None,
        clock: Callable[[], dt.datetime],
    ) -> None:
        self._storage = storage
        self.links = links
        self.backlog = backlog
        self.health = health
        self.rates = rates
        self._clock = clock
        self._notices = notices or Notices(clock)
        start = clock()
        self._configured = [
            (
                one.app_id,
                ActiveWarning(
                    _Code.ValueType(one.code),
                    one.text,
                    start,
                    subject=one.text,
                    metadata={"app_id": one.app_id} if one.app_id else {},
                ),
            )
            for one in warnings
        ]
        self._times = WarningTimes(clock)

    def periodic(self) -> Iterable[Periodic]:
        """Yield what is looked at every second."""
        for task, work in (
            ("circuits", self.links.watch_circuits),
            ("storage health", self.health.look),
            ("accepting probe", self.health.probe),
        ):
            yield Periodic(
                task=task, work=work, interval=_INTERVAL, failure="not looked at", at_once=True
            )

    async def state(self, district_id: str) -> status_pb2.ServiceState:
        """Return the state of one district."""
        async with self._storage.read() as connection:
            district = await get_district(connection, district_id)
            settings = await read_settings(connection, district_id)
            has_portal = await has_portal_relationship(connection, district_id)
            workers = await count_workers(connection)
            head = await head_of(connection, district_id)
        enabled = settings is not None and settings.enabled
        served = enabled and self.health.sound and workers > 0
        app_ids = set() if district is None else set(district.app_ids)
        links = self.links.of_apps(app_ids)
        found = [
            *(one for app_id, one in self._configured if app_id in ("", *app_ids)),
            *_of_district(district, has_portal=has_portal, workers=workers),
            *self._measured(app_ids),
        ]
        return status_pb2.ServiceState(
            district_id=district_id,
            service_status=(
                status_pb2.SERVICE_STATUS_ACTIVE if served else status_pb2.SERVICE_STATUS_INACTIVE
            ),
            connectivity=connectivity(links),
            links=links,
            warnings=self._times.dated(district_id, found),
            backlog=self.backlog.of_district(district_id),
            rates=self.rates.message(self._clock()),
            audit_head=None if head is None else write_head(head),
        )

    def _measured(self, app_ids: Collection[str]) -> Iterable[ActiveWarning]:
        yield from self.health.warnings()
        yield from self.backlog.warnings()
        yield from self.links.warnings(app_ids)
        for notice in self._notices.of(app_ids):
            yield ActiveWarning(
                notice.code,
                notice.text,
                notice.since,
                subject=notice.text,
                metadata={"setting": notice.setting},
            )


def _of_district(
    district: DistrictRow | None, *, has_portal: bool, workers: int
) -> Iterable[ActiveWarning]:
    if district is not None and district.active_school_year is None:
        text = "The district has no active school year: nobody is told."
        yield ActiveWarning(_Code.WARNING_CODE_NO_ACTIVE_YEAR, text)
    if not has_portal:
        text = "No relationship has the portal flag: nobody but students can be told."
        yield ActiveWarning(_Code.WARNING_CODE_NO_PORTAL_DATA, text)
    if not workers:
        text = "No server that sends is alive."
        yield ActiveWarning(_Code.WARNING_CODE_NO_WORKER, text)
