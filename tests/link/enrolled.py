"""Districts and hubs on the broker of a test, with the credentials that enrolling gives them."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from schoolbell_server.address import is_loopback
from schoolbell_server.config.broker import BrokerConfig, LinkConfig
from schoolbell_server.config.secret import Secret
from schoolbell_server.config.topology import HUB_USER, DistrictTopology
from schoolbell_server.demo.rabbitmq.broker import Broker
from schoolbell_server.hub.enrollment import Enrollment
from schoolbell_server.hub.management import Management, ManagementFailed, management
from schoolbell_server.link.login import Login


@asynccontextmanager
async def administrator(broker: Broker) -> AsyncIterator[Management]:
    """Open calls of the broker's administrator."""
    password = Secret(broker.password)
    url = broker.management_url
    async with management(url, broker.administrator, password, broker.ca_file) as opened:
        yield opened


def some_district() -> DistrictTopology:
    """Return a district that no other test has."""
    return DistrictTopology(f"district-{uuid.uuid4().hex[:12]}")


async def enroll(broker: Broker, folder: Path, district: DistrictTopology) -> LinkConfig:
    """Enroll a district and return its configuration; its password is in a folder."""
    async with administrator(broker) as opened:
        enrollment = Enrollment(opened)
        await enrollment.set_up()
        login = await enrollment.enroll(district)
    file = folder / f"{district.user}.password"
    file.write_text(login.line, encoding="utf-8")
    return LinkConfig(
        url=f"amqps://{district.user}@{broker.host}:{broker.ports.amqps}",
        password_file=file,
        ca_file=broker.ca_file,
        server_name=_server_name(broker),
    )


async def remove(broker: Broker, district: DistrictTopology) -> None:
    """Remove a district, so that later hubs have nothing to do with it.

    A broker that a test has just killed or frozen may not be able to: then they have.
    """
    with suppress(ManagementFailed):
        async with administrator(broker) as opened:
            await Enrollment(opened).remove(district, discard=True)


async def hub(broker: Broker, folder: Path) -> BrokerConfig:
    """Prepare the broker and return a hub's configuration, with a password of this test's own."""
    async with administrator(broker) as opened:
        login = await Enrollment(opened).set_up()
        password = Secret("a hub of tests")
        body = {"password": password.reveal(), "tags": ""}
        await opened.put("users", login.user, body=body)
    file = folder / "hub.password"
    file.write_text(Login(login.user, password).line, encoding="utf-8")
    return BrokerConfig(
        url=f"amqps://{HUB_USER}@{broker.host}:{broker.ports.amqps}",
        password_file=file,
        ca_file=broker.ca_file,
        server_name=_server_name(broker),
    )


def _server_name(broker: Broker) -> str:
    """Return the name that the broker's certificate has, where it is not its address."""
    return "" if is_loopback(broker.host) else "localhost"
