"""A district's whole service that sends through a hub, over a real broker, to real sandboxes."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path

from schoolbell_server.address import Address
from schoolbell_server.config import Config, StorageConfig
from schoolbell_server.config.broker import LinkConfig
from schoolbell_server.config.secret import Secret
from schoolbell_server.config.topology import DistrictTopology
from schoolbell_server.demo.rabbitmq.broker import Broker
from schoolbell_server.domain.kinds import Platform
from schoolbell_server.gateways.app_config import AppConfig
from schoolbell_server.hub.config import HubConfig, HubServerConfig
from schoolbell_server.hub.service import Running
from schoolbell_server.hub.service import running as running_hub
from tests.link.enrolled import enroll, hub, remove, some_district
from tests.service.whole import Whole, whole


@dataclass
class Hub:
    """A hub that can be stopped and started again on its ledger."""

    config: HubConfig
    running: Running | None = None
    _stack: AsyncExitStack = field(default_factory=AsyncExitStack)

    async def start(self) -> None:
        """Start the hub."""
        self.running = await self._stack.enter_async_context(running_hub(self.config))

    async def stop(self) -> None:
        """Drain the hub."""
        await self._stack.aclose()


@dataclass
class Linked:
    """A service, its hub and its broker."""

    service: Whole
    hub: Hub
    broker: Broker
    district: DistrictTopology


@asynccontextmanager
async def linked(
    folder: Path,
    broker: Broker,
    *,
    url: str = "",
    started: bool = True,
    metrics: int = 0,
    adapt: Callable[[LinkConfig], LinkConfig] = lambda link: link,
    **settings: object,
) -> AsyncIterator[Linked]:
    """Run a service that sends through a hub; `url` is a PostgreSQL of the service's own.

    `metrics` is the port that serves the service's metrics, if any.
    """
    district = some_district()
    link = adapt(await enroll(broker, folder, district))
    at_broker = await hub(broker, folder)
    accounts: dict[str, AppConfig] = {}

    def through_hub(config: Config) -> Config:
        accounts.update(config.apps)
        apps = {
            app_id: AppConfig(app_id=app_id, kind=app.kind, platforms=tuple(Platform))
            for app_id, app in config.apps.items()
        }
        listen = Address("127.0.0.1", metrics) if metrics else None
        server = replace(config.server, metrics_listen=listen)
        return replace(config, apps=apps, link=link, server=server)

    async with AsyncExitStack() as stack:
        stack.push_async_callback(remove, broker, district)
        service = await stack.enter_async_context(
            whole(folder, url=url, adapt=through_hub, **settings)  # type: ignore[arg-type]
        )
        config = HubConfig(
            broker=at_broker,
            hub=HubServerConfig(
                listen=Address("127.0.0.1", 0),
                plaintext=True,
                data_dir=folder / "hub",
                attempt_timeout=timedelta(seconds=5),
                drain_grace=timedelta(seconds=5),
            ),
            storage=StorageConfig(url=Secret("")),
            apps=accounts,
        )
        one = Hub(config)
        stack.push_async_callback(one.stop)
        if started:
            await one.start()
        yield Linked(service, one, broker, district)


def with_ledger(config: HubConfig, url: str, folder: Path) -> HubConfig:
    """Return the configuration of another hub, with the ledger on a PostgreSQL."""
    server = dataclasses.replace(config.hub, data_dir=folder)
    return dataclasses.replace(
        config, hub=server, storage=dataclasses.replace(config.storage, url=Secret(url))
    )
