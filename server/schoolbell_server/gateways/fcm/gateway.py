"""The FCM gateway of one app: HTTP v1 messages, one attempt each."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import time
from collections.abc import Callable, Sequence

from schoolbell_server.domain.kinds import Outcome, ProviderEnvironment
from schoolbell_server.gateways.app_config import AndroidConfig
from schoolbell_server.gateways.common.attempts import Outgoing, not_sent
from schoolbell_server.gateways.common.circuits import Circuits
from schoolbell_server.gateways.common.provider_gateway import ProviderGateway
from schoolbell_server.gateways.common.push import Push, PushResult, Report, unreported
from schoolbell_server.gateways.common.rate import TokenBucket
from schoolbell_server.gateways.common.retry_after import read_retry_after
from schoolbell_server.gateways.common.transport import Answer, NoAnswer, Transport
from schoolbell_server.gateways.fcm.access_token import AccessToken, TokenRefused, TokenUnreachable
from schoolbell_server.gateways.fcm.errors import Meaning, meaning_of
from schoolbell_server.gateways.fcm.message import FcmMessages
from schoolbell_server.gateways.fcm.quota_guess import QuotaGuess
from schoolbell_server.observability.loop_lag import LoopLag

ENDPOINT = "https://fcm.googleapis.com"
_PROBE = json.dumps(
    {"message": {"token": "schoolbell-probe", "data": {"probe": "1"}}, "validate_only": True}
).encode()


class FcmGateway(ProviderGateway):
    """Sends an app's pushes to Google."""

    def __init__(
        self,
        config: AndroidConfig,
        token: AccessToken,
        *,
        rate: TokenBucket,
        in_flight: int,
        deadline: dt.timedelta,
        circuits: Circuits,
        clock: Callable[[], dt.datetime],
        proxy: str = "",
        lag: LoopLag | None = None,
        report: Report = unreported,
    ) -> None:
        """`token` and `rate` belong to the project, and so to all its apps.

        Google knows no environments: `circuits` is one for all.
        """
        super().__init__(
            in_flight=in_flight, deadline=deadline, circuits=circuits, clock=clock, report=report
        )
        self._token = token
        self._rate = rate
        self._quota = QuotaGuess()
        self._circuit = circuits.of(ProviderEnvironment.PRODUCTION)
        self._messages = FcmMessages(config)
        self._path = f"v1/projects/{config.project_id}/messages:send"
        self._transport = Transport(
            config.endpoint or ENDPOINT,
            deadline=deadline,
            ca_file=config.ca_file,
            proxy=proxy,
            lag=lag,
        )

    async def _close(self) -> None:
        await self._transport.close()
        await self._token.close()

    def _look(self) -> None:
        """Take replaced files, and report those that cannot be used."""
        self._token.look()
        self._transport.freshen()
        self._report("service_account_file", self._token.problem)
        self._report("ca_file", self._transport.problems.get("ca_file", ""))

    async def _probe(self) -> tuple[Outcome, str]:
        """Let Google validate a message to nobody: it is refused for the address."""
        meaning, _ = await self._post(_PROBE, self._deadline)
        if meaning.outcome is Outcome.THROTTLED_DEVICE:  # it is sent to nobody's
            return Outcome.THROTTLED_PROJECT, meaning.reason
        return meaning.outcome, meaning.reason

    def prepare(self, batch: Sequence[Push]) -> Sequence[Outgoing | None]:
        """Return each push ready to leave; none, where a token or the rate must be waited for."""
        token, now = self._token.ready(), self._clock()
        if token is None or not self._rate.take_at_once(len(batch)):
            return ()
        headers = _headers(token)
        outgoing = [self._outgoing(push, token, headers, now) for push in batch]
        self._rate.give_back(outgoing.count(None))
        return outgoing

    def _outgoing(
        self, push: Push, token: str, headers: dict[str, str], now: dt.datetime
    ) -> Outgoing | None:
        body = self._messages.encode(push, now)
        leaving = None if body is None else self._transport.make(self._path, body, headers)
        if leaving is None or isinstance(leaving, NoAnswer):
            return None
        return Outgoing(self._transport, leaving, token)

    async def conclude(
        self, push: Push, sent: Outgoing, answer: Answer | NoAnswer, begin: float, end: float
    ) -> PushResult:
        """Return what an answer means; a refused access token is fetched anew, and shown once."""
        meaning, retry_after = self._meaning(answer)
        if meaning.access_token_refused:
            self._token.forget(sent.authorization)
            meaning, retry_after = await self._again(push, end)
        return self._note(push, meaning, retry_after, begin)

    async def _again(self, push: Push, end: float) -> tuple[Meaning, dt.timedelta | None]:
        """Send a push again, with a new access token, until the loop's time `end`."""
        body = self._messages.encode(push, self._clock())
        left = end - asyncio.get_running_loop().time()
        return await self._post(body or b"", left, tries=1)

    async def _attempt(self, push: Push, left: float) -> PushResult:
        body = self._messages.encode(push, self._clock())
        if body is None:
            return PushResult(
                delivery_id=push.delivery_id,
                outcome=Outcome.PAYLOAD_BAD,
                provider_reason="too large, or a reserved key",
            )
        wait = self._rate.take()
        if wait >= left:
            self._rate.give_back()
            return not_sent(push, "project rate", dt.timedelta(seconds=wait))
        if wait:
            await asyncio.sleep(wait)
        begin = self._circuit.now()
        meaning, retry_after = await self._post(body, left - wait)
        return self._note(push, meaning, retry_after, begin)

    def _note(
        self, push: Push, meaning: Meaning, retry_after: dt.timedelta | None, begin: float
    ) -> PushResult:
        """Tell circuit and rate of an attempt that began at a time; return its result."""
        outcome = self._quota.outcome(push.address, meaning)
        self._circuit.record(outcome, begin, timed_out=meaning.timed_out)
        if outcome is Outcome.THROTTLED_PROJECT:
            self._rate.slow_down()
            self._attempts.circuits.throttle(meaning.reason, retry_after)
        return PushResult(
            delivery_id=push.delivery_id,
            outcome=outcome,
            provider_reason=meaning.reason,
            provider_message_id=meaning.message_id,
            retry_after=retry_after,
            seconds=self._circuit.now() - begin,
        )

    async def _post(
        self, body: bytes, left: float, tries: int = 2
    ) -> tuple[Meaning, dt.timedelta | None]:
        """Post; once more, with a new access token, where it was refused at the first of two."""
        end = time.monotonic() + left
        try:
            shown = await self._token.get(left)
            answered = await self._try(body, shown, end)
            if not answered[0].access_token_refused or tries == 1:
                return answered
            self._token.forget(shown)
            return await self._post(body, end - time.monotonic(), tries - 1)
        except TokenRefused as error:
            return Meaning(Outcome.CREDENTIAL_BAD, str(error)), None
        except TokenUnreachable as error:
            return Meaning(Outcome.NOT_SENT, str(error), timed_out=error.timed_out), None

    async def _try(
        self, body: bytes, token: str, end: float
    ) -> tuple[Meaning, dt.timedelta | None]:
        left = end - time.monotonic()
        return self._meaning(await self._transport.post(self._path, body, _headers(token), left))

    def _meaning(self, answer: Answer | NoAnswer) -> tuple[Meaning, dt.timedelta | None]:
        if isinstance(answer, NoAnswer):
            outcome = Outcome.NOT_SENT if answer.not_sent else Outcome.ANSWER_LOST
            return Meaning(outcome, answer.reason, timed_out=answer.timed_out), None
        meaning = meaning_of(answer.status, answer.body)
        if meaning.outcome is Outcome.ACCEPTED:
            return meaning, None
        return meaning, read_retry_after(answer.header("retry-after") or "", self._clock())


def _headers(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}", "content-type": "application/json"}
