"""The APNs gateway of one app: alerts over HTTP/2, one attempt each."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from aioapns import NotificationRequest, PushType
from aioapns.common import PRIORITY_HIGH

from schoolbell_server.domain.kinds import Environment, Kind, Outcome
from schoolbell_server.gateways.apns_reasons import outcome_of
from schoolbell_server.gateways.circuit import Circuit
from schoolbell_server.gateways.fitting import fit_body
from schoolbell_server.gateways.provider_token import ProviderToken
from schoolbell_server.gateways.push import GatewayHealth, Push, PushResult
from schoolbell_server.gateways.retry_after import read_retry_after
from schoolbell_server.gateways.settings import IosConfig
from schoolbell_server.gateways.transport import Answer, Fault, Transport

HOSTS = {
    Environment.PRODUCTION: "api.push.apple.com:443",
    Environment.SANDBOX: "api.sandbox.push.apple.com:443",
}
PAYLOAD_LIMIT = 4096  # bytes of UTF-8
_PROBE_TOKEN = "0" * 64


class ApnsGateway:
    """Sends an app's pushes to Apple, in both environments."""

    def __init__(
        self,
        config: IosConfig,
        token: ProviderToken,
        *,
        in_flight: int,
        deadline: dt.timedelta,
        circuit: Circuit,
        clock: Callable[[], dt.datetime],
    ) -> None:
        self._config = config
        self._token = token
        self._circuit = circuit
        self._clock = clock
        self._room = asyncio.Semaphore(in_flight)
        self._transports = {
            environment: Transport(f"https://{config.server or host}", config.ca_file, deadline)
            for environment, host in HOSTS.items()
        }

    async def send(self, batch: Sequence[Push]) -> Sequence[PushResult]:
        """Send every push once and answer one result each, in the batch's order."""
        return await asyncio.gather(*(self._send(push) for push in batch))

    async def probe(self) -> GatewayHealth:
        """Send a request without a payload: Apple's refusal of just that says that all is well."""
        headers = self._headers(_request("", _PROBE_TOKEN, {}, self._config.topic, None, None))
        transport = self._transports[self._config.environment]
        answer = await transport.post(f"3/device/{_PROBE_TOKEN}", b"", headers)
        if isinstance(answer, Fault):
            return self._circuit.health(connected=False, reason=answer.reason)
        reason = _reason(answer)
        outcome = outcome_of(answer.status, reason)
        self._circuit.probed(outcome)
        down = outcome in (Outcome.PROVIDER_DOWN, Outcome.CREDENTIAL_BAD)
        return self._circuit.health(connected=not down, reason=reason if down else "")

    async def close(self) -> None:
        """Close the connections."""
        for transport in self._transports.values():
            await transport.close()

    async def _send(self, push: Push) -> PushResult:
        if self._circuit.is_open:
            return PushResult(
                delivery_id=push.delivery_id,
                outcome=Outcome.CREDENTIAL_BAD,
                provider_reason="circuit open",
            )
        request = notification(push, self._config.topic)
        body = encode(request.message)
        async with self._room:
            answer = await self._transports[push.environment].post(
                f"3/device/{push.address}", body, self._headers(request)
            )
        result = self._result(push, answer)
        self._circuit.sent(result.outcome)
        return result

    def _headers(self, request: NotificationRequest) -> Mapping[str, str]:
        headers = {
            "authorization": self._token.header(),
            "apns-topic": str(request.apns_topic),
            "apns-push-type": PushType.ALERT.value,
            "apns-priority": str(request.priority),
        }
        if request.notification_id:
            headers["apns-id"] = request.notification_id
        if request.time_to_live is not None:
            headers["apns-expiration"] = str(request.time_to_live)
        if request.collapse_key:
            headers["apns-collapse-id"] = request.collapse_key
        return headers

    def _result(self, push: Push, answer: Answer | Fault) -> PushResult:
        if isinstance(answer, Fault):
            return PushResult(
                delivery_id=push.delivery_id,
                outcome=Outcome.NOT_SENT if answer.not_sent else Outcome.UNKNOWN,
                provider_reason=answer.reason,
            )
        reason = _reason(answer)
        return PushResult(
            delivery_id=push.delivery_id,
            outcome=outcome_of(answer.status, reason),
            provider_reason=reason,
            provider_message_id=answer.headers.get("apns-id", ""),
            token_dead_since=_dead_since(answer),
            retry_after=read_retry_after(answer.headers.get("retry-after", ""), self._clock()),
        )


def notification(push: Push, topic: str) -> NotificationRequest:
    """Return a push as aioapns' request; `time_to_live` is Apple's absolute expiry in seconds."""
    payload = fit_body(payload_of(push), ("aps", "alert", "body"), encode, PAYLOAD_LIMIT)
    expiry = None if push.expire_time is None else int(push.expire_time.timestamp())
    return _request(push.delivery_id, push.address, payload, topic, expiry, push.collapse_key)


def _request(
    delivery_id: str,
    address: str,
    payload: dict[str, Any],
    topic: str,
    expiry: int | None,
    collapse_key: str | None,
) -> NotificationRequest:
    return NotificationRequest(
        device_token=address,
        message=payload,
        notification_id=delivery_id,
        time_to_live=expiry,
        priority=int(PRIORITY_HIGH),
        collapse_key=collapse_key or None,
        push_type=PushType.ALERT,
        apns_topic=topic,
    )


def payload_of(push: Push) -> dict[str, Any]:
    """Return the payload: the alert for the screen, and beside it what the app reads."""
    aps: dict[str, Any] = {
        "alert": {"title": push.title, "body": push.body},
        "sound": "default",
        "mutable-content": 1,
        "interruption-level": "time-sensitive" if push.time_sensitive else "active",
    }
    if push.collapse_key:
        aps["thread-id"] = push.collapse_key
    if isinstance(push.kind, Kind):
        aps["category"] = push.kind.name
    return {"aps": aps, **app_keys(push)}


def app_keys(push: Push) -> dict[str, str]:
    """Return what the app is told besides the text."""
    keys = {"delivery_id": push.delivery_id, **push.data}
    if push.kind is not None:
        keys["kind"] = push.kind.name
    if push.registration_ref:
        keys["registration_ref"] = push.registration_ref
    return keys


def encode(payload: Mapping[str, Any]) -> bytes:
    """Return the exact bytes that are sent, which Apple counts."""
    return json.dumps(payload, separators=(",", ":"), ensure_ascii=False).encode()


def _reason(answer: Answer) -> str:
    found = _document(answer).get("reason", "")
    return found[:64] if isinstance(found, str) else ""


def _dead_since(answer: Answer) -> dt.datetime | None:
    """Return when Apple says the token died: milliseconds since the epoch, of a 410 only."""
    millis = _document(answer).get("timestamp")
    if answer.status != 410 or not isinstance(millis, int) or not 0 < millis < 10**14:
        return None
    return dt.datetime.fromtimestamp(millis / 1000, dt.UTC)


def _document(answer: Answer) -> dict[str, Any]:
    try:
        document = json.loads(answer.body) if answer.body else {}
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}
