"""Everything that a run's scenarios play against, and what their driver steps do to it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from schoolbell import AsyncClient
from schoolbell_server.demo.settled import settled
from schoolbell_server.demo.stage import start_process
from tests.conformance.proxy import Mode, Proxy
from tests.conformance.relay import Failure, Relay
from tests.conformance.scenarios import BadScenario
from tests.conformance.server import Server
from tests.service.ports import free_port

_PATIENCE = 60.0  # seconds


@dataclass
class Environment:
    """The server with what stands before it."""

    server: Server
    proxy: Proxy
    relay: Relay

    def variables(self, folder: Path) -> dict[str, Any]:
        """Return the variables that do not depend on the district."""
        return {
            "server": self.server.target,
            "port": self.server.port,
            "proxy": f"localhost:{self.proxy.port}",
            "relay": f"localhost:{self.relay.port}",
            "ca_file": str(self.server.folder / "ca.pem"),
            "other_ca_file": str(self.server.folder / "other-ca.pem"),
            "certificate_file": str(self.server.folder / "client.pem"),
            "private_key_file": str(self.server.folder / "client.key"),
            "folder": str(folder),
        }

    async def restore(self) -> None:
        """Undo whatever a scenario did."""
        self.proxy.reset()
        self.relay.reset()
        await self.server.restore()

    async def do(self, op: str, arguments: Any, variables: dict[str, Any]) -> dict[str, Any]:
        """Do a step of the driver and return its answer."""
        async with asyncio.timeout(_PATIENCE):
            match op:
                case "server":
                    await self._server(arguments)
                case "proxy":
                    self.proxy.switch(Mode(arguments))
                case "relay":
                    self._relay(arguments)
                case "await":
                    await self._await(arguments, variables)
                case "inspect":
                    return {"ok": {"calls": list(self.relay.calls)}}
                case "write":
                    path = Path(variables["folder"]) / arguments["file"]
                    path.write_bytes(arguments["text"].encode(arguments.get("encoding", "utf-8")))
        return {"ok": {}}

    async def _server(self, what: str) -> None:
        server = self.server
        steps: dict[str, Callable[[], Awaitable[None]]] = {
            "start": server.start,
            "stop": server.stop,
            "restart": server.restart,
            "kill": server.kill,
            "rotate": server.rotate,
            "swap-authority": partial(server.use_authority, server.other_authority),
            "restore-authority": partial(server.use_authority, server.authority),
            "require-certificates": partial(server.want_certificates, True),
            "ignore-certificates": partial(server.want_certificates, False),
            "forget-positions": server.forget_positions,
            "expire-keys": server.expire_keys,
        }
        if what not in steps:
            raise BadScenario(f"the server cannot {what}")
        await steps[what]()

    def _relay(self, given: dict[str, Any]) -> None:
        ((what, fields),) = given.items()
        method = fields["method"]
        if what == "fail":
            rest = {key: value for key, value in fields.items() if key != "method"}
            self.relay.fail(method, Failure(**rest))
        elif what == "hold":
            self.relay.hold(method)
        else:
            self.relay.release(method)

    async def _await(self, given: dict[str, Any], variables: dict[str, Any]) -> None:
        ((what, argument),) = given.items()
        if what == "proxy_connections":
            await self.proxy.connections(argument)
        elif what == "relay_calls":
            await self.relay.arrived(argument["method"], argument["count"])
        else:
            async with AsyncClient(self.server.connection(variables["key_monitor"])) as monitor:
                await settled(monitor, variables["district"], _PATIENCE)


@asynccontextmanager
async def environment(folder: Path) -> AsyncIterator[Environment]:
    """Run the sandbox, the server, the proxy and the relay until the block ends."""
    async with AsyncExitStack() as stack:
        sandbox = folder / "sandbox"
        command = ["sandbox", "--dir", str(sandbox)]
        started = await start_process(stack, command, folder / "sandbox.log")
        facts = json.loads(await started.until(lambda: _read(sandbox / "sandbox.json")))
        server = Server(folder, free_port(), facts)
        stack.push_async_callback(server.stop)
        await server.start()
        proxy = await stack.enter_async_context(Proxy(server.port).serving())
        relay = await stack.enter_async_context(Relay(server.connection()).serving())
        yield Environment(server, proxy, relay)


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.exists() else ""
