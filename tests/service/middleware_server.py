"""A real server over real TLS whose few servicers do what a test tells them to."""

from __future__ import annotations

import asyncio
import dataclasses
import datetime as dt
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc

from schoolbell.v1 import (
    change_service_pb2,
    change_service_pb2_grpc,
    roster_service_pb2,
    roster_service_pb2_grpc,
    settings_service_pb2,
    settings_service_pb2_grpc,
    status_service_pb2,
    status_service_pb2_grpc,
)
from schoolbell_server.config import LimitsConfig
from schoolbell_server.observability.health import add_health, set_serving
from schoolbell_server.observability.metrics import Metrics
from schoolbell_server.observability.reflection import add_reflection
from schoolbell_server.rpc.authentication import Authenticator
from schoolbell_server.rpc.caller import Caller, current_caller
from schoolbell_server.rpc.middleware import CHECK_AGAIN, Middleware
from schoolbell_server.rpc.server import MiddlewareServer
from schoolbell_server.security.api_key import ApiKey, Right, Role, Tool, new_api_key
from schoolbell_server.security.permissions import RULES, Rule
from schoolbell_server.security.tls import ServerTls, TlsConfig

DISTRICT = "maple"
SERVICE = "schoolbell.v1.SettingsService"
EVERY_RIGHT = dict.fromkeys(Tool, Right.WRITE)


class Keys:
    """API keys in memory."""

    def __init__(self) -> None:
        self.by_id: dict[str, ApiKey] = {}

    async def find(self, key_id: str) -> ApiKey | None:
        return self.by_id.get(key_id)

    def new(self, role: Role, district_id: str = DISTRICT, **limits: Any) -> str:
        """Add a key and return its credential."""
        rights = limits.pop("rights", EVERY_RIGHT if role is Role.ADMINISTRATOR else {})
        limits["rights"] = {district_id: rights} if rights else {}
        key, credential = new_api_key(district_ids=[district_id], role=role, **limits)
        self.by_id[key.key_id] = key
        return credential

    def revoke(self, credential: str) -> None:
        key = self.by_id[credential.split("_")[1]]
        now = dt.datetime.now(dt.UTC)
        self.by_id[key.key_id] = dataclasses.replace(key, revoke_time=now)


@dataclass
class Script:
    """What the servicers do, and what they saw."""

    settings: Callable[[Any], Any] = lambda _: settings_service_pb2.GetSettingsResponse()
    options: Callable[[Any], Any] = lambda _: settings_service_pb2.ListDisplayOptionsResponse()
    callers: list[Caller] = field(default_factory=list)
    batches: list[int] = field(default_factory=list)
    entered: asyncio.Event = field(default_factory=asyncio.Event)
    left: asyncio.Event = field(default_factory=asyncio.Event)
    release: asyncio.Event = field(default_factory=asyncio.Event)


class Settings(settings_service_pb2_grpc.SettingsServiceServicer):
    """Settings that answer as the script says."""

    def __init__(self, script: Script) -> None:
        self._script = script

    async def GetSettings(self, request: Any, context: Any) -> Any:
        self._script.callers.append(current_caller())
        answer = self._script.settings(request)
        return await answer if asyncio.iscoroutine(answer) else answer

    async def ListDisplayOptions(self, request: Any, context: Any) -> Any:
        answer = self._script.options(request)
        return await answer if asyncio.iscoroutine(answer) else answer


class Changes(change_service_pb2_grpc.ChangeServiceServicer):
    """Publishing that echoes batch numbers."""

    def __init__(self, script: Script) -> None:
        self._script = script

    async def BatchPublishChanges(self, request: Any, context: Any) -> Any:
        return change_service_pb2.BatchPublishChangesResponse()

    async def StreamPublishChanges(self, request_iterator: Any, context: Any) -> AsyncIterator[Any]:
        try:
            async for request in request_iterator:
                self._script.batches.append(request.batch_number)
                self._script.entered.set()
                if request.validate_only:
                    await self._script.release.wait()
                yield change_service_pb2.StreamPublishChangesResponse(
                    batch_number=request.batch_number
                )
        finally:
            self._script.left.set()


