"""The APNs sandbox: the order of its checks is protocols' best guess, its answers are Apple's."""

from __future__ import annotations

import os
import uuid

from schoolbell_sandbox import apns_rules as rules
from schoolbell_sandbox.apns_connection import ConnectionTrust
from schoolbell_sandbox.apns_settings import ApnsSettings
from schoolbell_sandbox.clock import Clock
from schoolbell_sandbox.devices import Device, Devices
from schoolbell_sandbox.effect import Effect, GoAway
from schoolbell_sandbox.exchange import Answer, Connection, Reply, Request
from schoolbell_sandbox.faults import Endpoint, FaultPlan
from schoolbell_sandbox.ledger import Arrival, Ledger
from schoolbell_sandbox.provider_token import ProviderTokens
from schoolbell_sandbox.quotas import Buckets
from schoolbell_server.domain.kinds import Provider

STREAM_LIMIT = 1000
STREAM_LIMIT_BEFORE_TRUST = 1
STORE_SECONDS = 30 * 86_400
"""APNs keeps a notification so long if no expiration is given."""

_BODIES: dict[str, bytes] = {}


class Apns:
    """What all connections share."""

    def __init__(
        self, settings: ApnsSettings, ledger: Ledger, clock: Clock, faults: FaultPlan
    ) -> None:
        self.settings = settings
        self.clock = clock
        self.ledger = ledger
        self.faults = faults
        self.keys = ProviderTokens()
        self.devices = Devices(Provider.APNS, ledger, clock)
        self.buckets = Buckets(settings.token_quota) if settings.token_quota else None

    def session(self, connection: Connection, topics: tuple[str, ...]) -> ApnsSession:
        """Open the session of a new connection."""
        return ApnsSession(self, connection, topics)

    def reset(self) -> None:
        """Forget devices and quotas; keys stay."""
        self.devices.clear()
        if self.buckets:
            self.buckets.clear()


class ApnsSession:
    """One connection: what its first accepted push bound it to, and how it has behaved."""

    def __init__(self, apns: Apns, connection: Connection, topics: tuple[str, ...]) -> None:
        self._apns = apns
        self._connection = connection
        self._trust = ConnectionTrust(apns.settings, apns.keys, topics)
        self._announced = False
        if topics:
            self._announce()

    def handle(self, request: Request) -> Answer:
        """Answer one push."""
        apns_id = request.headers.get(b"apns-id") or new_id()
        effect = self._fault(request)
        if effect is not None and effect.unprocessed:
            return Answer(reply=faulty_reply(effect, apns_id), effect=effect)
        reply = self._judge(request, apns_id)
        if not self._announced and self._trust.established:
            self._announce()
        if reply.status != 200 and effect is None:
            effect = self._penalty(reply)
        return Answer(reply=reply, effect=effect)

    def _fault(self, request: Request) -> Effect | None:
        if not self._apns.faults:
            return None
        address = request.path[len(rules.PATH) :].decode("latin-1")
        topic = request.headers.get(b"apns-topic", b"").decode("latin-1")
        return self._apns.faults.match(Endpoint.APNS, address, topic, sends=bool(request.body))

    def _announce(self) -> None:
        self._announced = True
        self._connection.set_stream_limit(STREAM_LIMIT)

    def _penalty(self, reply: Reply) -> Effect | None:
        if reply.body != refusal_body("BadDeviceToken"):
            return None
        if not self._trust.too_many_bad_tokens(self._apns.clock.now()):
            return None
        return Effect(goaway=GoAway(reason="BadDeviceToken"))

    def _judge(self, request: Request, apns_id: bytes) -> Reply:
        headers = request.headers
        if fault := rules.route_fault(request):
            return self._refuse(*fault, apns_id)
        if reason := rules.header_fault(headers):
            return self._refuse(400, reason, new_id() if reason == "BadMessageId" else apns_id)
        if fault := self._trust.fault(headers.get(b"authorization"), self._apns.clock.now()):
            return self._refuse(*fault, apns_id)
        topic = headers.get(b"apns-topic") or self._trust.default_topic
        if not topic:
            return self._refuse(400, "MissingTopic", apns_id)
        push_type = headers.get(b"apns-push-type", b"alert")
        bundle = rules.bundle_of(topic, push_type)
        if bundle is None:
            return self._refuse(400, "BadTopic", apns_id)
        if not self._trust.allows(bundle.decode(), topic.decode(), push_type):
            return self._refuse(400, "TopicDisallowed", apns_id)
        if fault := rules.body_fault(request.body, push_type):
            return self._refuse(*fault, apns_id)
        return self._deliver(request, apns_id, bundle.decode())

    def _deliver(self, request: Request, apns_id: bytes, bundle: str) -> Reply:
        apns = self._apns
        address = request.path[len(rules.PATH) :].decode()
        device = apns.devices.get(address)
        if device is None and apns.settings.trusting and rules.is_plausible(address):
            environment = apns.settings.environment
            device = apns.devices.add(Device(address=address, app=bundle, environment=environment))
        if device is None or device.environment not in ("", apns.settings.environment):
            return self._refuse(400, "BadDeviceToken", apns_id)
        if device.app != bundle:
            return self._refuse(400, "DeviceTokenNotForTopic", apns_id)
        now = apns.clock.now()
        if device.death is not None:
            milliseconds = int(device.death.time * 1000)
            return self._refuse(410, device.death.reason, apns_id, milliseconds)
        if apns.buckets is not None and apns.buckets.take(address, now) > 0:
            return self._refuse(429, "TooManyRequests", apns_id)
        if not rules.is_notification(request.body):
            apns.ledger.invalid_json += 1
        apns.devices.deliver(device, to_arrival(request, apns_id, address, bundle, now))
        return self._accepted(apns_id)

    def _accepted(self, apns_id: bytes) -> Reply:
        if self._apns.settings.environment == "sandbox":
            return Reply(status=200, headers=((b"apns-id", apns_id), (b"apns-unique-id", new_id())))
        return Reply(status=200, headers=((b"apns-id", apns_id),))

    def _refuse(
        self, status: int, reason: str, apns_id: bytes, timestamp: int | None = None
    ) -> Reply:
        self._apns.ledger.reject(reason)
        return refusal(status, reason, apns_id, timestamp)


