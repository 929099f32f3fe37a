"""The parent of a server's processes: starts them, starts again what dies, and ends with all."""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress

from schoolbell_server.address import Address
from schoolbell_server.background.stopping import Stop, cancel_all
from schoolbell_server.observability.log import get_logger
from schoolbell_server.processes.gathered_metrics import ParentMetrics
from schoolbell_server.rpc.server import CannotListen

MOST = 64
_SHORTEST_PAUSE = 1.0  # seconds before a process that died is started again
_LONGEST_PAUSE = 30.0  # seconds, where it dies again and again
_SETTLED = 60.0  # seconds; who lived longer is started again after the shortest pause

_logger = get_logger(__name__)


class NeverServed(Exception):
    """A process ended before the server served; it has said why."""


@contextmanager
def held(address: Address) -> Iterator[Address]:
    """Keep a port for processes that share it; answer which, where the kernel chooses.

    It does not listen, so it gets no connections. CannotListen where it cannot be had.
    """
    holder = _bound(address)
    with holder:
        yield Address(address.host, holder.getsockname()[1])


def _bound(address: Address) -> socket.socket:
    try:
        found = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
        family, kind, _, _, where = found[0]
        holder = socket.socket(family, kind)
        try:
            holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            holder.bind(where)
        except OSError:
            holder.close()
            raise
    except OSError as error:
        raise CannotListen(f"cannot listen on {address}: {error.strerror}") from None
    return holder


class Parent:
    """Keeps so many processes alive until it is told to stop."""

    def __init__(self, count: int, address: Address, options: Sequence[str]) -> None:
        """`options` are those of `serve` that the processes get too."""
        self._command = (sys.executable, "-m", "schoolbell_server", "serve", *options)
        self._places = [_Place(number, address) for number in range(1, count + 1)]
        self._stop = Stop()
        self._serves = asyncio.Event()
        self.metrics = ParentMetrics(self._living)

    async def run(self, serves: Callable[[], None]) -> None:
        """Keep all alive until the stop, and tell once that all take calls.

        NeverServed where one ended before that.
        """
        try:
            async with asyncio.TaskGroup() as tasks:
                for place in self._places:
                    tasks.create_task(self._keep(place))
                for place in self._places:
                    await place.listens.wait()
                self._serves.set()
                if not self._stop.asked:
                    serves()
        except* NeverServed as several:
            raise NeverServed from several
        finally:
            for place in self._places:
                place.metrics.close()

    def stop(self) -> None:
        """Let all drain and end."""
        self._stop.ask()
        for place in self._places:
            place.terminate()

    async def _keep(self, place: _Place) -> None:
        """Fill a place again and again; who dies at once waits longer each time."""
        pause, clock = _SHORTEST_PAUSE, asyncio.get_running_loop().time
        while not self._stop.asked:
            began = clock()
            code = await place.live(self._command, self._stop)
            if self._stop.asked:
                place.listens.set()  # nobody waits for it any more
                return
            if not self._serves.is_set():
                raise NeverServed
            self.metrics.ended.inc()
            _logger.error("process ended", extra={"process_number": place.number, "code": code})
            await self._stop.pause(pause)
            settled = clock() - began > _SETTLED
            pause = _SHORTEST_PAUSE if settled else min(2 * pause, _LONGEST_PAUSE)

    def _living(self) -> Mapping[int, Address]:
        """Return where the processes that take calls serve their metrics, by number."""
        return {
            place.number: Address(*place.metrics.getsockname())
            for place in self._places
            if place.listens.is_set()
        }


class _Place:
    """The place of one process: who dies is followed by one of the same number."""

    def __init__(self, number: int, address: Address) -> None:
        self.number = number
        self._address = address
        self.listens = asyncio.Event()
        self.metrics = socket.create_server(("127.0.0.1", 0))
        self._process: asyncio.subprocess.Process | None = None

    async def live(self, command: Sequence[str], stop: Stop) -> int:
        """Run a process to its end; return its exit code, or minus the signal that killed it."""
        ours, theirs = socket.socketpair()
        with ours:
            with theirs:
                sockets = theirs.fileno(), self.metrics.fileno()
                self._process = await asyncio.create_subprocess_exec(
                    *command,
                    *("--child", ",".join(map(str, (self.number, self._address, *sockets)))),
                    stdin=asyncio.subprocess.DEVNULL,
                    pass_fds=sockets,
                )
            if stop.asked:  # it was not there yet when the others were told
                self.terminate()
            ours.setblocking(False)
            hearing = asyncio.create_task(self._hear(ours))
            try:
                return await self._process.wait()
            finally:
                self.terminate()
                await self._process.wait()
                await cancel_all([hearing])
                self.listens.clear()

    def terminate(self) -> None:
        """Ask the process, if there is one, to drain."""
        if self._process is not None:
            with suppress(ProcessLookupError):
                self._process.terminate()

    async def _hear(self, lifeline: socket.socket) -> None:
        if await asyncio.get_running_loop().sock_recv(lifeline, 1):
            self.listens.set()