class Roster(roster_service_pb2_grpc.RosterServiceServicer):
    """An import that reads its parts in a task of its own."""

    def __init__(self, script: Script) -> None:
        self._script = script

    async def ImportRoster(self, request_iterator: Any, context: Any) -> Any:
        async with asyncio.TaskGroup() as group:
            group.create_task(self._read(request_iterator))
        return roster_service_pb2.ImportRosterResponse()

    async def _read(self, requests: Any) -> None:
        async for request in requests:
            self._script.batches.append(request.WhichOneof("part") == "footer")
            self._script.entered.set()


class Status(status_service_pb2_grpc.StatusServiceServicer):
    """A watch that says one thing and then waits."""

    def __init__(self, script: Script) -> None:
        self._script = script

    async def WatchStatus(self, request: Any, context: Any) -> AsyncIterator[Any]:
        try:
            yield status_service_pb2.WatchStatusResponse(resume_token="1")
            self._script.entered.set()
            await self._script.release.wait()
        finally:
            self._script.left.set()


@dataclass
class Service:
    """A running server and a way to call it."""

    port: int
    channel: grpc.aio.Channel
    keys: Keys
    script: Script
    middleware: Middleware
    metrics: Metrics
    health: Any

    async def raw(self, method: str, data: bytes, key: str = "", **metadata: str) -> bytes:
        """Call a unary RPC with bytes, for ten seconds at most."""
        call: Any = self.channel.unary_unary(method)
        answer: bytes = await call(data, metadata=self.metadata(key, **metadata), timeout=10)
        return answer

    def stream(self, method: str, arity: str, key: str) -> Any:
        """Open a streaming RPC of raw bytes."""
        multi: Any = getattr(self.channel, arity)(method)
        return multi(metadata=self.metadata(key), timeout=20)

    def metadata(self, key: str, **metadata: str) -> tuple[tuple[str, str], ...]:
        """Return the credentials and more as metadata."""
        credentials = (("authorization", f"Bearer {key}"),) if key else ()
        return (*credentials, *((name.replace("_", "-"), v) for name, v in metadata.items()))


@asynccontextmanager
async def running(
    folder: Path,
    *,
    rules: Mapping[str, Rule] = RULES,
    check_again: dt.timedelta = CHECK_AGAIN,
    **limits: Any,
) -> AsyncIterator[Service]:
    """Run the server while the context is open, with the limits that are named."""
    keys, script, metrics = Keys(), Script(), Metrics()
    chosen = dataclasses.replace(LimitsConfig(), **{"message_bytes": 2**20, **limits})
    middleware = Middleware(
        Authenticator(keys), metrics, rules=rules, limits=chosen, check_again=check_again
    )
    server = MiddlewareServer(middleware)
    settings_service_pb2_grpc.add_SettingsServiceServicer_to_server(
        Settings(script),  # type: ignore[abstract]
        server,
    )
    change_service_pb2_grpc.add_ChangeServiceServicer_to_server(
        Changes(script),  # type: ignore[abstract]
        server,
    )
    roster_service_pb2_grpc.add_RosterServiceServicer_to_server(
        Roster(script),  # type: ignore[abstract]
        server,
    )
    status_service_pb2_grpc.add_StatusServiceServicer_to_server(
        Status(script),  # type: ignore[abstract]
        server,
    )
    health = await add_health(server, [SERVICE])
    await set_serving(health, "", SERVICE, serving=True)
    add_reflection(server, [SERVICE])
    tls = ServerTls(TlsConfig(), folder)
    assert tls.authority is not None
    port = server.add_secure_port("127.0.0.1:0", tls.credentials())
    await server.start()
    credentials = grpc.ssl_channel_credentials(tls.authority.ca_file.read_bytes())
    try:
        async with grpc.aio.secure_channel(f"localhost:{port}", credentials) as channel:
            yield Service(port, channel, keys, script, middleware, metrics, health)
    finally:
        middleware.drain()
        await server.stop(5)
