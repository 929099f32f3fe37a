"""The FCM gateway of one app: HTTP v1 messages, one attempt each.

A data message by default: the app draws it, with the collapse key as its tag, so that a duplicate
replaces and never stacks. pyfcm builds the message; the transport is ours.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pyfcm import FCMNotification

from schoolbell_server.domain.kinds import Outcome
from schoolbell_server.gateways.access_token import AccessToken, TokenRefused, TokenUnreachable
from schoolbell_server.gateways.apns import app_keys
from schoolbell_server.gateways.circuit import Circuit
from schoolbell_server.gateways.fcm_errors import Verdict, verdict_of
from schoolbell_server.gateways.fitting import fit_body
from schoolbell_server.gateways.push import GatewayHealth, Push, PushResult
from schoolbell_server.gateways.retry_after import read_retry_after
from schoolbell_server.gateways.settings import AndroidConfig, AndroidStyle
from schoolbell_server.gateways.transport import Answer, Fault, Transport

ENDPOINT = "https://fcm.googleapis.com"
PAYLOAD_LIMIT = 4096  # bytes of keys and values
LONGEST_TTL = 2_419_200  # seconds
_PROBE_ADDRESS = "schoolbell-probe"


class FcmGateway:
    """Sends an app's pushes to Google."""

    def __init__(
        self,
        config: AndroidConfig,
        token: AccessToken,
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
        self._path = f"v1/projects/{config.project_id}/messages:send"
        self._transport = Transport(config.endpoint or ENDPOINT, config.ca_file, deadline)
        self._builder = FCMNotification(credentials=token, project_id=config.project_id)

    async def send(self, batch: Sequence[Push]) -> Sequence[PushResult]:
        """Send every push once and answer one result each, in the batch's order."""
        return await asyncio.gather(*(self._send(push) for push in batch))

    async def probe(self) -> GatewayHealth:
        """Validate a message to nobody: Google's refusal of the address says that all is well."""
        probe = {"token": _PROBE_ADDRESS, "data": {"probe": "1"}}
        body = json.dumps({"message": probe, "validate_only": True}).encode()
        answer, verdict = await self._post(body)
        outcome = verdict.outcome
        down = isinstance(answer, Fault) or outcome in (
            Outcome.PROVIDER_DOWN,
            Outcome.CREDENTIAL_BAD,
        )
        self._circuit.probed(outcome)
        return self._circuit.health(connected=not down, reason=verdict.reason if down else "")

    async def close(self) -> None:
        """Close the connections."""
        await self._transport.close()

    async def _send(self, push: Push) -> PushResult:
        if self._circuit.is_open:
            return PushResult(
                delivery_id=push.delivery_id,
                outcome=Outcome.CREDENTIAL_BAD,
                provider_reason="circuit open",
            )
        body = self._message(push)
        async with self._room:
            answer, verdict = await self._post(body)
        self._circuit.sent(verdict.outcome)
        after = "" if answer is None or isinstance(answer, Fault) else _header(answer)
        return PushResult(
            delivery_id=push.delivery_id,
            outcome=verdict.outcome,
            provider_reason=verdict.reason,
            provider_message_id=verdict.message_id,
            retry_after=read_retry_after(after, self._clock()),
        )

    async def _post(self, body: bytes) -> tuple[Answer | Fault | None, Verdict]:
        """Post once; a refused access token is renewed once, for everybody."""
        answer, verdict = await self._try(body)
        if isinstance(answer, Answer) and answer.status == 401 and _is_token_fault(verdict):
            answer, verdict = await self._try(body)
        return answer, verdict

    async def _try(self, body: bytes) -> tuple[Answer | Fault | None, Verdict]:
        try:
            token = await self._token.get()
        except TokenRefused as error:
            return None, Verdict(Outcome.CREDENTIAL_BAD, str(error))
        except TokenUnreachable as error:
            return None, Verdict(Outcome.NOT_SENT, str(error))
        headers = {"authorization": f"Bearer {token}", "content-type": "application/json"}
        answer = await self._transport.post(self._path, body, headers)
        if isinstance(answer, Fault):
            outcome = Outcome.NOT_SENT if answer.not_sent else Outcome.UNKNOWN
            return answer, Verdict(outcome, answer.reason)
        verdict = verdict_of(answer.status, answer.body)
        if answer.status == 401 and _is_token_fault(verdict):
            self._token.forget(token)
        return answer, verdict

    def _message(self, push: Push) -> bytes:
        """Return the request's body, built by pyfcm."""
        system = self._config.style is AndroidStyle.NOTIFICATION
        data = fit_body(_data(push), ("body",), _size, PAYLOAD_LIMIT)
        built = self._builder.parse_payload(
            fcm_token=push.address,
            notification_title=data["title"] if system else None,
            notification_body=data["body"] if system else None,
            data_payload=data,
            android_config=self._android(push, system=system),
        )
        if not push.fid:
            return bytes(built)
        document = json.loads(built)
        document["message"]["fid"] = document["message"].pop("token")
        return json.dumps(document).encode()

    def _android(self, push: Push, *, system: bool) -> dict[str, Any]:
        android: dict[str, Any] = {"priority": "HIGH", "ttl": f"{self._ttl(push)}s"}
        if system and push.collapse_key:
            android["notification"] = {"tag": push.collapse_key}
        return android

    def _ttl(self, push: Push) -> int:
        if push.expire_time is None:
            return LONGEST_TTL
        left = (push.expire_time - self._clock()).total_seconds()
        return max(0, min(LONGEST_TTL, int(left)))


def _data(push: Push) -> dict[str, Any]:
    data = {"title": push.title, "body": push.body, **app_keys(push)}
    if push.collapse_key:
        data["tag"] = push.collapse_key
    return data


def _size(data: Mapping[str, Any]) -> bytes:
    """Return what Google counts: keys and values."""
    return "".join(f"{key}{value}" for key, value in data.items()).encode()


def _is_token_fault(verdict: Verdict) -> bool:
    return verdict.reason not in ("THIRD_PARTY_AUTH_ERROR", "APNS_AUTH_ERROR")


def _header(answer: Answer) -> str:
    return answer.headers.get("retry-after", "")
