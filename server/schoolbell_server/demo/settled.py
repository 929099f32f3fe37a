"""Wait until every delivery has its outcome."""

from __future__ import annotations

import asyncio

from schoolbell import AsyncClient
from schoolbell.v1 import delivery_pb2, status_service_pb2
from schoolbell_server.demo.stage import DISTRICT

_LOOK_AGAIN = 0.25  # seconds
_PATIENCE = 600.0  # seconds
_UNDER_WAY = frozenset(
    {
        delivery_pb2.DELIVERY_STATE_PENDING,
        delivery_pb2.DELIVERY_STATE_HELD,
        delivery_pb2.DELIVERY_STATE_SENDING,
    }
)


async def settled(
    client: AsyncClient, district_id: str = DISTRICT, patience: float = _PATIENCE
) -> list[status_service_pb2.Tally]:
    """Wait, at most for `patience` seconds, until no delivery waits; return the tallies."""
    request = status_service_pb2.GetTalliesRequest(district_id=district_id)
    async with asyncio.timeout(patience):
        while True:
            tallies = (await client.status.GetTallies(request)).tallies
            if not any(one.state in _UNDER_WAY for tally in tallies for one in tally.deliveries):
                return list(tallies)
            await asyncio.sleep(_LOOK_AGAIN)
