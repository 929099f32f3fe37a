"""What phones send back: each push is fetched and answered with a receipt.

In generic mode a push says nothing, so its app fetches the text, and says that it was shown.
"""

from __future__ import annotations

import time

from sqlalchemy import select

from benchmarks.accepting import BATCH
from benchmarks.cost import Cost
from benchmarks.results import Figure, Result
from benchmarks.service import Bench, Service, service
from schoolbell_server.domain.kinds import DeliveryState
from schoolbell_storage.tables import delivery

_AT_ONCE = 64
_TARGET = 2_500
_PARTS = {
    "`GetNotification`": {"fetch": True, "report": False},
    "`ReportReceipts`, one each": {"fetch": False, "report": True},
    "Fetched and reported": {"fetch": True, "report": True},
}


async def measure(bench: Bench) -> Result:
    """Send as fast as the service does, then fetch a part of it, report a part, and do both."""
    async with service(bench) as on:
        began = time.perf_counter()
        found = await on.load("stream", name="bench", batch=BATCH, seconds=bench.seconds)
        await on.settled()
        seconds = time.perf_counter() - began
        sent = await _accepted(on)
        figures, notes = [], [f"{found['changes']:,} changes, {len(sent) / seconds:,.0f} sends/s."]
        for place, (what, does) in enumerate(_PARTS.items()):
            own = sent[place :: len(_PARTS)]
            before = Cost.now(on)
            ended = await on.load("phones", deliveries=own, at_once=_AT_ONCE, **does)
            notes.append(f"{what}: {before.since(len(own), 'a push', ended['cpu'])}")
            rate = len(own) / ended["seconds"]
            figures.append(
                Figure(
                    what=f"{what}, {_AT_ONCE} at once",
                    value=rate,
                    unit="/s",
                    target=_TARGET,
                    bare=("sends of the same run", len(sent) / seconds),
                )
            )
    return Result(figures=figures, notes=notes)


async def _accepted(on: Service) -> list[tuple[str, str]]:
    """Return (delivery_id, user_id) of what providers took."""
    taken = select(delivery.c.delivery_id, delivery.c.user_id).where(
        delivery.c.state == int(DeliveryState.ACCEPTED)
    )
    async with on.storage.read() as connection:
        return [(str(one), str(user)) for one, user in await connection.execute(taken)]
