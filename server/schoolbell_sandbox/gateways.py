"""The parts of a sandbox that tests and the control API work with."""

from __future__ import annotations

from schoolbell_sandbox import apns as apns_gateway
from schoolbell_sandbox import fcm as fcm_gateway
from schoolbell_sandbox.apns import Apns
from schoolbell_sandbox.clock import Clock
from schoolbell_sandbox.credentials import SandboxCredentials
from schoolbell_sandbox.faults import Endpoint, FaultPlan
from schoolbell_sandbox.fcm import Fcm, Project
from schoolbell_sandbox.ledger import Ledger
from schoolbell_sandbox.listener import Listener
from schoolbell_sandbox.oauth import ServiceAccount
from schoolbell_sandbox.provider_token import ApnsKey
from schoolbell_sandbox.settings import SandboxSettings


class Gateways:
    """Both gateways with their ledger, clock, faults and ports; nothing listens yet."""

    def __init__(self, settings: SandboxSettings, credentials: SandboxCredentials) -> None:
        self.settings = settings
        self.credentials = credentials
        self.clock = Clock()
        self.faults = FaultPlan()
        self.ledger = Ledger(settings.limits)
        self.apns = Apns(settings.apns, self.ledger, self.clock, self.faults)
        self.fcm = Fcm(settings.fcm, self.ledger, self.clock, self.faults)
        self.apns_listener = Listener(
            self.apns.session,
            credentials.authority,
            host=settings.host,
            port=settings.apns_port,
            stream_limit=apns_gateway.STREAM_LIMIT_BEFORE_TRUST,
            http1=False,
            require_alpn=settings.require_alpn,
        )
        self.fcm_listener = Listener(
            self.fcm.session,
            credentials.authority,
            host=settings.host,
            port=settings.fcm_port,
            stream_limit=fcm_gateway.STREAM_LIMIT,
            http1=True,
        )
        self._introduce()

    def listener(self, endpoint: Endpoint) -> Listener:
        """Return an endpoint's port; the token endpoint shares FCM's."""
        return self.apns_listener if endpoint is Endpoint.APNS else self.fcm_listener

    def reset(self) -> None:
        """Forget devices, faults, quotas, the ledger and the moved clock; keys stay."""
        self.clock.reset()
        self.faults.clear()
        self.ledger.reset()
        self.apns.reset()
        self.fcm.reset()

    def _introduce(self) -> None:
        own = self.credentials
        key = own.apns_public_key
        self.apns.keys.add_key(
            ApnsKey(key_id=own.apns_key_id, team_id=own.apns_team_id, public_key=key)
        )
        project = Project(project_id=own.fcm_project_id, number=own.fcm_project_number)
        self.fcm.add_project(project)
        self.fcm.oauth.add_account(
            ServiceAccount(
                client_email=own.fcm_client_email,
                public_key=own.fcm_public_key,
                projects=frozenset({project.project_id, project.number}),
            )
        )
