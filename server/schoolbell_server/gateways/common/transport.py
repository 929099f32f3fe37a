"""HTTP/2 to a provider, over a kept client that survives what providers do to connections.

Every request ends, within its deadline, as an answer or as a `NoAnswer` that says whether the
provider can have seen it. Nothing that the provider can have seen is sent twice here.
"""

from __future__ import annotations

import datetime as dt
import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from pyreqwest.client import Client, ClientBuilder
from pyreqwest.exceptions import DetailedPyreqwestError, PyreqwestError, RequestTimeoutError
from pyreqwest.proxy import ProxyBuilder
from pyreqwest.request import StreamRequest
from pyreqwest.response import Response

from schoolbell_server.gateways.common.files import Stamp, stamp
from schoolbell_server.gateways.common.foreign_json import MOST_BYTES
from schoolbell_server.gateways.common.wording import word
from schoolbell_server.observability.loop_lag import Limit, LoopLag
from schoolbell_server.security.credential_files import (
    CredentialUnusable,
    read_authority,
    read_identity,
)

_CONNECT_TIMEOUT = dt.timedelta(seconds=5)
_PING_INTERVAL = dt.timedelta(seconds=60)
_PING_TIMEOUT = dt.timedelta(seconds=10)
_IDLE = dt.timedelta(hours=12)
OLDEST = 6 * 3600.0  # seconds; a new connection asks DNS again
_UNSEEN = (
    # No connection came to be, so no request left.
    "client error (Connect)",
    # RST_STREAM with REFUSED_STREAM: the provider promises that it did nothing.
    "refused stream before processing any application logic",
)
_LONGEST_REASON = 100  # characters


@dataclass(frozen=True, slots=True)
class Answer:
    """What the provider answered."""

    status: int
    body: bytes
    header: Callable[[str], str | None]
    """Looks a header up, whatever its case."""
    client: int
    """Names the client that carried it, for `Transport.renew`."""


@dataclass(frozen=True, slots=True)
class Leaving:
    """A request that is ready to leave, once."""

    request: StreamRequest
    client: int
    start: float
    """When it was made, by the transport's clock."""


@dataclass(frozen=True, slots=True)
class NoAnswer:
    """There was no answer."""

    reason: str
    """The transport's words; never a URL, which may hold a token."""
    not_sent: bool
    """The provider has provably done nothing with the request."""
    timed_out: bool = False
    """Nobody said anything about the request in all the time that it had."""


