"""A whole service for tests: real sandboxes, a real server over real TLS, real clients.

Everything runs in the test's event loop, on kernel-chosen ports, and ends with the block.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import cache
from pathlib import Path
from shutil import copyfile
from typing import Any

from google.protobuf.field_mask_pb2 import FieldMask

from schoolbell import AsyncClient, Connection
from schoolbell.v1 import access_service_pb2 as access
from schoolbell.v1 import common_pb2, district_service_pb2, settings_service_pb2
from schoolbell_sandbox.credentials import SandboxCredentials
from schoolbell_sandbox.fcm import FcmSettings
from schoolbell_sandbox.server import Sandbox, SandboxSettings
from schoolbell_server.address import Address
from schoolbell_server.app import Running, running
from schoolbell_server.backup import DATABASE
from schoolbell_server.config import Config, DeliveryConfig, ServerConfig, StorageConfig
from schoolbell_server.config.secret import Secret
from schoolbell_server.domain.kinds import AppType, ProviderEnvironment
from schoolbell_server.gateways.app_config import AndroidConfig, AppConfig, IosConfig
from tests.storage.engines import POSTGRESQL, SQLITE, database_url, sqlite_template

DISTRICT = "maple-county"
PARENT_APP = "district-parent"
STUDENT_APP = "district-student"
TOPICS = {PARENT_APP: "org.maple.parent", STUDENT_APP: "org.maple.student"}
DEADLINE = 60.0
"""Seconds that a call may take: no test is to fail because the machine is slow."""
KINDS = [kind for kind in common_pb2.Kind.values() if kind]

FAST = DeliveryConfig(
    attempt_timeout=timedelta(seconds=5),
    claim_interval=timedelta(milliseconds=50),
    first_backoff=timedelta(milliseconds=10),
    longest_backoff=timedelta(milliseconds=50),
    probe_interval=timedelta(seconds=1),
)
"""Retries without the providers' long pauses."""


