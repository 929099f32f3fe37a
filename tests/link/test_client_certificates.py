"""A client certificate in place of a password: its common name is the user, and only its own."""

from __future__ import annotations

import asyncio
import datetime as dt
import ssl
import uuid
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import pytest
from aio_pika import Message
from aio_pika.exceptions import AMQPError

from schoolbell.v1 import delivery_pb2
from schoolbell_sandbox.certificates import Authority, CertificateFlaw, CertificatePem
from schoolbell_server.config.broker import BrokerConfig, LinkConfig
from schoolbell_server.config.topology import HUB_USER, lane_key
from schoolbell_server.demo.rabbitmq.broker import Broker
from schoolbell_server.gateways.common.trouble import BrokerTrouble, LinkTrouble
from schoolbell_server.link.broker import connect
from tests.link.enrolled import enroll, some_district
from tests.link.linked import linked
from tests.service.following import following
from tests.service.scene import STUDENT, phone, populate, publish, register, tasks

Config = TypeVar("Config", bound=BrokerConfig)
_BY_TLS = {LinkTrouble.TLS, LinkTrouble.CONNECTION_LOST}
"""With TLS 1.3 a broker refuses a certificate after the handshake: at times its alert is lost."""
HOUR = dt.timedelta(hours=1)
ACCEPTED = delivery_pb2.DELIVERY_STATE_ACCEPTED


async def test_a_district_and_its_hub_log_in_by_certificates_alone(
    tmp_path: Path, broker: Broker
) -> None:
    def certified(link: LinkConfig) -> LinkConfig:
        return _certified(link, tmp_path, broker.authority.named_client(link.user))

    async with linked(tmp_path, broker, started=False, adapt=certified) as link:
        pem = broker.authority.named_client(HUB_USER)
        at_broker = _certified(link.hub.config.broker, tmp_path, pem)
        link.hub.config = replace(link.hub.config, broker=at_broker)
        await link.hub.start()
        await populate(link.service)
        await register(link.service, phone(STUDENT))
        async with following(link.service) as followed:
            await publish(link.service, *tasks(1, 1))
            await followed.until_states(ACCEPTED)


async def test_a_certificate_is_its_owners_user_whatever_the_url_says(
    tmp_path: Path, broker: Broker
) -> None:
    own, other = some_district(), some_district()
    await enroll(broker, tmp_path, own)
    config = await enroll(broker, tmp_path, other)
    pem = broker.authority.named_client(own.user)
    async with await connect(_certified(config, tmp_path, pem)) as connection:
        channel = await connection.channel()
        exchange = await channel.get_exchange(own.exchange, ensure=False)
        await exchange.publish(Message(b"x"), lane_key(0), mandatory=True)
        channel = await connection.channel()
        exchange = await channel.get_exchange(other.exchange, ensure=False)
        with pytest.raises(AMQPError, match="ACCESS_REFUSED"):
            await exchange.publish(Message(b"x"), lane_key(0), mandatory=True)


@pytest.mark.parametrize(
    ("sign", "troubles"),
    [
        (lambda broker: broker.authority.named_client("nobody"), {LinkTrouble.CREDENTIALS}),
        (lambda _: Authority.create().named_client("district.x"), _BY_TLS),
        (lambda broker: broker.authority.named_client("district.x", -HOUR), _BY_TLS),
    ],
)
async def test_a_certificate_of_nobody_of_another_authority_or_expired_is_refused(
    tmp_path: Path,
    broker: Broker,
    sign: Callable[[Broker], CertificatePem],
    troubles: set[LinkTrouble],
) -> None:
    config = await enroll(broker, tmp_path, some_district())
    certified = _certified(config, tmp_path, sign(broker))
    with pytest.raises(BrokerTrouble) as refused:
        await connect(certified)
    assert refused.value.trouble in troubles


async def test_a_broker_whose_certificate_has_expired_is_told_as_tls(tmp_path: Path) -> None:
    authority = Authority.create()
    pem = authority.server(CertificateFlaw.EXPIRED)
    for name, data in (("pem", pem.certificate + pem.key), ("ca", authority.pem.certificate)):
        (tmp_path / name).write_bytes(data)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "pem")
    (tmp_path / "password").write_text("x", encoding="utf-8")
    listening = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0, ssl=context)
    async with listening:
        config = LinkConfig(
            url=f"amqps://district.x@localhost:{listening.sockets[0].getsockname()[1]}",
            password_file=tmp_path / "password",
            ca_file=tmp_path / "ca",
        )
        with pytest.raises(BrokerTrouble, match="CERTIFICATE_VERIFY_FAILED") as refused:
            await connect(config)
    assert refused.value.trouble is LinkTrouble.TLS


def _certified(config: Config, folder: Path, pem: CertificatePem) -> Config:
    """Return a configuration with a certificate in place of its password; files are in a folder."""
    name = str(uuid.uuid4())
    certificate, key = folder / f"{name}.pem", folder / f"{name}-key.pem"
    certificate.write_bytes(pem.certificate)
    key.write_bytes(pem.key)
    key.chmod(0o600)
    return replace(config, password_file=None, certificate_file=certificate, key_file=key)