class Transport:
    """A client of one origin, renewed when its connections are dead, wedged, old or outdated."""

    def __init__(
        self,
        origin: str,
        *,
        deadline: dt.timedelta,
        ca_file: Path | None = None,
        identity_file: Path | None = None,
        proxy: str = "",
        lag: LoopLag | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Speak HTTP/2 with prior knowledge to `https://host:port`.

        `ca_file` is trusted besides the system's authorities; `identity_file` holds a client
        certificate and its key. `freshen` reads both again when they have changed. `proxy` is the
        URL of a proxy with HTTP CONNECT, empty for none. `lag` knows when this process stood still:
        answers that arrived meanwhile are read before their time is over.
        CredentialUnusable if one of the files cannot be used.
        """
        self._origin = origin
        self._deadline = deadline
        self._files = [path for path in (ca_file, identity_file) if path is not None]
        self._ca_file = ca_file
        self._identity_file = identity_file
        self._proxy = proxy
        self._lag = lag or LoopLag()
        self._clock = clock
        self._serial = 0
        self.problems: dict[str, str] = {}
        """What is wrong with files that were put in place of good ones: `ca_file`,
        `identity_file`. What they hold is not used, and what they held before is."""
        self._authority = self._identity = b""
        self._heard = self._opened = clock()
        self._stamps = self._look()
        self._read()
        if self.problems:
            raise CredentialUnusable(next(iter(self.problems.values())))
        self._client = self._build()

    async def post(
        self, path: str, body: bytes, headers: Mapping[str, str], limit: float | None = None
    ) -> Answer | NoAnswer:
        """Send one request and wait for its answer, `limit` seconds at most."""
        seconds = self._deadline.total_seconds() if limit is None else limit
        if seconds <= 0:  # a stall, or a wait for room, has taken it all
            return NoAnswer("no time left", not_sent=True)
        leaving = self.make(path, body, headers)
        if isinstance(leaving, NoAnswer):
            return leaving
        try:
            # The library's own timeout looks at the clock first and at what has arrived never.
            async with self._lag.timeout(seconds):
                return await self.exchange(leaving)
        except TimeoutError:
            return self.unanswered(leaving)

    def limit(self, seconds: float) -> Limit:
        """Return a limit for many exchanges at once."""
        return self._lag.limit(seconds)

    def make(self, path: str, body: bytes, headers: Mapping[str, str]) -> Leaving | NoAnswer:
        """Return a request that is ready to leave, on the present client."""
        try:
            builder = self._client.post(path).headers(headers).body_bytes(body)
            request = builder.streamed_read_buffer_limit(MOST_BYTES).build_streamed()
        except ValueError as error:
            return NoAnswer(f"request not built: {type(error).__name__}", not_sent=True)
        return Leaving(request, self._serial, self._clock())

    async def exchange(self, leaving: Leaving) -> Answer | NoAnswer:
        """Send a request and wait for its answer; whoever limits the time cancels it."""
        try:
            async with leaving.request as response:
                content = await _start_of(response)
        except TimeoutError:
            return self.unanswered(leaving)
        except PyreqwestError as error:
            return _fault(error)
        self._heard = self._clock()
        return Answer(response.status, content, partial(_header, response), leaving.client)

    def unanswered(self, leaving: Leaving) -> NoAnswer:
        """Take note that a request had no answer in its time."""
        # Not a word from anybody in all this time: the peer is gone without saying so.
        if self._heard < leaving.start:
            self.renew(leaving.client)
        return NoAnswer("no answer in time", not_sent=False, timed_out=True)

    def renew(self, client: int) -> None:
        """Use new connections from now on, unless that `client` has been replaced already.

        What is under way on the old ones ends there.
        """
        if client != self._serial:
            return
        # Noted also where the new one fails: a file that is written to its end changes once more.
        self._stamps = self._look()
        self._read()
        try:
            fresh = self._build()
        except (ValueError, PyreqwestError):  # the files are good: the former client goes on
            return
        self._serial += 1
        self._client, self._opened = fresh, self._clock()

    def renew_now(self) -> None:
        """Use new connections from now on."""
        self.renew(self._serial)

    def freshen(self) -> None:
        """Use new connections from now on if these are old, or a file of theirs was replaced."""
        if self._clock() - self._opened >= OLDEST or self._look() != self._stamps:
            self.renew_now()

    async def close(self) -> None:
        """Close the connections; requests under way fail."""
        await self._client.close()

    def _read(self) -> None:
        """Take what the files hold now; of those that cannot be used, what they held before."""
        self.problems = {}
        if self._ca_file is not None:
            try:
                self._authority = read_authority(self._ca_file)
            except CredentialUnusable as error:
                self.problems["ca_file"] = str(error)
        if self._identity_file is not None:
            try:
                self._identity = read_identity(self._identity_file)
            except CredentialUnusable as error:
                self.problems["identity_file"] = str(error)

    def _look(self) -> list[Stamp]:
        return [stamp(path) for path in self._files]

    def _build(self) -> Client:
        builder = (
            ClientBuilder()
            .base_url(self._origin + "/")
            .https_only(True)
            .http2_prior_knowledge()
            .http2_keep_alive_interval(_PING_INTERVAL)
            .http2_keep_alive_timeout(_PING_TIMEOUT)
            .http2_keep_alive_while_idle(True)
            .pool_idle_timeout(_IDLE)
            .connect_timeout(min(_CONNECT_TIMEOUT, self._deadline))
            .runtime_multithreaded(True)
            .follow_redirects(False)
            .gzip(False)
            .brotli(False)
            .zstd(False)
            .deflate(False)
            .user_agent("schoolbell")
        )
        # Never the environment's: what leaves, and where, is configured.
        builder = (
            builder.proxy(ProxyBuilder.https(self._proxy)) if self._proxy else builder.no_proxy()
        )
        if self._authority:
            builder = builder.add_root_certificate_pem(self._authority)
        if self._identity:
            builder = builder.identity_pem(self._identity)
        return builder.build()


async def knows_unsent() -> bool:
    """Return whether a request that cannot have left is told as such, by trying one.

    What was sent is read from the words of pyreqwest and the libraries under it, which may change
    with their versions. If they did, such a request counts as perhaps sent.
    """
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # and does not listen: the connection is refused
        origin = f"https://127.0.0.1:{closed.getsockname()[1]}"
        transport = Transport(origin, deadline=_CONNECT_TIMEOUT)
        try:
            fault = await transport.post("", b"", {})
        finally:
            await transport.close()
    return isinstance(fault, NoAnswer) and fault.not_sent


async def _start_of(response: Response) -> bytes:
    """Return what an answer holds, and of one that is too large hardly more than is read of any.

    The rest is not taken from the network: whoever leaves the request resets its stream.
    """
    if (told := _header(response, "content-length")) == "0":
        return b""
    chunks, size, reader = [], 0, response.body_reader
    while size <= MOST_BYTES and (chunk := await reader.read_chunk()) is not None:
        chunks.append(bytes(chunk))
        size += len(chunk)
        if told == str(size):
            break
    return b"".join(chunks)


def _header(response: Any, name: str) -> str | None:
    """Return a header's value; None where there is none, or none that is text."""
    try:
        value: str | None = response.get_header(name)
    except (ValueError, PyreqwestError):
        return None
    return value


def _fault(error: PyreqwestError) -> NoAnswer:
    """Tell a request that nobody has seen from one that may have been.

    The first cause quotes the URL and is left out.
    """
    found = error.details.get("causes") if isinstance(error, DetailedPyreqwestError) else None
    causes = [cause["message"] for cause in found or ()][1:]
    not_sent = any(unseen in cause for cause in causes for unseen in _UNSEEN)
    reason = causes[-1] if causes else type(error).__name__
    return NoAnswer(word(reason, _LONGEST_REASON), not_sent, isinstance(error, RequestTimeoutError))
