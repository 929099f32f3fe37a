"""HTTP/2 to a provider, over a kept client that survives what providers do to connections.

Every request ends, within its deadline, as an answer or as a `Fault` that says whether the
provider can have seen it. Nothing is sent twice here.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pyreqwest.client import ClientBuilder
from pyreqwest.exceptions import DetailedPyreqwestError, PyreqwestError

_CONNECT_TIMEOUT = dt.timedelta(seconds=5)
_PING_INTERVAL = dt.timedelta(seconds=60)
_PING_TIMEOUT = dt.timedelta(seconds=10)
_IDLE = dt.timedelta(hours=12)
_CONNECTING = "client error (Connect)"
_REFUSED = "REFUSED_STREAM"
_LONGEST_REASON = 100  # characters


@dataclass(frozen=True, slots=True)
class Answer:
    """What the provider answered."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    """By lower-case name."""


@dataclass(frozen=True, slots=True)
class Fault:
    """There was no answer."""

    reason: str
    """The transport's words; never a URL, which may hold a token."""
    not_sent: bool
    """The provider has provably not seen the request."""


class Transport:
    """A pool of connections to one origin."""

    def __init__(self, origin: str, ca_file: Path | None, deadline: dt.timedelta) -> None:
        """Speak HTTP/2 with prior knowledge to `https://host:port`.

        `ca_file` replaces nothing: it is trusted besides the system's authorities.
        """
        builder = (
            ClientBuilder()
            .base_url(origin + "/")
            .https_only(True)
            .http2_prior_knowledge()
            .http2_keep_alive_interval(_PING_INTERVAL)
            .http2_keep_alive_timeout(_PING_TIMEOUT)
            .http2_keep_alive_while_idle(True)
            .pool_idle_timeout(_IDLE)
            .connect_timeout(min(_CONNECT_TIMEOUT, deadline))
            .timeout(deadline)
            .max_redirects(0)
            .no_proxy()
        )
        if ca_file is not None:
            builder = builder.add_root_certificate_pem(ca_file.read_bytes())
        self._client = builder.build()

    async def post(self, path: str, body: bytes, headers: Mapping[str, str]) -> Answer | Fault:
        """Send one request and wait for its answer."""
        request = self._client.post(path).headers(dict(headers)).body_bytes(body).build()
        try:
            response = await request.send()
            content = await response.bytes()
        except PyreqwestError as error:
            return _fault(error)
        return Answer(
            status=response.status,
            body=bytes(content),
            headers={name.lower(): value for name, value in response.headers.items()},
        )

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()


def _fault(error: PyreqwestError) -> Fault:
    """Tell a request that never left from one that may have been seen.

    The first cause quotes the URL and is left out.
    """
    found = error.details.get("causes") if isinstance(error, DetailedPyreqwestError) else None
    causes = [cause["message"] for cause in found or ()][1:]
    not_sent = any(_CONNECTING in cause or _REFUSED in cause for cause in causes)
    reason = causes[-1] if causes else type(error).__name__
    return Fault(reason[:_LONGEST_REASON], not_sent)
