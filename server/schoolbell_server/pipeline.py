"""Everything between the servicers and the providers, put together, started and drained."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Callable, Iterable
from functools import partial

from schoolbell_server.acceptance.acceptor import Acceptor
from schoolbell_server.acceptance.transaction import Acceptance, new_delivery_id
from schoolbell_server.background.periodic import Periodic
from schoolbell_server.background.stopping import Stop
from schoolbell_server.background.supervisor import Supervisor
from schoolbell_server.config import Config
from schoolbell_server.dispatch.batch_sender import BatchSender
from schoolbell_server.dispatch.dispatcher import Dispatcher
from schoolbell_server.dispatch.hand_off import Reservation
from schoolbell_server.dispatch.lease import Lease
from schoolbell_server.dispatch.outcomes import Outcomes
from schoolbell_server.dispatch.preparer import Preparer
from schoolbell_server.dispatch.quarantine import Quarantine
from schoolbell_server.domain.delivery import UNSENT, Delivery
from schoolbell_server.domain.kinds import DetailLevel
from schoolbell_server.domain.retry import RetryPolicy
from schoolbell_server.gateways.factory import Gateways
from schoolbell_server.link import overdue
from schoolbell_server.link.hub import Hub
from schoolbell_server.link.overdue import Overdue
from schoolbell_server.maintenance import ageing, clock_repair, expiry
from schoolbell_server.maintenance.ageing import Ageing
from schoolbell_server.maintenance.clock_repair import ClockRepair
from schoolbell_server.maintenance.expiry import Expiry
from schoolbell_server.maintenance.janitor import Janitor
from schoolbell_server.maintenance.orphaned_leases import OrphanedLeases
from schoolbell_server.observability.metrics import Metrics
from schoolbell_server.security.sealer import Sealer
from schoolbell_server.status.monitor import Monitor
from schoolbell_server.status.tail import Tail
from schoolbell_server.texts import Texts
from schoolbell_storage.engine import Storage
from schoolbell_storage.world import Apps


class Pipeline:
    """Accepts changes and sends deliveries, for one server."""

    def __init__(
        self,
        storage: Storage,
        config: Config,
        gateways: Gateways,
        *,
        apps: Apps,
        sealer: Sealer,
        texts: Texts,
        metrics: Metrics,
        monitor: Monitor,
        tail: Tail,
        clock: Callable[[], dt.datetime],
        replay: bool,
        hub: Hub | None = None,
    ) -> None:
        """With a `hub` the gateways pass on, and it answers later."""
        self._tail = tail
        delivery, self._role = config.delivery, config.server.role
        self.lease = Lease(
            storage,
            length=delivery.lease,
            renewal=delivery.lease_renewal,
            sends=self._role.sends,
            metrics=metrics,
            on_recovered=self.wake,
        )
        self.acceptance = Acceptance(apps, replay=replay, new_id=new_delivery_id)
        quarantine = Quarantine(
            storage, metrics, owner=self.lease.instance_id, clock=clock, on_written=self.wake
        )
        self._outcomes = Outcomes(
            storage,
            metrics,
            monitor.rates,
            quarantine=quarantine,
            owner=self.lease.instance_id,
            budget=delivery.attempt_budget,
            policy=RetryPolicy(
                first=delivery.first_backoff,
                longest=delivery.longest_backoff,
                longest_retry_after=delivery.longest_retry_after,
            ),
            clock=clock,
            on_written=self._written,
            most=delivery.batch_size,
        )
        preparer = Preparer(
            storage,
            apps,
            sealer,
            texts,
            clock=clock,
            replay=replay,
            most_detail=DetailLevel.DETAILED if hub is None else hub.most_detail,
        )
        self._hub = hub
        if hub is not None:
            hub.attach(storage, self._outcomes, preparer)
        sender = BatchSender(storage, self.lease, preparer, self._outcomes, quarantine, clock=clock)
        self._dispatchers = {
            (app_id, platform): Dispatcher(
                storage,
                self.lease,
                sender,
                gateway,
                app_id=app_id,
                platform=platform,
                batch_size=delivery.batch_size,
                poll=delivery.claim_interval.total_seconds(),
                clock=clock,
            )
            for (app_id, platform), gateway in gateways.items()
            if self._role.sends
        }
        self.acceptor = Acceptor(
            storage,
            self.acceptance,
            partial(Reservation, self.lease, self._dispatchers),
            metrics,
            monitor.backlog,
            monitor.rates,
            clock=clock,
            most_backlog=config.limits.backlog,
            on_written=tail.nudge,
        )
        monitor.health.follow(self.lease, self.acceptor if self._role.answers else None)
        self._orphaned_leases = OrphanedLeases(
            storage,
            self.lease,
            self._dispatchers.values(),
            metrics,
        )
        self._orphan_interval = (delivery.lease + config.storage.timeout).total_seconds()
        self._drained = Stop()
        """What is still being sent while the server drains is its own only as long as it lives."""
        self._expiry = Expiry(storage, clock)
        self._overdue = Overdue(storage, clock)
        self._janitor = Janitor(storage, config.retention, metrics, clock)
        self._round_interval = config.retention.interval.total_seconds()
        self._ageing = Ageing(storage, config.devices.stale_after, metrics, clock)
        self._clock_repair = ClockRepair(storage, self._dispatchers, clock, self.wake)

    def wake(self) -> None:
        """Say that something was committed: senders and watchers look at once."""
        self._tail.nudge()
        for dispatcher in self._dispatchers.values():
            dispatcher.wake()

    def _written(self, rows: Iterable[Delivery]) -> None:
        """Tell watchers of outcomes, and the senders of what is to be tried again."""
        self._tail.nudge()
        for place in {(row.app_id, row.platform) for row in rows if row.state in UNSENT}:
            if place in self._dispatchers:
                self._dispatchers[place].wake()

    async def start(self) -> None:
        """Take the lease and take back what dead servers had leased."""
        await self.lease.start()

    def run(self, supervisor: Supervisor, stop: Stop) -> list[asyncio.Task[None]]:
        """Start the work.

        Returns those that wait for work for ever and have to be cancelled, once drained.
        """
        supervisor.start("lease", lambda: self.lease.run(self._drained), self._drained)
        endless = []
        if self._role.answers:
            endless.append(supervisor.start("acceptor", self.acceptor.run, self._drained))
        if self._role.sends:
            for periodic in self._maintenance(stop):
                supervisor.start(periodic.task, partial(periodic.run, stop))
            for dispatcher in self._dispatchers.values():
                supervisor.start("dispatcher", dispatcher.run)
        if self._role.sends or self._hub is not None:
            endless.append(supervisor.start("outcomes", self._outcomes.run, self._drained))
        if self._hub is not None:  # also beside calls: of tests, and as any server of the district
            endless += self._hub.run(supervisor, stop)
        return endless

    def _maintenance(self, stop: Stop) -> Iterable[Periodic]:
        """Yield what a server that sends does beside sending."""
        yield Periodic(
            task="expiry",
            work=self._expiry.round,
            interval=expiry.INTERVAL,
            failure="nothing expired",
        )
        yield Periodic(
            task="overdue",
            work=self._overdue.round,
            interval=overdue.INTERVAL,
            failure="nothing overdue ended",
        )
        yield Periodic(
            task="orphaned leases",
            work=self._orphaned_leases.look,
            interval=self._orphan_interval,
            failure="orphaned leases not looked for",
        )
        yield Periodic(
            task="clock repair",
            work=partial(self._clock_repair.look, stop),
            interval=clock_repair.INTERVAL,
            failure="deliveries of a clock ahead not looked for",
            at_once=True,
        )
        yield Periodic(
            task="janitor",
            work=partial(self._janitor.work, stop),
            interval=self._round_interval,
            failure="round of the janitor not finished",
        )
        yield Periodic(
            task="ageing",
            work=partial(self._ageing.round, stop),
            interval=ageing.INTERVAL,
            failure="silent devices not retired",
            at_once=True,
        )

    async def drain(self) -> None:
        """Commit what was taken in, finish what is under way, and let go of the lease."""
        await self.acceptor.drained()
        await asyncio.gather(*(dispatcher.drain() for dispatcher in self._dispatchers.values()))
        await self.lease.end()
        self._drained.ask()
