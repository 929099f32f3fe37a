"""Faults of a whole port or connection: cut, silent, refusing, badly certified."""

from __future__ import annotations

import asyncio
import ssl

import pytest

from schoolbell_sandbox.certificates import CertificateFlaw
from schoolbell_sandbox.listener import PortMode
from tests.service.sandbox.wire import (
    ALERT,
    TOKEN,
    access_token,
    apns_headers,
    ask_token,
    assertion,
    push,
    sandbox,
    to_apns,
    to_fcm,
)


async def test_all_connections_can_be_cut() -> None:
    async with sandbox() as box, to_apns(box) as wire, to_apns(box) as other:
        await push(wire)
        await push(other)
        box.apns_listener.cut()
        await wire.until_closed()
        await other.until_closed()


@pytest.mark.parametrize("flaw", [flaw for flaw in CertificateFlaw if flaw])
async def test_a_flawed_certificate_is_shown_and_replaced(flaw: CertificateFlaw) -> None:
    async with sandbox() as box:
        box.apns_listener.use_certificate(flaw)
        with pytest.raises(ssl.SSLCertVerificationError):
            async with to_apns(box):
                pass
        box.apns_listener.use_certificate()
        async with to_apns(box) as wire:
            assert (await push(wire)).status == 200


async def test_tls_1_1_only_fails_every_client_of_today() -> None:
    async with sandbox() as box:
        box.fcm_listener.offer_tls_1_1(True)
        with pytest.raises((ssl.SSLError, ConnectionError)):
            async with to_fcm(box):
                pass
        box.fcm_listener.offer_tls_1_1(False)
        async with to_fcm(box) as wire:
            assert (await ask_token(wire, assertion(box.service_account))).status == 200


async def test_a_port_may_refuse_and_come_back() -> None:
    async with sandbox() as box:
        port = box.apns_port
        await box.apns_listener.set_mode(PortMode.REFUSING)
        with pytest.raises(ConnectionRefusedError):
            async with to_apns(box):
                pass
        await box.apns_listener.set_mode(PortMode.SERVING)
        assert box.apns_port == port
        async with to_apns(box) as wire:
            assert (await push(wire)).status == 200


async def test_a_port_may_accept_and_say_nothing() -> None:
    async with sandbox() as box:
        await box.apns_listener.set_mode(PortMode.SILENT)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2), to_apns(box):
                pass
        await box.apns_listener.set_mode(PortMode.SILENT_TLS)
        async with to_apns(box) as wire:
            wire.send(f"/3/device/{TOKEN}", apns_headers(), ALERT)
            async with to_fcm(box) as other:
                assert await access_token(other, box)
            assert (wire.settings, wire.closed) == ([], False)