def to_arrival(request: Request, apns_id: bytes, address: str, app: str, now: float) -> Arrival:
    """Return the ledger's entry for an accepted push."""
    expiration = request.headers.get(b"apns-expiration")
    delivery_id = apns_id.decode()
    return Arrival(
        provider=Provider.APNS,
        address=address,
        app=app,
        delivery_id=delivery_id,
        provider_message_id=delivery_id,
        collapse_key=request.headers.get(b"apns-collapse-id", b"").decode(errors="replace"),
        payload=request.body,
        accept_time=now,
        expire_time=now + STORE_SECONDS if expiration is None else float(expiration),
    )


def refusal(status: int, reason: str, apns_id: bytes, timestamp: int | None = None) -> Reply:
    """Return a refusal in Apple's shape."""
    headers = ((b"content-type", b"application/json"), (b"apns-id", apns_id))
    return Reply(status=status, headers=headers, body=refusal_body(reason, timestamp))


def refusal_body(reason: str, timestamp: int | None = None) -> bytes:
    """Return Apple's compact JSON."""
    if timestamp is not None:
        return b'{"reason":"%s","timestamp":%d}' % (reason.encode(), timestamp)
    body = _BODIES.get(reason)
    if body is None:
        body = _BODIES[reason] = b'{"reason":"%s"}' % reason.encode()
    return body


def faulty_reply(effect: Effect, apns_id: bytes) -> Reply:
    """Return the answer a fault prescribes instead of Apple's own."""
    status = effect.status or 503
    if effect.body is None:
        reason = effect.reason or "ServiceUnavailable"
        return refusal(status, reason, apns_id, effect.timestamp)
    headers: tuple[tuple[bytes, bytes], ...] = ((b"apns-id", apns_id),)
    if effect.body:
        headers = ((b"content-type", effect.content_type.encode()), *headers)
    return Reply(status=status, headers=headers, body=effect.body.encode())


def new_id() -> bytes:
    """Return a fresh id, as Apple makes up where the sender gave none."""
    return str(uuid.UUID(bytes=os.urandom(16), version=4)).encode()
