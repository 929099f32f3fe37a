"""The sandbox as a whole: both gateways, their ledger and the control API."""

from __future__ import annotations

from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from schoolbell_server.sandbox import apns as apns_gateway
from schoolbell_server.sandbox import credentials as credential_files
from schoolbell_server.sandbox import fcm as fcm_gateway
from schoolbell_server.sandbox.apns import Apns
from schoolbell_server.sandbox.apns_settings import ApnsSettings
from schoolbell_server.sandbox.clock import Clock
from schoolbell_server.sandbox.credentials import SandboxCredentials
from schoolbell_server.sandbox.faults import FaultPlan
from schoolbell_server.sandbox.fcm import Fcm, FcmSettings, Project
from schoolbell_server.sandbox.ledger import Ledger, LedgerLimits
from schoolbell_server.sandbox.listener import Listener
from schoolbell_server.sandbox.oauth import ServiceAccount
from schoolbell_server.sandbox.provider_token import ApnsKey


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxSettings:
    """Where the sandbox listens and how strict it is."""

    host: str = "127.0.0.1"
    apns_port: int = 0
    """0 lets the kernel choose, here and below."""
    fcm_port: int = 0
    control_port: int = 0
    credentials: SandboxCredentials | None = None
    """Made when the sandbox starts, unless given or found in `directory`."""
    directory: Path | None = None
    """Credentials and ports are kept here, so that a restart has the same."""
    apns: ApnsSettings = field(default_factory=ApnsSettings)
    fcm: FcmSettings = field(default_factory=FcmSettings)
    limits: LedgerLimits = field(default_factory=LedgerLimits)
    require_alpn: bool = False
    """Refuse APNs clients that do not negotiate `h2` (stock aioapns does not)."""


class Sandbox:
    """Runs while its context is open."""

    def __init__(self, settings: SandboxSettings | None = None) -> None:
        self.settings = settings or SandboxSettings()
        kept = credential_files.load(self.settings.directory) if self.settings.directory else None
        loaded, self._facts = kept or (None, {})
        self.credentials = self.settings.credentials or loaded or SandboxCredentials.create()
        self.clock = Clock()
        self.faults = FaultPlan()
        self.ledger = Ledger(self.settings.limits)
        self.apns = Apns(self.settings.apns, self.ledger, self.clock, self.faults)
        self.fcm = Fcm(self.settings.fcm, self.ledger, self.clock, self.faults)
        self.apns_listener = self._listener(
            self.apns, "apns_port", apns_gateway.STREAM_LIMIT_BEFORE_TRUST, http1=False
        )
        self.fcm_listener = self._listener(
            self.fcm, "fcm_port", fcm_gateway.STREAM_LIMIT, http1=True
        )
        self._control_port = self._port("control_port")
        self._stack = AsyncExitStack()
        self._introduce()

    @property
    def apns_port(self) -> int:
        """The port of the APNs sandbox."""
        return self.apns_listener.port

    @property
    def fcm_port(self) -> int:
        """The port of the FCM sandbox and its token endpoint."""
        return self.fcm_listener.port

    @property
    def control_port(self) -> int:
        """The port of the control API."""
        return self._control_port

    @property
    def ca_pem(self) -> bytes:
        """The certificate a client must trust."""
        return self.credentials.authority.pem.certificate

    @property
    def token_uri(self) -> str:
        """Where access tokens are handed out."""
        return f"https://{self.settings.host}:{self.fcm_port}/token"

    @property
    def service_account(self) -> dict[str, str]:
        """The service-account file of the sandbox's project."""
        return self.credentials.service_account(self.token_uri)

    @property
    def facts(self) -> dict[str, Any]:
        """What a sender has to know, as written to `sandbox.json`."""
        return {
            "host": self.settings.host,
            "apns_port": self.apns_port,
            "fcm_port": self.fcm_port,
            "control_port": self.control_port,
            "token_uri": self.token_uri,
            "apns_key_id": self.credentials.apns_key_id,
            "apns_team_id": self.credentials.apns_team_id,
            "fcm_project_id": self.credentials.fcm_project_id,
        }

    def write_credentials(self, directory: Path) -> None:
        """Write `ca.pem`, `apns.p8`, `service-account.json` and `sandbox.json`."""
        credential_files.save(directory, self.credentials, self.facts)

    def reset(self) -> None:
        """Forget devices, faults, quotas, the ledger and the moved clock; keys stay."""
        self.clock.reset()
        self.faults.clear()
        self.ledger.reset()
        self.apns.reset()
        self.fcm.reset()

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            for listener in (self.apns_listener, self.fcm_listener):
                await listener.start()
                stack.push_async_callback(listener.close)
            self._stack = stack.pop_all()
        if self.settings.directory:
            self.write_credentials(self.settings.directory)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._stack.aclose()

    def _port(self, name: str) -> int:
        return int(getattr(self.settings, name) or self._facts.get(name, 0))

    def _listener(self, gateway: Apns | Fcm, port: str, limit: int, *, http1: bool) -> Listener:
        return Listener(
            gateway.session,
            self.credentials.authority,
            host=self.settings.host,
            port=self._port(port),
            stream_limit=limit,
            http1=http1,
            require_alpn=self.settings.require_alpn,
        )

    def _introduce(self) -> None:
        own = self.credentials
        self.apns.keys.add_key(
            ApnsKey(
                key_id=own.apns_key_id, team_id=own.apns_team_id, public_key=own.apns_public_key
            )
        )
        self.fcm.add_project(Project(project_id=own.fcm_project_id, number=own.fcm_project_number))
        self.fcm.oauth.add_account(
            ServiceAccount(
                client_email=own.fcm_client_email,
                public_key=own.fcm_public_key,
                projects=frozenset({own.fcm_project_id, own.fcm_project_number}),
            )
        )
