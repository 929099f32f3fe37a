"""Run the attacks against a server of this checkout and print what they cost the others."""

from __future__ import annotations

import asyncio
import json
import resource
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import click

from benchmarks.abuse.attacks import ATTACKS
from benchmarks.databases import SQLITE
from benchmarks.machine import describe, resident
from benchmarks.service import Bench, Service, service
from schoolbell_server.demo.stage import DISTRICT
from schoolbell_server.domain.kinds import Kind
from schoolbell_server.rpc.authentication import utc_now
from schoolbell_server.security.api_key import Role, new_api_key
from schoolbell_server.security.key_store import row_of
from schoolbell_storage.keys import insert_key

_SOFT = 1_024  # files that a process may have open where nobody raised the limit
_REST = 2.0  # seconds between two attacks
_LOOK = 0.05  # seconds between two looks at the memory
_HEAD = ("attack", "p50 ms", "p95 ms", "worst ms", "failed", "server MiB", "what it got through")


@click.command()
@click.argument("attacks", nargs=-1)
@click.option("--seconds", default=8.0, help="How long an attack lasts.")
@click.option("--changes", default=60_000, help="Changes that are stored before the attacks.")
def main(attacks: Sequence[str], seconds: float, changes: int) -> None:
    """Run ATTACKS, or all of them, one after the other."""
    if unknown := set(attacks) - set(ATTACKS):
        raise click.BadParameter(f"no such attack: {', '.join(sorted(unknown))}")
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    click.echo(f"{describe()}; {changes:,} changes, {seconds:g} s an attack", err=True)
    rows = asyncio.run(_run(attacks or tuple(ATTACKS), seconds, changes, hard))
    for row in (_HEAD, ("---",) * len(_HEAD), *rows):
        click.echo(f"| {' | '.join(row)} |")


async def _run(
    attacks: Sequence[str], seconds: float, changes: int, hard: int
) -> list[tuple[str, ...]]:
    resource.setrlimit(resource.RLIMIT_NOFILE, (_SOFT, hard))  # which the server inherits
    async with service(Bench(database=SQLITE, students=2_000), held=(Kind.GRADE,)) as on:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        neighbor, credential = new_api_key(district_ids=[DISTRICT], role=Role.PUBLISHER)
        async with on.storage.write() as connection:
            await insert_key(connection, row_of(neighbor, utc_now(), "abuse", ""))
        if changes:
            await on.load("stream", name="stored", changes=changes, batch=500)
        about = {
            "port": on.port,
            "ca": (on.folder / "data" / "tls" / "ca.pem").read_text(),
            "students": on.bench.students,
            "seconds": seconds,
            "publisher": on.credentials[Role.PUBLISHER],
            "monitor": on.credentials[Role.MONITOR],
            "neighbor": credential,
        }
        rows = [await _row(on, "nothing", about)]
        for name in attacks:
            await asyncio.sleep(_REST)
            rows.append(await _row(on, name, about))
            click.echo(" | ".join(rows[-1]), err=True)
        return rows


async def _row(on: Service, attack: str, about: Mapping[str, Any]) -> tuple[str, ...]:
    """Attack while the neighbor publishes; return a row of the table."""
    job = {**about, "kind": attack}
    memory = _Memory(on.pids["server"])
    watching = asyncio.create_task(memory.watch())
    calls = [_process("benchmarks.abuse.neighbor", job)]
    if attack != "nothing":
        calls.append(_process("benchmarks.abuse.attacks", job))
    found, *told = await asyncio.gather(*calls)
    watching.cancel()
    return (
        attack.replace("_", " "),
        *(f"{found[name] * 1000:,.0f}" for name in ("p50", "p95", "worst")),
        f"{found['failed']} of {found['calls']}",
        f"{memory.first / 2**20:,.0f} to {memory.most / 2**20:,.0f}",
        told[0]["told"] if told else "",
    )


class _Memory:
    """What a process's memory was at first and at most, in bytes."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self.first = self.most = resident(pid)

    async def watch(self) -> None:
        """Look at it until cancelled."""
        while True:
            await asyncio.sleep(_LOOK)
            self.most = max(self.most, resident(self._pid))


async def _process(module: str, job: Mapping[str, Any]) -> Any:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        module,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        output, _ = await process.communicate(json.dumps(job).encode())
    except asyncio.CancelledError:
        process.kill()
        raise
    if process.returncode:
        raise RuntimeError(f"{module} ended with {process.returncode}")
    return json.loads(output)


if __name__ == "__main__":
    main()
