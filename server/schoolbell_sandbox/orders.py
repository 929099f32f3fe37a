"""What the control API may be told: each a frozen dataclass that JSON is decoded into."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes

from schoolbell_sandbox.certificates import CertificateFlaw
from schoolbell_sandbox.devices import Death, Device
from schoolbell_sandbox.effect import GoAway, check_settings
from schoolbell_sandbox.faults import Endpoint
from schoolbell_sandbox.fcm import Project
from schoolbell_sandbox.from_json import BadInput
from schoolbell_sandbox.listener import PortMode
from schoolbell_sandbox.oauth import ServiceAccount
from schoolbell_sandbox.provider_token import ApnsKey


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceOrder:
    """Add a device, or replace it."""

    endpoint: Endpoint
    address: str
    app: str
    """The bundle id (APNs) or the project id (FCM)."""
    environment: str = ""
    ios: bool = False
    online: bool = True
    death: Death | None = None

    def device(self) -> Device:
        """Return the device."""
        return Device(
            address=self.address,
            app=self.app,
            environment=self.environment,
            ios=self.ios,
            online=self.online,
            death=self.death,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceChange:
    """Change a device; what is absent stays."""

    online: bool | None = None
    death: Death | None = None
    revive: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyOrder:
    """Add an APNs signing key."""

    key_id: str
    team_id: str
    public_key: str
    """PEM."""
    account: str = ""
    family: str = "team"
    environment: str = ""
    topics: tuple[str, ...] = ()

    def key(self) -> ApnsKey:
        """Return the key; raise BadInput unless it is an elliptic-curve key."""
        public_key = _read_key(self.public_key)
        if not isinstance(public_key, ec.EllipticCurvePublicKey):
            raise BadInput("public_key: not an elliptic-curve key")
        return ApnsKey(
            key_id=self.key_id,
            team_id=self.team_id,
            public_key=public_key,
            account=self.account,
            family=self.family,
            environment=self.environment,
            topics=frozenset(self.topics),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectOrder:
    """Add a Firebase project, or replace it."""

    project_id: str
    number: str
    apns_key: bool = True
    enabled: bool = True

    def project(self) -> Project:
        """Return the project."""
        return Project(
            project_id=self.project_id,
            number=self.number,
            apns_key=self.apns_key,
            enabled=self.enabled,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountOrder:
    """Add a service account, or replace it."""

    client_email: str
    public_key: str
    """PEM."""
    projects: tuple[str, ...]

    def account(self) -> ServiceAccount:
        """Return the account; raise BadInput unless its key is an RSA key."""
        public_key = _read_key(self.public_key)
        if not isinstance(public_key, rsa.RSAPublicKey):
            raise BadInput("public_key: not an RSA key")
        return ServiceAccount(
            client_email=self.client_email,
            public_key=public_key,
            projects=frozenset(self.projects),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class OAuthOrder:
    """Change how access tokens are handed out."""

    lifetime: int | None = None
    """Seconds, of tokens to come."""
    revoke: bool = False
    """Forget the tokens handed out so far."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockOrder:
    """Move the clock."""

    time: float | None = None
    """Epoch seconds."""
    frozen: bool = False
    advance: float = 0.0
    """Seconds, from wherever the clock is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionsOrder:
    """Do something to all of a gateway's connections, whether or not a request is under way."""

    endpoint: Endpoint
    settings: Mapping[str, int] | None = None
    goaway: GoAway | None = None
    cut: bool = False

    def __post_init__(self) -> None:
        check_settings(self.settings or {})


@dataclass(frozen=True, slots=True, kw_only=True)
class PortOrder:
    """Change how a gateway's port answers new connections."""

    endpoint: Endpoint
    mode: PortMode = PortMode.SERVING
    certificate: CertificateFlaw | None = None
    """Show a new certificate; the empty flaw is a good one."""
    tls_1_1: bool = False


def _read_key(pem: str) -> PublicKeyTypes:
    try:
        return serialization.load_pem_public_key(pem.encode())
    except ValueError as error:
        raise BadInput("public_key: not a public key as PEM") from error
