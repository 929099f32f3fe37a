"""A real server over real TLS with the services of districts, settings and rosters."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo
from google.rpc.status_pb2 import Status
from sqlalchemy.ext.asyncio import AsyncConnection

from schoolbell.v1 import (
    common_pb2,
    district_service_pb2,
    status_pb2,
)
from schoolbell.v1.district_service_pb2_grpc import (
    DistrictServiceStub,
    add_DistrictServiceServicer_to_server,
)
from schoolbell.v1.error_reason_pb2 import FieldErrorReason
from schoolbell.v1.roster_service_pb2_grpc import (
    RosterServiceStub,
    add_RosterServiceServicer_to_server,
)
from schoolbell.v1.settings_service_pb2_grpc import (
    SettingsServiceStub,
    add_SettingsServiceServicer_to_server,
)
from schoolbell_server.observability.metrics import Metrics
from schoolbell_server.rpc.authentication import Authenticator
from schoolbell_server.rpc.middleware import Middleware
from schoolbell_server.rpc.server import MiddlewareServer
from schoolbell_server.security.api_key import Role
from schoolbell_server.security.sealer import Sealer
from schoolbell_server.security.tls import ServerTls, TlsConfig
from schoolbell_server.servicers.common.unattended import Unattended
from schoolbell_server.servicers.district.removal import DistrictRemoval
from schoolbell_server.servicers.district.servicer import DistrictServicer
from schoolbell_server.servicers.roster.import_finisher import ImportFinisher
from schoolbell_server.servicers.roster.servicer import RosterServicer
from schoolbell_server.servicers.settings.servicer import SettingsServicer
from schoolbell_storage.audit import AuditEntry, AuditQuery, list_audit
from schoolbell_storage.engine import Storage
from schoolbell_storage.world import facts_versions
from tests.service.middleware_server import DISTRICT, Keys
from tests.storage.engines import SQLITE, open_database

APPS = ("maple-parent", "maple-student")


class States:
    """A service that is active and connected, with a warning."""

    async def state(self, district_id: str) -> status_pb2.ServiceState:
        return status_pb2.ServiceState(
            district_id=district_id,
            service_status=status_pb2.SERVICE_STATUS_ACTIVE,
            connectivity=status_pb2.CONNECTIVITY_CONNECTED,
            warnings=[
                status_pb2.ServiceWarning(
                    code=status_pb2.WARNING_CODE_PLAINTEXT, text="not encrypted"
                )
            ],
        )


@dataclass
class Clock:
    """A time that moves only when told."""

    time: dt.datetime = dt.datetime(2026, 9, 1, 8, tzinfo=dt.UTC)

    def __call__(self) -> dt.datetime:
        return self.time

    def pass_seconds(self, seconds: float) -> None:
        self.time += dt.timedelta(seconds=seconds)


class Gate:
    """A storage whose writes wait while the gate is closed."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self.opened = asyncio.Event()
        self.opened.set()
        self.waited_at = asyncio.Event()

    def read(self) -> AbstractAsyncContextManager[AsyncConnection]:
        return self._storage.read()

    def aside(self) -> AbstractAsyncContextManager[AsyncConnection]:
        return self._storage.aside()

    @property
    def dialect(self) -> str:
        return self._storage.dialect

    @asynccontextmanager
    async def write(self, **how: Any) -> AsyncIterator[AsyncConnection]:
        self.waited_at.set()
        await self.opened.wait()
        async with self._storage.write(**how) as connection:
            yield connection


@dataclass
class Refusal:
    """How a call was refused, filled in when the block of `refused` ends."""

    code: grpc.StatusCode | None = None
    reason: str = ""
    message: str = ""
    metadata: dict[str, str] = field(default_factory=dict)
    fields: dict[str, str] = field(default_factory=dict)


class refused:  # noqa: N801
    """Expect a call to be refused for a reason of the contract."""

    def __init__(self, reason: str) -> None:
        self._reason = reason
        self.refusal = Refusal()

    def __enter__(self) -> Refusal:
        return self.refusal

    def __exit__(self, kind: Any, error: Any, trace: Any) -> bool:
        if kind is None:
            pytest.fail(f"the call was not refused with {self._reason}")
        if not isinstance(error, grpc.aio.AioRpcError):
            return False
        _read(error, self.refusal)
        assert self.refusal.reason == self._reason, error
        return True


def _read(error: grpc.aio.AioRpcError, refusal: Refusal) -> None:
    refusal.code, refusal.message = error.code(), error.details() or ""
    for name, value in error.trailing_metadata() or ():
        if name == "grpc-status-details-bin":
            assert isinstance(value, bytes)
            for detail in Status.FromString(value).details:
                info, bad = ErrorInfo(), BadRequest()
                if detail.Unpack(info):
                    refusal.reason = info.reason
                    refusal.metadata = dict(info.metadata)
                elif detail.Unpack(bad):
                    refusal.fields = {one.field: _sentence(one) for one in bad.field_violations}


