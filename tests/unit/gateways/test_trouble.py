"""What a failed attempt says of its link: by its outcome, else by the words of the transport."""

from __future__ import annotations

import asyncio
import datetime as dt
import ssl
from pathlib import Path

import pytest

from schoolbell_server.domain.kinds import Outcome
from schoolbell_server.gateways.common.transport import NoAnswer, Transport
from schoolbell_server.gateways.common.trouble import LinkTrouble, trouble_of
from schoolbell_server.security.authority import LocalAuthority
from tests.unit.contract import enums

SECOND = dt.timedelta(seconds=1)


def test_the_numbers_are_the_contracts() -> None:
    contract = next(enum for enum in enums() if enum.name == "LinkTrouble")
    named = {
        value.name.removeprefix("LINK_TROUBLE_"): value.number
        for value in contract.values
        if value.number
    }
    assert named == {one.name: one.value for one in LinkTrouble}


@pytest.mark.parametrize(
    ("outcome", "reason", "trouble"),
    [
        (Outcome.CREDENTIAL_BAD, "InvalidProviderToken", LinkTrouble.CREDENTIALS),
        (Outcome.THROTTLED_PROJECT, "QUOTA_EXCEEDED", LinkTrouble.THROTTLED),
        (Outcome.PROVIDER_DOWN, "ServiceUnavailable", LinkTrouble.PROVIDER_ERROR),
        (Outcome.ANSWER_LOST, "no answer in time", LinkTrouble.TIMEOUT),
        (Outcome.ANSWER_LOST, "connection reset by peer", LinkTrouble.CONNECTION_LOST),
        (Outcome.NOT_SENT, "invalid peer certificate: UnknownIssuer", LinkTrouble.TLS),
    ],
)
def test_an_outcome_and_its_reason_are_sorted(
    outcome: Outcome, reason: str, trouble: LinkTrouble
) -> None:
    assert trouble_of(outcome, reason) is trouble


@pytest.mark.parametrize(
    ("host", "trouble"),
    [
        ("127.0.0.1:1", LinkTrouble.REFUSED),
        ("no-such-host.invalid:443", LinkTrouble.NAME_RESOLUTION),
    ],
)
async def test_the_transports_own_words_are_known(host: str, trouble: LinkTrouble) -> None:
    assert await failing(f"https://{host}") is trouble


async def test_a_certificate_that_nobody_trusts_is_trouble_of_tls(tmp_path: Path) -> None:
    authority = LocalAuthority(folder=tmp_path)
    authority.ensure(dt.datetime.now(dt.UTC))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(authority.certificate_file, authority.key_file)
    server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0, ssl=context)
    async with server:
        port = server.sockets[0].getsockname()[1]
        assert await failing(f"https://127.0.0.1:{port}") is LinkTrouble.TLS


async def failing(origin: str) -> LinkTrouble:
    """Return what the failure of a request to an origin says of the link."""
    transport = Transport(origin, deadline=10 * SECOND)
    try:
        fault = await transport.post("", b"", {})
    finally:
        await transport.close()
    assert isinstance(fault, NoAnswer)
    outcome = Outcome.NOT_SENT if fault.not_sent else Outcome.ANSWER_LOST
    return trouble_of(outcome, fault.reason)
