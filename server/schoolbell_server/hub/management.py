"""RabbitMQ's management API over HTTPS, as far as enrolling needs it."""

from __future__ import annotations

import json
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import aiohttp

from schoolbell_server.address import is_loopback
from schoolbell_server.config.secret import Secret

_TIMEOUT = aiohttp.ClientTimeout(total=30, connect=10)  # seconds
_QUOTED = 300  # characters of an answer


class ManagementFailed(Exception):
    """The broker's management API refused, or cannot be reached; the text says what it said."""


class Management:
    """Calls of one administrator to the management API of one broker.

    Every path is given in segments, which are quoted: a name cannot reach into another path.
    """

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session = session
        self._url = url.rstrip("/")

    async def get(self, *path: str) -> Any:
        """Return what stands at a path; None where nothing does."""
        return await self._call("GET", path)

    async def put(self, *path: str, body: Mapping[str, object] | None = None) -> None:
        """Make what the path names; it may be there already, and then is the same after."""
        await self._call("PUT", path, body=body or {})

    async def post(self, *path: str, body: Mapping[str, object]) -> Any:
        """Add to what the path names, or ask it; return what it answers."""
        return await self._call("POST", path, body=body)

    async def delete(self, *path: str) -> bool:
        """Remove what the path names; return whether it was there."""
        return await self._call("DELETE", path) is not None

    async def _call(
        self,
        method: str,
        path: tuple[str, ...],
        *,
        body: Mapping[str, object] | None = None,
    ) -> Any:
        """Return the answer's JSON, {} where it has none, None for what is not there."""
        joined = "/".join(quote(part, safe="") for part in path)
        url = f"{self._url}/api/{joined}"
        try:
            async with self._session.request(method, url, json=body) as answer:
                content = await answer.text()
                status = answer.status
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            said = str(error) or type(error).__name__
            raise ManagementFailed(f"{self._url}: cannot be reached: {said}") from None
        if status == HTTPStatus.NOT_FOUND and method in ("GET", "DELETE"):
            return None
        if status == HTTPStatus.UNAUTHORIZED:
            raise ManagementFailed(f"{self._url}: refuses the user, or its password")
        if status >= HTTPStatus.BAD_REQUEST:
            raise ManagementFailed(f"{method} {joined}: {status}, {_reason(content)}")
        return json.loads(content) if content else {}


@asynccontextmanager
async def management(
    url: str, user: str, password: Secret, ca_file: Path | None
) -> AsyncIterator[Management]:
    """Open calls to a broker's management API; ValueError for an address that may not be used.

    Its certificate is verified, by the authority in `ca_file` or else by those of the system.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("must be an address such as https://broker.example:15671")
    if parts.scheme == "http" and not is_loopback(parts.hostname):
        raise ValueError("must be https: a password would cross the network in the clear")
    try:
        context = ssl.create_default_context(cafile=ca_file)
    except OSError:
        raise ManagementFailed(f"{ca_file}: holds no certificate as PEM") from None
    async with aiohttp.ClientSession(
        headers={"Authorization": aiohttp.encode_basic_auth(user, password.reveal())},
        connector=aiohttp.TCPConnector(ssl=context),
        timeout=_TIMEOUT,
    ) as session:
        yield Management(session, url)


def _reason(content: str) -> str:
    """Return the reason that an answer gives."""
    try:
        said = json.loads(content)
    except ValueError:
        return content[:_QUOTED]
    reason = said.get("reason", said) if isinstance(said, dict) else said
    return str(reason)[:_QUOTED]
