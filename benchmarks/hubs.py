"""Hubs as processes of their own, at a broker."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path

from schoolbell_server.demo import stage
from schoolbell_server.demo.rabbitmq.broker import Broker
from schoolbell_server.link.login import Login


async def start_hub(
    stack: AsyncExitStack,
    broker: Broker,
    login: Login,
    folder: Path,
    number: int,
    ledger: str,
    accounts: Sequence[str],
) -> int:
    """Start a hub until the stack ends, wait until it reaches the broker, and return its process.

    `ledger` is a PostgreSQL's URL, or empty; `accounts` are the lines about its apps.
    """
    file, log = folder / f"hub-{number}.toml", folder / f"hub-{number}.log"
    lines = [*_lines(broker, login, folder / f"data-{number}", ledger), *accounts]
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    one = await stage.start_process(stack, ["hub", "--config", str(file)], log)
    await one.until(partial(_reached, log))
    return one.process.pid


def at_broker(table: str, broker: Broker, login: Login, password: Path) -> list[str]:
    """Return the lines of a table about the broker, and write the password."""
    password.write_text(login.line, encoding="utf-8")
    return [
        f"[{table}]",
        f'url = "amqps://{login.user}@localhost:{broker.ports.amqps}"',
        f"password_file = {json.dumps(str(password))}",
        f"ca_file = {json.dumps(str(broker.ca_file))}",
    ]


def _lines(broker: Broker, login: Login, data: Path, ledger: str) -> list[str]:
    return [
        *at_broker("broker", broker, login, data.with_suffix(".password")),
        "[hub]",
        'listen = "127.0.0.1:0"',
        "plaintext = true",
        f"data_dir = {json.dumps(str(data))}",
        "[storage]",
        f"url = {json.dumps(ledger)}",
    ]


def _reached(log: Path) -> str:
    """Return what a hub says once it has reached the broker; nothing before."""
    return "reached" if "broker reached" in log.read_text(encoding="utf-8") else ""
