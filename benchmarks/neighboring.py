"""A neighbor's unary calls, idle and while another publisher streams large batches."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

from benchmarks.results import Figure, Result
from benchmarks.service import Bench, Service, service
from schoolbell_server.demo.stage import DISTRICT
from schoolbell_server.domain.kinds import Kind
from schoolbell_server.rpc.authentication import utc_now
from schoolbell_server.security.api_key import Role, new_api_key
from schoolbell_server.security.key_store import row_of
from schoolbell_storage.keys import insert_key

_BATCH = 250  # changes
_TIMES = 3
"""The target: of the idle latency."""


async def measure(bench: Bench) -> Result:
    """Call every 20 ms, first alone, then while somebody else publishes as fast as it is taken."""
    async with service(bench, held=[Kind.GRADE]) as on:
        key, credential = new_api_key(district_ids=[DISTRICT], role=Role.PUBLISHER)
        async with on.storage.write() as connection:
            await insert_key(connection, row_of(key, utc_now(), "neighbor", ""))
        await on.load("unary", name="warm", at_once=1, seconds=1.0)
        idle = await _call(on, credential, bench.seconds / 2)
        stream = on.load("stream", name="bulk", batch=_BATCH, seconds=bench.seconds + 2)
        streaming = asyncio.create_task(stream)
        await asyncio.sleep(2)
        beside = await _call(on, credential, bench.seconds)
        bulk = await streaming
    what = f"A neighbor's unary call while batches of {_BATCH} are streamed, p95"
    figures = [
        Figure(what="A neighbor's unary call, idle, p95", value=idle["p95"] * 1e3, unit="ms"),
        Figure(what=what, value=beside["p95"] * 1e3, unit="ms", target=_TIMES * idle["p95"] * 1e3),
    ]
    notes = [
        f"p50 {idle['p50'] * 1e3:,.1f} ms idle, {beside['p50'] * 1e3:,.1f} ms beside the stream, "
        f"worst {beside['worst'] * 1e3:,.0f} ms, {beside['failed']} of {beside['calls']} calls "
        f"failed; the stream made {bulk['changes'] / bulk['seconds']:,.0f} changes/s."
    ]
    return Result(figures=figures, notes=notes)


async def _call(on: Service, credential: str, seconds: float) -> dict[str, Any]:
    """Run the neighbor as a process of its own."""
    job = on.job("neighbor", neighbor=credential, seconds=seconds)
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "benchmarks.abuse.neighbor",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        output, _ = await process.communicate(json.dumps(job).encode())
    except asyncio.CancelledError:
        process.kill()
        raise
    found: dict[str, Any] = json.loads(output)
    return found
