"""The FCM sandbox: HTTP v1's send method and Google's token endpoint on one port."""

from __future__ import annotations

import json
import re
import secrets
from dataclasses import dataclass, field
from typing import Any

from schoolbell_sandbox import fcm_rules as rules
from schoolbell_sandbox.clock import Clock
from schoolbell_sandbox.devices import Device, Devices
from schoolbell_sandbox.effect import Effect
from schoolbell_sandbox.exchange import Answer, Connection, Reply, Request
from schoolbell_sandbox.faults import Endpoint, FaultPlan
from schoolbell_sandbox.fcm_errors import (
    FcmRefusal,
    apns_unregistered,
    bad_request,
    error_info,
    fcm_error,
    not_found,
    scripted,
)
from schoolbell_sandbox.fcm_quotas import FcmQuotas, FcmQuotaSettings
from schoolbell_sandbox.fcm_schema import check_request
from schoolbell_sandbox.ledger import Arrival, Ledger
from schoolbell_sandbox.oauth import OAuth
from schoolbell_server.domain.kinds import Provider

TOKEN_PATH = b"/token"
STREAM_LIMIT = 100
STORE_SECONDS = 28 * 86_400

_SEND = re.compile(rb"/v1/projects/([a-z0-9-]{1,64})/messages:send")
_ADDRESS = re.compile(rb'"(?:token|fid)"\s*:\s*"([^"]*)"')
_DRY = re.compile(rb'"validate_?[oO]nly"\s*:\s*true')
_HEADERS = ((b"content-type", b"application/json; charset=UTF-8"),)


@dataclass(slots=True, kw_only=True)
class Project:
    """A Firebase project."""

    project_id: str
    number: str
    apns_key: bool = True
    """An APNs key is stored with Firebase: iOS tokens can be reached."""
    enabled: bool = True
    """The messaging API is switched on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FcmSettings:
    """How Google behaves where it can be chosen."""

    trusting: bool = True
    """Register a well-formed unknown token at its first use, for the project that used it."""
    delivery_id_key: str = "delivery_id"
    """The data key under which the ledger finds the delivery's id."""
    collapse_data_key: str = "tag"
    """The data key by which the app replaces what it shows; `notification.tag` counts too."""
    quotas: FcmQuotaSettings = field(default_factory=FcmQuotaSettings)


