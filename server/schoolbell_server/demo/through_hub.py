"""The demonstration through a hub: a broker of its own, a hub with the accounts, and a link."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path

from schoolbell_server.config.secret import Secret
from schoolbell_server.config.topology import HUB_USER, DistrictTopology
from schoolbell_server.demo.rabbitmq.broker import Broker, BrokerEnded
from schoolbell_server.demo.rabbitmq.program import RabbitMQMissing
from schoolbell_server.demo.stage import APPS, ProcessEnded, start_process
from schoolbell_server.hub.enrollment import Enrollment
from schoolbell_server.hub.management import management
from schoolbell_server.link.login import Login
from schoolbell_server.security.sealing import HubKeys
from schoolbell_server.security.secret_file import write_secret

DISTRICT = DistrictTopology("sample-district")


async def start_hub(stack: AsyncExitStack, folder: Path, accounts: Sequence[str]) -> list[str]:
    """Start a broker and a hub with these accounts; return the lines of a server's [link]."""
    broker = Broker(folder / "broker")
    stack.push_async_callback(asyncio.to_thread, broker.kill)
    try:
        await asyncio.to_thread(broker.start)
    except (BrokerEnded, RabbitMQMissing) as error:
        raise ProcessEnded(str(error)) from None
    hub, district = await _enroll(broker)
    config, data_dir = folder / "hub.toml", folder / "hub"
    lines = [
        "[hub]",
        'listen = "127.0.0.1:0"',
        "plaintext = true",
        f"data_dir = {json.dumps(str(data_dir))}",
        "[broker]",
        *_at(broker, HUB_USER, hub, folder),
        *accounts,
    ]
    config.write_text("\n".join(lines) + "\n", encoding="utf-8")
    started = await start_process(stack, ["hub", "--config", str(config)], folder / "hub.log")
    await started.until(started.listening)
    return [
        "[link]",
        *_at(broker, DISTRICT.user, district, folder),
        'payload = "sealed"',
        f'hub_key = "{HubKeys(data_dir / "keys").public_key}"',
        *(
            line
            for app_id, kind in APPS.items()
            for line in (
                f"[apps.{app_id}]",
                f'kind = "{kind}"',
                'platforms = ["ios", "android"]',
            )
        ),
    ]


async def _enroll(broker: Broker) -> tuple[Login, Login]:
    """Return the logins of the hub and of the district."""
    password = Secret(broker.password)
    async with management(
        broker.management_url, broker.administrator, password, broker.ca_file
    ) as opened:
        enrollment = Enrollment(opened)
        return await enrollment.set_up(), await enrollment.enroll(DISTRICT)


def _at(broker: Broker, user: str, login: Login, folder: Path) -> list[str]:
    """Return the lines of a table about the broker, and write the password beside."""
    file = folder / f"{user}.password"
    write_secret(file, f"{login.line}\n".encode())
    return [
        f'url = "amqps://{user}@localhost:{broker.ports.amqps}"',
        f"password_file = {json.dumps(str(file))}",
        f"ca_file = {json.dumps(str(broker.ca_file))}",
    ]
