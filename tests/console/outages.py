"""What the tests do to the server of the running district: let it hang, and kill it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import psutil

from tests.console.world import World, until

_PATIENCE = 60.0  # seconds


@contextmanager
def stopped(world: World) -> Iterator[None]:
    """Stop the server's process, as a machine that hangs does, while the context lasts."""
    server = _server(world)
    os.kill(server.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(server.pid, signal.SIGCONT)


@contextmanager
def killed(world: World) -> Iterator[None]:
    """Kill the server; after the context another one is at the same place, until the world ends."""
    config = world.stage.folder / "schoolbell.toml"
    server = _server(world)
    os.kill(server.pid, signal.SIGKILL)
    until(lambda: not psutil.pid_exists(server.pid))
    try:
        yield
    finally:
        lines = config.read_text(encoding="utf-8").splitlines()
        listen = f'listen = "127.0.0.1:{world.stage.port}"'  # it may have been any that was free
        config.write_text(
            "\n".join(listen if line.startswith("listen = ") else line for line in lines) + "\n",
            encoding="utf-8",
        )
        world.stack.enter_context(_serving_again(world))


@contextmanager
def _serving_again(world: World) -> Iterator[None]:
    folder, command = world.stage.folder, [sys.executable, "-m", "schoolbell_server"]
    with (folder / "server-again.log").open("wb") as log:
        server = subprocess.Popen(
            [*command, "serve", "--config", str(folder / "schoolbell.toml")],
            stdout=log,
            stderr=log,
        )
    try:
        yield
    finally:
        server.terminate()
        server.wait(_PATIENCE)


def _server(world: World) -> psutil.Process:
    config = str(world.stage.folder / "schoolbell.toml")
    children = psutil.Process().children(recursive=True)
    (server,) = [one for one in children if "serve" in one.cmdline() and config in one.cmdline()]
    return server
