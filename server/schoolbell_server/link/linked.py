"""A server's part of the link, put together."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Callable, Mapping

from schoolbell_server.background.periodic import Periodic
from schoolbell_server.background.stopping import Stop
from schoolbell_server.background.supervisor import Supervisor
from schoolbell_server.config.broker import LinkConfig, LinkPayload
from schoolbell_server.dispatch.outcomes import Outcomes
from schoolbell_server.dispatch.preparer import Preparer
from schoolbell_server.domain.kinds import DetailLevel
from schoolbell_server.gateways.app_config import AppConfig
from schoolbell_server.link import lost
from schoolbell_server.link.answers import AnswerWriter
from schoolbell_server.link.district_link import DistrictLink
from schoolbell_server.link.gateway import LinkGateway
from schoolbell_server.link.lost import LostAttempts
from schoolbell_server.link.withdrawer import Withdrawer
from schoolbell_server.observability.metrics import Metrics
from schoolbell_storage.engine import Storage


class Linked:
    """The link of one server, with a gateway for every app and platform that the hub sends for."""

    def __init__(
        self,
        config: LinkConfig,
        apps: Mapping[str, AppConfig],
        metrics: Metrics,
        *,
        deadline: dt.timedelta,
        clock: Callable[[], dt.datetime],
    ) -> None:
        self.link = DistrictLink(config, metrics, clock=clock)
        self.gateways = {
            (app_id, platform): LinkGateway(self.link, platform, deadline=deadline, clock=clock)
            for app_id, app in apps.items()
            for platform in app.platforms
        }
        self._metrics = metrics
        self._clock = clock

    @property
    def most_detail(self) -> DetailLevel:
        """Return how much a push may say, whatever districts and users choose."""
        generic = self.link.config.payload is LinkPayload.GENERIC
        return DetailLevel.GENERIC if generic else DetailLevel.DETAILED

    def attach(self, storage: Storage, outcomes: Outcomes, preparer: Preparer) -> None:
        """Take what outcomes are written by, and what judges what was passed on."""
        self._answers = AnswerWriter(
            storage, outcomes, self.gateways, self._metrics, clock=self._clock
        )
        self.lost = LostAttempts(storage, self.link, self._metrics)
        self._withdrawer = Withdrawer(
            storage, self.link, preparer, self._metrics, clock=self._clock
        )

    def run(self, supervisor: Supervisor, stop: Stop) -> list[asyncio.Task[None]]:
        """Start the work; return what has to be cancelled, once drained."""
        supervisor.start("withdrawals", lambda: self._withdrawer.run(stop))
        looking = Periodic(
            task="lost attempts",
            work=self.lost.look,
            interval=lost.INTERVAL,
            failure="lost attempts not looked for",
        )
        supervisor.start(looking.task, lambda: looking.run(stop))
        return [supervisor.start("link", lambda: self.link.run(self._answers.write))]
