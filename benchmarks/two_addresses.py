"""Send to a provider whose name has two addresses, one of them dead; not part of the tests.

Run with `python -m benchmarks.two_addresses`, on Linux. The HTTP client asks the system's resolver
and cannot be handed addresses, so this runs in a mount namespace of its own, whose `/etc/hosts`
gives `localhost` two of them; that takes `unshare` and the right to use it.
"""

from __future__ import annotations

import asyncio
import os
import shlex
import socket
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from schoolbell_server.domain.kinds import Platform
from tests.faults.sending import Sending, outcomes, sending

DEAD, LIVE = "127.0.0.1", "127.0.0.2"  # in the order in which the resolver sorts them
PUSHES = 200


@contextmanager
def _silent(port: int) -> Iterator[None]:
    """Let the dead address drop connections: a port whose queue is full answers no SYN."""
    with socket.socket() as server:
        server.bind((DEAD, port))
        server.listen(0)
        waiting = [socket.socket() for _ in range(4)]
        for one in waiting:
            one.setblocking(False)
            one.connect_ex((DEAD, port))
        yield
        for one in waiting:
            one.close()


async def _send(it: Sending) -> str:
    start = time.monotonic()
    results = await it.send(PUSHES)
    counts = ", ".join(f"{count} {name.name}" for name, count in outcomes(results).items())
    return f"{counts}, {time.monotonic() - start:.1f} s"


async def _measure() -> None:
    addresses = {entry[4][0] for entry in socket.getaddrinfo("localhost", 1)}
    print(f"localhost is {sorted(map(str, addresses))}; the sandbox is at {LIVE}")
    for platform in (Platform.IOS, Platform.ANDROID):
        for dead in ("refuses", "says nothing"):
            with tempfile.TemporaryDirectory() as folder:
                async with sending(platform, Path(folder), host=LIVE) as it:
                    account = it.folder / "service-account.json"
                    account.write_text(account.read_text().replace(LIVE, "localhost"))
                    if dead == "refuses":
                        answer = await _send(it)
                    else:
                        with _silent(it.listener.port):
                            answer = await _send(it)
            print(f"{platform.name}, the other {dead}: {answer}")


def main() -> None:
    """Make the namespace, and measure in it."""
    if os.environ.get("TWO_ADDRESSES"):
        asyncio.run(_measure())
        return
    with tempfile.NamedTemporaryFile("w", suffix="-hosts") as hosts:
        hosts.write(f"{DEAD} localhost\n{LIVE} localhost\n")
        hosts.flush()
        inside = f"mount --bind {hosts.name} /etc/hosts && exec {shlex.quote(sys.executable)}"
        command = ["unshare", "-Urm", "sh", "-c", f"{inside} -m benchmarks.two_addresses"]
        raise SystemExit(
            os.spawnvpe(os.P_WAIT, "unshare", command, {**os.environ, "TWO_ADDRESSES": "1"})
        )


if __name__ == "__main__":
    main()
