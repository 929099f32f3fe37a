"""Write what a transaction changed into the status log, as its last act."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncConnection

from schoolbell.v1 import change_pb2
from schoolbell_server.contract.updates import write_updates
from schoolbell_server.domain.delivery import Delivery
from schoolbell_storage import status_log


async def record(
    connection: AsyncConnection,
    now: dt.datetime,
    deliveries: Sequence[Delivery],
    changes: Sequence[change_pb2.ChangeSummary] = (),
) -> None:
    """Take the next revision and log these snapshots under it; nothing may be locked after it."""
    if deliveries or changes:
        await status_log.append(connection, now, write_updates(deliveries, changes))