class Fcm:
    """What all connections share."""

    def __init__(
        self, settings: FcmSettings, ledger: Ledger, clock: Clock, faults: FaultPlan
    ) -> None:
        self.settings = settings
        self._clock = clock
        self._ledger = ledger
        self._faults = faults
        self.oauth = OAuth(clock)
        self.devices = Devices(Provider.FCM, ledger, clock)
        self.quotas = FcmQuotas(settings.quotas, clock)
        self._projects: dict[str, Project] = {}

    def add_project(self, project: Project) -> None:
        """Add a project; it is found by id and by number."""
        self._projects[project.project_id] = self._projects[project.number] = project

    def project(self, name: str) -> Project | None:
        """Return a project by id or number."""
        return self._projects.get(name)

    def session(self, connection: Connection, topics: tuple[str, ...]) -> Fcm:
        """Return itself: FCM's connections have no memory."""
        return self

    def reset(self) -> None:
        """Forget devices, quotas and the count of token calls; accounts stay."""
        self.devices.clear()
        self.quotas.clear()
        self.oauth.calls = 0

    def handle(self, request: Request) -> Answer:
        """Answer one request to either endpoint."""
        oauth = request.path == TOKEN_PATH
        effect = self._fault(request, oauth)
        if effect is not None and effect.unprocessed:
            return Answer(reply=faulty_reply(effect), effect=effect)
        if oauth:
            return Answer(reply=self.oauth.handle(request), effect=effect)
        try:
            return Answer(reply=self._send(request), effect=effect)
        except FcmRefusal as refusal:
            self._ledger.reject(refusal.reason)
            return Answer(reply=refusal.reply, effect=effect)

    def _fault(self, request: Request, oauth: bool) -> Effect | None:
        if oauth:
            return self._faults.match(Endpoint.OAUTH, "", "")
        if not self._faults:
            return None
        path = _SEND.fullmatch(request.path)
        found = _ADDRESS.search(request.body)
        address = found[1].decode("latin-1") if found else ""
        project = path[1].decode() if path else ""
        sends = not _DRY.search(request.body)
        return self._faults.match(Endpoint.FCM, address, project, sends=sends)

    def _send(self, request: Request) -> Reply:
        path = _SEND.fullmatch(request.path)
        if path is None or request.method != b"POST":
            raise not_found()
        project = self._authorize(request.headers.get(b"authorization", b""), path[1].decode())
        content = check_request(parse(request.body), "")
        message = content.get("message", {})
        dry = content.get("validate_only", False)
        kind, target = rules.target_of(message)
        rules.check_content(message, topic=kind in ("topic", "condition"))
        whose = f"project:{project.project_id}"
        self._take(self.quotas.project_wait(project.project_id), whose)
        if kind in ("topic", "condition"):
            return self._to_topic(project, kind, target)
        device = self._device(project, target)
        self._check_device(project, device, dry=dry)
        if dry:
            return success(project, "fake_message_id")
        self._take(self.quotas.device_wait(target, is_collapsible(message)), "device:0")
        message_id = "0:" + secrets.token_hex(16)
        self._deliver(project, device, message, request.body, message_id)
        return success(project, message_id)

    def _authorize(self, authorization: bytes, name: str) -> Project:
        scheme, _, token = authorization.partition(b" ")
        if scheme.lower() != b"bearer" or not token:
            raise error_info("CREDENTIALS_MISSING")
        access = self.oauth.look_up(token.decode("latin-1"))
        if access is None:
            raise error_info("ACCESS_TOKEN_TYPE_UNSUPPORTED")
        if access.expire_time <= self._clock.now():
            raise error_info("ACCESS_TOKEN_EXPIRED")
        project = self._projects.get(name)
        if project is None:
            raise not_found()
        if not access.messaging:
            raise error_info("ACCESS_TOKEN_SCOPE_INSUFFICIENT")
        if not project.enabled:
            raise error_info("SERVICE_DISABLED")
        if name not in access.account.projects:
            raise error_info("IAM_PERMISSION_DENIED")
        return project

    def _device(self, project: Project, address: str) -> Device:
        rules.check_address(address)
        device = self.devices.get(address)
        if device is None and self.settings.trusting:
            return self.devices.add(Device(address=address, app=project.project_id))
        if device is None:
            raise fcm_error("INVALID_ARGUMENT")
        return device

    def _check_device(self, project: Project, device: Device, *, dry: bool) -> None:
        if device.app != project.project_id:
            raise fcm_error("SENDER_ID_MISMATCH")
        if device.death is not None:
            raise apns_unregistered() if device.ios else fcm_error("UNREGISTERED")
        # A dry run never contacts Apple, so a missing key goes unnoticed there.
        if device.ios and not project.apns_key and not dry:
            raise fcm_error("THIRD_PARTY_AUTH_ERROR")

    def _take(self, wait: float, subject: str) -> None:
        if wait > 0:
            after = max(1, round(wait + 0.5))
            raise fcm_error("QUOTA_EXCEEDED", retry_after=after, subject=subject)

    def _to_topic(self, project: Project, kind: str, target: str) -> Reply:
        """Accept a message to subscribers: the sandbox knows none, so no phone shows it."""
        if kind == "topic":
            rules.check_topic(target)
        return success(project, "0:" + secrets.token_hex(16))

    def _deliver(
        self, project: Project, device: Device, message: dict[str, Any], body: bytes, name: str
    ) -> None:
        android = message.get("android", {})
        data = {**message.get("data", {}), **android.get("data", {})}
        tag = android.get("notification", {}).get("tag", "")
        now = self._clock.now()
        arrival = Arrival(
            provider=Provider.FCM,
            address=device.address,
            app=project.project_id,
            delivery_id=data.get(self.settings.delivery_id_key, ""),
            provider_message_id=name,
            collapse_key=tag or data.get(self.settings.collapse_data_key, ""),
            payload=body,
            accept_time=now,
            expire_time=now + android.get("ttl", STORE_SECONDS),
        )
        self.devices.deliver(device, arrival)


def parse(body: bytes) -> Any:
    """Parse the body; of repeated keys the last wins, as with Google."""
    try:
        return json.loads(body)
    except ValueError as error:
        raise bad_request("", f"Invalid JSON payload received. {error}") from error


def is_collapsible(message: dict[str, Any]) -> bool:
    """Tell whether FCM counts the message as collapsible."""
    return bool(message.get("android", {}).get("collapse_key")) or "notification" in message


def success(project: Project, message_id: str) -> Reply:
    """Return Google's answer to an accepted message."""
    name = f"projects/{project.project_id}/messages/{message_id}"
    return Reply(status=200, headers=_HEADERS, body=b'{\n  "name": "%s"\n}\n' % name.encode())


def faulty_reply(effect: Effect) -> Reply:
    """Return the answer a fault prescribes instead of Google's own."""
    status = effect.status or 503
    if effect.body is None:
        return scripted(status, effect.reason)
    headers = ((b"content-type", effect.content_type.encode()),) if effect.body else ()
    return Reply(status=status, headers=headers, body=effect.body.encode())
