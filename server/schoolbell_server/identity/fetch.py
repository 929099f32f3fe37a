"""Fetch a document over https: bounded in size and time, redirected nowhere, from any server."""

from __future__ import annotations

import asyncio
import datetime as dt
from pathlib import Path

from pyreqwest.client import Client, ClientBuilder
from pyreqwest.exceptions import DetailedPyreqwestError, PyreqwestError

from schoolbell_server.gateways.common.foreign_json import MOST_BYTES
from schoolbell_server.gateways.common.wording import word
from schoolbell_server.security.credential_files import CredentialUnusable, read_authority

DEADLINE = dt.timedelta(seconds=5)
"""From the look-up of the host's name to the last byte."""
_LONGEST_REASON = 100  # characters


class FetchFailed(Exception):
    """There is no document; the text says why, without the URL."""


async def fetch(url: str, ca_file: Path | None) -> bytes:
    """Return what a server answers to GET, up to `MOST_BYTES`; FetchFailed otherwise.

    Each fetch has a connection of its own: the host's name and the authority are read anew.
    """
    try:
        async with asyncio.timeout(DEADLINE.total_seconds()):
            async with _client(ca_file) as client:
                return await _get(client, url)
    except TimeoutError:
        raise FetchFailed("no answer in time") from None
    except CredentialUnusable as error:
        raise FetchFailed(f"ca_file: the file {error}") from None
    except (PyreqwestError, ValueError) as error:
        raise FetchFailed(_reason(error)) from None


async def _get(client: Client, url: str) -> bytes:
    request = client.get(url).header("accept", "application/json").build_streamed()
    async with request as response:
        if response.status != 200:
            raise FetchFailed(f"HTTP {response.status}")
        body = bytearray()
        while (chunk := await response.body_reader.read_chunk()) is not None:
            body += bytes(chunk)
            if len(body) > MOST_BYTES:
                raise FetchFailed(f"larger than {MOST_BYTES} bytes")
        return bytes(body)


def _client(ca_file: Path | None) -> Client:
    builder = (
        ClientBuilder()
        .https_only(True)
        .connect_timeout(DEADLINE)
        .runtime_multithreaded(True)
        .follow_redirects(False)
        .gzip(False)
        .brotli(False)
        .zstd(False)
        .deflate(False)
        .user_agent("schoolbell")
        .no_proxy()
    )
    if ca_file is not None:
        builder = builder.add_root_certificate_pem(read_authority(ca_file))
    return builder.build()


def _reason(error: Exception) -> str:
    """Return the innermost cause in the transport's words; the outermost quotes the URL."""
    found = error.details.get("causes") if isinstance(error, DetailedPyreqwestError) else None
    causes = [cause["message"] for cause in found or ()][1:]
    return word(causes[-1] if causes else type(error).__name__, _LONGEST_REASON)
