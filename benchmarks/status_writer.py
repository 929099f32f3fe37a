"""A process that writes status transactions as a server does, with several at once.

`python -m benchmarks.status_writer URL WRITERS SECONDS` answers with a JSON: how many it made.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import sys
import time

from schoolbell_storage import status_log
from schoolbell_storage.engine import Storage, open_storage

_UPDATES = b"\x0a" * 300
"""About as many bytes as one delivery's snapshot has; nobody reads them."""


async def _write(storage: Storage, district_id: str, end: float) -> int:
    count = 0
    while time.perf_counter() < end:
        async with storage.write() as connection:
            await status_log.append(connection, dt.datetime.now(dt.UTC), {district_id: _UPDATES})
        count += 1
    return count


async def _run(url: str, writers: int, seconds: float) -> None:
    storage = open_storage(url, pool_size=writers)
    try:
        end = time.perf_counter() + seconds
        counts = await asyncio.gather(
            *(_write(storage, f"district {number}", end) for number in range(writers))
        )
        print(json.dumps({"transactions": sum(counts)}))
    finally:
        await storage.close()


if __name__ == "__main__":
    asyncio.run(_run(sys.argv[1], int(sys.argv[2]), float(sys.argv[3])))
