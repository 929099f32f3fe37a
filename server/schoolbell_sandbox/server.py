"""The sandbox as a whole: both gateways, listening, with their control API."""

from __future__ import annotations

from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from aiohttp import web

from schoolbell_sandbox import credentials as credential_files
from schoolbell_sandbox.control import Control
from schoolbell_sandbox.credentials import SandboxCredentials
from schoolbell_sandbox.gateways import Gateways
from schoolbell_sandbox.settings import SandboxSettings
from schoolbell_server.address import Address

__all__ = ["Sandbox", "SandboxSettings"]

_PORTS = ("apns_port", "fcm_port", "control_port")


class Sandbox(Gateways):
    """Runs while its context is open."""

    def __init__(self, settings: SandboxSettings | None = None) -> None:
        """Take credentials and ports from the settings, else from the directory, else new ones."""
        chosen = settings or SandboxSettings()
        kept = credential_files.load(chosen.directory) if chosen.directory else None
        found, facts = kept or (None, {})
        ports = {name: getattr(chosen, name) or facts.get(name, 0) for name in _PORTS}
        credentials = chosen.credentials or found or SandboxCredentials.create()
        super().__init__(replace(chosen, **ports), credentials)
        self._control_port = self.settings.control_port
        self._stack = AsyncExitStack()

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
        return f"https://{Address(self.settings.host, self.fcm_port)}/token"

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

    async def __aenter__(self) -> Self:
        """Listen, and write the credentials if a directory is set."""
        async with AsyncExitStack() as stack:
            for listener in (self.apns_listener, self.fcm_listener):
                stack.push_async_callback(listener.close)
                await listener.start()
            self.fcm.oauth.audiences.add(self.token_uri)
            await self._start_control(stack)
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
        """Stop listening and cut all connections."""
        await self._stack.aclose()

    async def _start_control(self, stack: AsyncExitStack) -> None:
        # A reader of the stream never leaves by itself: do not wait for it.
        runner = web.AppRunner(Control(self).application(), access_log=None, shutdown_timeout=0.1)
        stack.push_async_callback(runner.cleanup)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", self._control_port).start()
        self._control_port = runner.addresses[0][1]
