"""The APNs gateway of one app: alerts over HTTP/2, one attempt each, in both environments."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Callable, Sequence

from schoolbell_server.domain.kinds import Outcome, ProviderEnvironment
from schoolbell_server.gateways.apns.message import ApnsMessages, path_of
from schoolbell_server.gateways.apns.provider_token import ProviderToken
from schoolbell_server.gateways.apns.reasons import WORN_OUT, outcome_of
from schoolbell_server.gateways.app_config import IosConfig
from schoolbell_server.gateways.common.attempts import Outgoing
from schoolbell_server.gateways.common.circuits import Circuits
from schoolbell_server.gateways.common.foreign_json import ForeignObject, object_or_empty
from schoolbell_server.gateways.common.provider_gateway import ProviderGateway
from schoolbell_server.gateways.common.push import Push, PushResult, Report, unreported
from schoolbell_server.gateways.common.retry_after import read_retry_after
from schoolbell_server.gateways.common.transport import Answer, NoAnswer, Transport
from schoolbell_server.gateways.common.wording import LONGEST_ID, word
from schoolbell_server.observability.loop_lag import LoopLag

HOSTS = {
    ProviderEnvironment.PRODUCTION: "api.push.apple.com:443",
    ProviderEnvironment.SANDBOX: "api.sandbox.push.apple.com:443",
}
_PROBE = Push(delivery_id="00000000-0000-4000-8000-000000000000", app_id="", address="0" * 64)


class ApnsGateway(ProviderGateway):
    """Sends an app's pushes to Apple."""

    def __init__(
        self,
        config: IosConfig,
        token: ProviderToken | None,
        *,
        in_flight: int,
        deadline: dt.timedelta,
        circuits: Circuits,
        clock: Callable[[], dt.datetime],
        proxy: str = "",
        lag: LoopLag | None = None,
        report: Report = unreported,
    ) -> None:
        """Without a `token` the connections show the app's certificate."""
        super().__init__(
            in_flight=in_flight, deadline=deadline, circuits=circuits, clock=clock, report=report
        )
        self._config = config
        self._token = token
        self._rotations = token.rotations if token is not None else 0
        self._transports = {
            environment: Transport(
                f"https://{config.server or host}",
                deadline=deadline,
                ca_file=config.ca_file,
                identity_file=config.certificate_file,
                proxy=proxy,
                lag=lag,
            )
            for environment, host in HOSTS.items()
        }

    @property
    def environment(self) -> ProviderEnvironment:
        """Return the app's own environment, which is probed."""
        return self._config.environment

    async def _close(self) -> None:
        for transport in self._transports.values():
            await transport.close()

    def _look(self) -> None:
        """Take replaced keys and certificates: once a batch, for looking costs half a push."""
        if self._token is not None:
            self._token.look()
            self._report("key_file", self._token.problem)
        for transport in self._transports.values():
            transport.freshen()
        problems = self._transports[self._config.environment].problems
        self._report("ca_file", problems.get("ca_file", ""))
        self._report("certificate_file", problems.get("identity_file", ""))

    async def _probe(self) -> tuple[Outcome, str]:
        """Send a request without a payload to no device: it is refused for the missing payload."""
        messages = ApnsMessages(self._config.topic, self._authorization())
        transport = self._transports[self._config.environment]
        headers, begin = messages.headers(_PROBE), asyncio.get_running_loop().time()
        answer = await transport.post(path_of(_PROBE), b"", headers, self._deadline)
        if self._is_outdated(answer, transport, messages.authorization):
            headers = ApnsMessages(self._config.topic, self._authorization()).headers(_PROBE)
            left = begin + self._deadline - asyncio.get_running_loop().time()
            answer = await transport.post(path_of(_PROBE), b"", headers, left)
        if isinstance(answer, NoAnswer):
            return (Outcome.NOT_SENT if answer.not_sent else Outcome.ANSWER_LOST), answer.reason
        reason = _reason(object_or_empty(answer.body))
        return outcome_of(answer.status, reason), _word(answer, reason)

    def prepare(self, batch: Sequence[Push]) -> Sequence[Outgoing | None]:
        """Return each push ready to leave; what they share is made once."""
        messages = ApnsMessages(self._config.topic, self._authorization())
        return [self._outgoing(push, messages) for push in batch]

    def _outgoing(self, push: Push, messages: ApnsMessages) -> Outgoing | None:
        transport = self._transports[push.environment]
        leaving = transport.make(path_of(push), messages.body(push), messages.headers(push))
        if isinstance(leaving, NoAnswer):
            return None
        return Outgoing(transport, leaving, messages.authorization)

    async def conclude(
        self, push: Push, sent: Outgoing, answer: Answer | NoAnswer, begin: float, end: float
    ) -> PushResult:
        """Return what an answer means; an outdated provider token is renewed, and shown once."""
        if self._is_outdated(answer, sent.transport, sent.authorization):
            left = end - asyncio.get_running_loop().time()
            _, answer = await self._post(push, left)
        return self._note(push, answer, begin)

    async def _attempt(self, push: Push, left: float) -> PushResult:
        begin = self._attempts.circuits.of(push.environment).now()
        end = asyncio.get_running_loop().time() + left
        shown, answer = await self._post(push, left)
        if self._is_outdated(answer, self._transports[push.environment], shown):
            _, answer = await self._post(push, end - asyncio.get_running_loop().time())
        return self._note(push, answer, begin)

    async def _post(self, push: Push, left: float) -> tuple[str, Answer | NoAnswer]:
        """Post once; return the authorization that was shown, and the answer."""
        messages = ApnsMessages(self._config.topic, self._authorization())
        body, headers = messages.body(push), messages.headers(push)
        transport = self._transports[push.environment]
        return messages.authorization, await transport.post(path_of(push), body, headers, left)

    def _is_outdated(self, answer: Answer | NoAnswer, transport: Transport, shown: str) -> bool:
        """Return whether a provider token was refused as too old and there is another.

        A connection that answers nothing else any more is replaced.
        """
        if isinstance(answer, NoAnswer) or answer.status == 200:
            return False
        reason = _reason(object_or_empty(answer.body))
        if reason in WORN_OUT:
            transport.renew(answer.client)
        if reason != "ExpiredProviderToken" or self._token is None:
            return False
        return self._token.renew(shown)

    def _authorization(self) -> str:
        """Return the authorization, '' for none; a new key gets new connections."""
        if self._token is None:
            return ""
        shown = self._token.get_header()
        if self._token.rotations != self._rotations:
            self._rotations = self._token.rotations
            for transport in self._transports.values():
                transport.renew_now()
        return shown

    def _note(self, push: Push, answer: Answer | NoAnswer, begin: float) -> PushResult:
        """Tell the circuit of an attempt that began at a time of its clock; return its result."""
        circuit = self._attempts.circuits.of(push.environment)
        result = self._result(push, answer, circuit.now() - begin)
        timed_out = isinstance(answer, NoAnswer) and answer.timed_out
        circuit.record(result.outcome, begin, timed_out=timed_out)
        if result.outcome is Outcome.THROTTLED_PROJECT:
            self._attempts.circuits.throttle(result.provider_reason, result.retry_after)
        return result

    def _result(self, push: Push, answer: Answer | NoAnswer, seconds: float) -> PushResult:
        if isinstance(answer, NoAnswer):
            return PushResult(
                delivery_id=push.delivery_id,
                outcome=Outcome.NOT_SENT if answer.not_sent else Outcome.ANSWER_LOST,
                provider_reason=answer.reason,
                seconds=seconds,
            )
        apns_id = word(answer.header("apns-id"), LONGEST_ID) or push.delivery_id
        if answer.status == 200:
            return PushResult(
                delivery_id=push.delivery_id,
                outcome=Outcome.ACCEPTED,
                provider_message_id=apns_id,
                seconds=seconds,
            )
        document = object_or_empty(answer.body)
        reason = _reason(document)
        return PushResult(
            delivery_id=push.delivery_id,
            outcome=outcome_of(answer.status, reason),
            provider_reason=_word(answer, reason),
            provider_message_id=apns_id,
            token_dead_since=_dead_since(answer.status, document),
            retry_after=read_retry_after(answer.header("retry-after") or "", self._clock()),
            seconds=seconds,
        )


def _word(answer: Answer, reason: str) -> str:
    return reason or f"HTTP {answer.status}"


def _reason(document: ForeignObject) -> str:
    return word(document.text("reason"))


def _dead_since(status: int, document: ForeignObject) -> dt.datetime | None:
    """Return when Apple says the token died: milliseconds since the epoch, of a 410 only."""
    millis = document.whole("timestamp")
    if status != 410 or millis is None or not 0 < millis < 10**14:
        return None
    return dt.datetime.fromtimestamp(millis / 1000, dt.UTC)