def app_configs(sandbox: Sandbox, folder: Path) -> dict[str, AppConfig]:
    """Return both apps, pointed at a sandbox whose credentials lie in a folder."""
    return {
        app_id: AppConfig(
            app_id=app_id,
            kind=AppType.PARENT if app_id == PARENT_APP else AppType.STUDENT,
            ios=IosConfig(
                topic=TOPICS[app_id],
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
        for app_id in TOPICS
    }


@dataclass
class Whole:
    """A running service with its sandbox and a client for every role."""

    sandbox: Sandbox
    config: Config
    replay: bool
    _stack: AsyncExitStack
    server: Running | None = None
    _server_stack: AsyncExitStack = field(default_factory=AsyncExitStack)
    _keys: dict[access.Role.ValueType, str] = field(default_factory=dict)

    async def start(self) -> None:
        """Start the server; again after `stop`, on the same data."""
        self.server = await self._server_stack.enter_async_context(
            running(self.config, replay=self.replay)
        )

    async def stop(self) -> None:
        """Drain the server."""
        await self._server_stack.aclose()

    def connection(self, role: access.Role.ValueType = access.ROLE_OPERATOR) -> Connection:
        """Return the connection of a caller of a role."""
        assert self.server is not None
        return Connection(
            target=f"localhost:{self.server.port}",
            key=self.key(role),
            deadline=DEADLINE,
            ca=(self.config.server.data_dir / "tls" / "ca.pem").read_bytes(),
        )

    def key(self, role: access.Role.ValueType) -> str:
        """Return the API key of a role; the operator's lies in its file."""
        known = self._keys.get(role)
        path = self.config.server.data_dir / "credentials" / "operator.key"
        return known or path.read_text(encoding="utf-8").strip()

    @asynccontextmanager
    async def client(
        self, role: access.Role.ValueType = access.ROLE_OPERATOR
    ) -> AsyncIterator[AsyncClient]:
        """Open a client of a role."""
        async with AsyncClient(self.connection(role)) as client:
            yield client

    @asynccontextmanager
    async def client_of(self, key: str) -> AsyncIterator[AsyncClient]:
        """Open a client that shows a key."""
        async with AsyncClient(replace(self.connection(), key=key)) as client:
            yield client

    async def create_district(self, *, enabled: bool = True, zone: str = "UTC") -> None:
        """Create the district, a key for every role, and switch it on."""
        async with self.client() as operator:
            await operator.districts.CreateDistrict(
                district_service_pb2.CreateDistrictRequest(
                    district_id=DISTRICT,
                    district=district_service_pb2.District(
                        district_id=DISTRICT,
                        display_name="Maple County",
                        time_zone=zone,
                        locale="en",
                        currency_code="USD",
                        licensed_kinds=KINDS,
                        app_ids=list(TOPICS),
                    ),
                )
            )
            for role in access.Role.values()[1:5]:
                await self._create_key(operator, role)
            await operator.access.GrantRights(
                access.GrantRightsRequest(
                    district_id=DISTRICT,
                    rights=[
                        access.ToolRight(
                            grantee_type=access.GRANTEE_TYPE_USER,
                            grantee_id="principal",
                            tool=tool,
                            right=access.RIGHT_WRITE,
                        )
                        for tool in access.Tool.values()
                        if tool
                    ],
                )
            )
        if enabled:
            await self.configure(enabled=True)

    async def configure(self, *defaulted: str, **fields: Any) -> None:
        """Save settings of the district; those that are only named have their defaults again."""
        async with self.client(access.ROLE_ADMINISTRATOR) as administrator:
            await administrator.settings.UpdateSettings(
                settings_service_pb2.UpdateSettingsRequest(
                    district_id=DISTRICT,
                    settings=settings_service_pb2.Settings(**fields),
                    update_mask=FieldMask(paths=[*defaulted, *fields]),
                )
            )

    async def _create_key(self, operator: AsyncClient, role: access.Role.ValueType) -> None:
        answer = await operator.access.CreateApiKey(
            access.CreateApiKeyRequest(
                district_id=DISTRICT,
                api_key=access.ApiKey(
                    display_name=access.Role.Name(role),
                    role=role,
                    user_id="principal" if role == access.ROLE_ADMINISTRATOR else "",
                ),
            )
        )
        self._keys[role] = answer.secret


@cache
def _credentials() -> SandboxCredentials:
    """Make the sandboxes' keys, once a process: they take longer than a server's start."""
    return SandboxCredentials.create()


@asynccontextmanager
async def whole(
    folder: Path,
    *,
    replay: bool = False,
    database: str = SQLITE,
    url: str = "",
    fcm: FcmSettings | None = None,
    delivery: DeliveryConfig = FAST,
    adapt: Callable[[Config], Config] = lambda config: config,
) -> AsyncIterator[Whole]:
    """Run a whole service with its data in a folder; `url` is a PostgreSQL of the test's own."""
    async with AsyncExitStack() as stack:
        if database == POSTGRESQL:
            url = await stack.enter_async_context(database_url(database, folder))
        if not url:
            (folder / "data").mkdir(mode=0o700, exist_ok=True)
            copyfile(await sqlite_template(), folder / "data" / DATABASE)
        settings = SandboxSettings(
            directory=folder / "sandbox", fcm=fcm or FcmSettings(), credentials=_credentials()
        )
        sandbox = await stack.enter_async_context(Sandbox(settings))
        config = Config(
            server=ServerConfig(
                listen=Address("127.0.0.1", 0),
                data_dir=folder / "data",
                drain_grace=timedelta(seconds=5),
            ),
            storage=StorageConfig(url=Secret(url)),
            delivery=delivery,
            apps=app_configs(sandbox, folder / "sandbox"),
        )
        service = Whole(sandbox, adapt(replace(config)), replay, stack)
        stack.push_async_callback(service.stop)
        await service.start()
        yield service
