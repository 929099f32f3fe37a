"""The service of a test: it runs in the test's event loop and ends with the block."""

from __future__ import annotations

import datetime as dt
import json
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from schoolbell import AsyncClient, Connection, read_key
from schoolbell_sandbox.server import Sandbox, SandboxSettings
from schoolbell_server.address import Address
from schoolbell_server.app import running
from schoolbell_server.config import Config, DeliveryConfig, ServerConfig
from schoolbell_server.demo.settled import settled
from schoolbell_server.demo.stage import APPS
from schoolbell_server.domain.kinds import AppType, ProviderEnvironment
from schoolbell_server.gateways.app_config import AndroidConfig, AppConfig, IosConfig
from schoolbell_server.testing.district import phone_of_mother, set_up

DISTRICT = "elm-district"
_PATIENCE = 30.0  # seconds
_QUICK = DeliveryConfig(
    first_backoff=dt.timedelta(milliseconds=10),
    longest_backoff=dt.timedelta(seconds=1),
    probe_interval=dt.timedelta(seconds=1),
)
"""Retries without the providers' long pauses."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """A running service with a district, its people, and the sandbox that its pushes go to."""

    target: str
    """Where it listens, `localhost:port`."""
    ca_file: Path
    """PEM of the authority that signed its certificate."""
    district_id: str
    keys: dict[str, str]
    """An API key for each role: publisher, mobile_backend, monitor, administrator, operator."""
    sandbox: Sandbox
    """The gateways: their faults and their ledger of what every phone received."""

    def connection(self, role: str = "operator") -> Connection:
        """Return the connection of a caller of a role."""
        return _connection(self.target, self.ca_file, self.keys[role])

    @asynccontextmanager
    async def client(self, role: str = "operator") -> AsyncIterator[AsyncClient]:
        """Open a client of a role."""
        async with AsyncClient(self.connection(role)) as client:
            yield client

    async def settled(self, patience: float = _PATIENCE) -> None:
        """Wait until no delivery of the district waits; TimeoutError after so many seconds."""
        async with self.client("monitor") as monitor:
            await settled(monitor, self.district_id, patience)

    def shown(self, address: str = "") -> list[tuple[str, str]]:
        """Return title and body of what a phone shows, the oldest first; by default the mother's.

        An address is a device token of APNs or a registration token of FCM.
        """
        found = self.sandbox.ledger.screen(address or phone_of_mother(self.district_id))
        return [arrival.text for arrival in found]

    def now(self) -> dt.datetime:
        """Return the time of the service and of the sandbox, in UTC."""
        return dt.datetime.fromtimestamp(self.sandbox.clock.now(), dt.UTC)

    def advance(self, by: dt.timedelta) -> None:
        """Move the time of both; deliveries that are due then are sent at once."""
        self.sandbox.clock.advance(by.total_seconds())

    def set_time(self, now: dt.datetime, *, frozen: bool = False) -> None:
        """Set the time of both; it stands still there if frozen."""
        self.sandbox.clock.set(now.timestamp(), frozen=frozen)


@asynccontextmanager
async def server(
    folder: Path | None = None,
    *,
    district_id: str = DISTRICT,
    port: int = 0,
    settings: SandboxSettings | None = None,
) -> AsyncIterator[Service]:
    """Run a service until the block ends, with its data in a folder, or in a temporary one.

    In a folder that was used before it finds its data and keys again. Port 0 is a free one;
    `settings` are the sandbox's. Each service is of its own: several may run at once.
    """
    fault: BaseException | None = None
    async with AsyncExitStack() as stack:
        if folder is None:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="schoolbell-")))
        kept = folder / "sandbox"
        settings = replace(settings or SandboxSettings(), directory=kept)
        sandbox = await stack.enter_async_context(Sandbox(settings))
        config = Config(
            server=ServerConfig(
                listen=Address("127.0.0.1", port),
                data_dir=folder / "data",
                drain_grace=dt.timedelta(0),
            ),
            delivery=_QUICK,
            apps=_apps(sandbox, kept),
        )
        service = Service(
            target="",
            ca_file=config.server.data_dir / "tls" / "ca.pem",
            district_id=district_id,
            keys={},
            sandbox=sandbox,
        )
        started = await stack.enter_async_context(running(config, replay=False, clock=service.now))
        target = f"localhost:{started.port}"
        operator = read_key(config.server.data_dir / "credentials" / "operator.key")
        keys_file = folder / "keys.json"
        if keys_file.exists():
            keys = json.loads(keys_file.read_text(encoding="utf-8"))
        else:
            keys = await set_up(
                lambda key: _connection(target, service.ca_file, key or operator), district_id
            )
            keys_file.touch(mode=0o600)
            keys_file.write_text(json.dumps(keys), encoding="utf-8")
        try:
            yield replace(service, target=target, keys={**keys, "operator": operator})
        except BaseException as error:  # noqa: BLE001 - the server's tasks would wrap it in a group
            fault = error
    if fault is not None:
        raise fault


def _connection(target: str, ca_file: Path, key: str) -> Connection:
    return Connection(target=target, key=key, ca=ca_file.read_bytes())


def _apps(sandbox: Sandbox, folder: Path) -> dict[str, AppConfig]:
    """Return both apps, pointed at a sandbox whose credentials lie in a folder."""
    return {
        app_id: AppConfig(
            app_id=app_id,
            kind=AppType[kind.upper()],
            ios=IosConfig(
                topic=f"org.example.{kind}",
                team_id=sandbox.credentials.apns_team_id,
                key_id=sandbox.credentials.apns_key_id,
                key_file=folder / "apns.p8",
                environment=ProviderEnvironment.SANDBOX,
                server=f"localhost:{sandbox.apns_port}",
                ca_file=folder / "ca.pem",
            ),
            android=AndroidConfig(
                project_id=sandbox.credentials.fcm_project_id,
                service_account_file=folder / "service-account.json",
                endpoint=f"https://localhost:{sandbox.fcm_port}",
                ca_file=folder / "ca.pem",
            ),
        )
        for app_id, kind in APPS.items()
    }
