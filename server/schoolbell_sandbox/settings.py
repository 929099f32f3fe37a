"""Where the sandbox listens and how strict it is."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from schoolbell_sandbox.apns_settings import ApnsSettings
from schoolbell_sandbox.credentials import SandboxCredentials
from schoolbell_sandbox.fcm import FcmSettings
from schoolbell_sandbox.ledger import LedgerLimits


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxSettings:
    """Everything that can be chosen."""

    host: str = "127.0.0.1"
    apns_port: int = 0
    """0 is that of the last run in `directory`, or else a free one; here and below."""
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