def _sentence(bad: BadRequest.FieldViolation) -> str:
    """Return what is said of a field; every error of every test is checked in passing."""
    assert f"FIELD_ERROR_REASON_{bad.reason}" in FieldErrorReason.keys(), bad  # noqa: SIM118
    assert bad.description.startswith(f"{bad.field} "), bad
    assert bad.description.endswith("."), bad
    return bad.description


@dataclass
class Service:
    """A running server, and ways to call it as somebody."""

    storage: Storage
    channel: grpc.aio.Channel
    keys: Keys
    clock: Clock
    finisher: ImportFinisher
    finishing: asyncio.Event
    """Imports are finished only while it is set."""
    to_finish: asyncio.Event
    """An import has come to where it waits for `finishing`: it is run dry."""
    sealer: Sealer

    def __post_init__(self) -> None:
        self.operator = self.keys.new(Role.OPERATOR, "-")
        self.administrator = self.keys.new(Role.ADMINISTRATOR, user_id="ada")
        self.sis = self.keys.new(Role.PUBLISHER)

    def stub(self, kind: type[Any], key: str) -> Any:
        """Return a stub whose calls show a key and end within twenty seconds."""
        return kind(_WithKey(self.channel, key))

    @property
    def districts(self) -> Any:
        """Return the districts as an operator sees them."""
        return self.stub(DistrictServiceStub, self.operator)

    @property
    def settings(self) -> Any:
        """Return the settings as an administrator sees them."""
        return self.stub(SettingsServiceStub, self.administrator)

    @property
    def roster(self) -> Any:
        """Return the roster as a SIS sees it."""
        return self.stub(RosterServiceStub, self.sis)

    async def add_district(
        self, district_id: str = DISTRICT, **fields: Any
    ) -> district_service_pb2.District:
        values = {
            "display_name": "Maple Unified",
            "time_zone": "America/Chicago",
            "licensed_kinds": [common_pb2.KIND_GRADE, common_pb2.KIND_ATTENDANCE],
            "app_ids": APPS,
        }
        district = district_service_pb2.District(**(values | fields))
        request = district_service_pb2.CreateDistrictRequest(
            district_id=district_id, district=district
        )
        created: district_service_pb2.District = (
            await self.districts.CreateDistrict(request)
        ).district
        return created

    async def audit(self) -> list[AuditEntry]:
        """Return the audit log, newest first."""
        async with self.storage.read() as connection:
            return await list_audit(connection, AuditQuery(district_id=DISTRICT))

    async def facts_version(self) -> int:
        async with self.storage.read() as connection:
            return (await facts_versions(connection, [DISTRICT]))[DISTRICT]


class _WithKey:
    """A channel whose calls show a key."""

    def __init__(self, channel: grpc.aio.Channel, key: str) -> None:
        self._channel = channel
        self._metadata = (("authorization", f"Bearer {key}"),)

    def __getattr__(self, arity: str) -> Any:
        make = getattr(self._channel, arity)

        def bind(*args: Any, **kwargs: Any) -> Any:
            call = make(*args, **kwargs)

            def invoke(request: Any = None, **more: Any) -> Any:
                options = {"metadata": self._metadata, "timeout": 20} | more
                return call(request, **options)

            return invoke

        return bind


def _nothing() -> None:
    """Hear that a district is gone."""


@asynccontextmanager
async def serving(folder: Path, database: str = SQLITE) -> AsyncIterator[Service]:
    """Run the server on an empty database while the context is open."""
    keys, clock = Keys(), Clock()
    sealer = Sealer.load(folder)
    async with open_database(database, folder) as storage:
        middleware = Middleware(Authenticator(keys), Metrics())
        gate = Gate(storage)
        finisher = ImportFinisher(gate, clock)  # type: ignore[arg-type]
        server = MiddlewareServer(middleware)
        add_DistrictServiceServicer_to_server(
            DistrictServicer(
                storage,
                apps=APPS,
                sealer=sealer,
                removal=DistrictRemoval(
                    storage, clock=clock, on_deleted=_nothing, unattended=Unattended()
                ),
                now=clock,
            ),
            server,
        )
        add_SettingsServiceServicer_to_server(
            SettingsServicer(storage, states=States(), now=clock), server
        )
        add_RosterServiceServicer_to_server(
            RosterServicer(storage, finisher=finisher, now=clock), server
        )
        tls = ServerTls(TlsConfig(), folder)
        assert tls.authority is not None
        port = server.add_secure_port("127.0.0.1:0", tls.credentials())
        await server.start()
        credentials = grpc.ssl_channel_credentials(tls.authority.ca_file.read_bytes())
        try:
            async with grpc.aio.secure_channel(f"localhost:{port}", credentials) as channel:
                yield Service(
                    storage, channel, keys, clock, finisher, gate.opened, gate.waited_at, sealer
                )
        finally:
            gate.opened.set()
            middleware.drain()
            await server.stop(5)
            await finisher.drain()
