"""How large one import may be, and how long its caller may leave it waiting."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import AsyncIterator
from dataclasses import dataclass

from schoolbell.v1 import roster_service_pb2 as messages
from schoolbell.v1.error_reason_pb2 import ErrorReason
from schoolbell_server.rpc.errors import SchoolbellError

Parts = AsyncIterator[messages.ImportRosterRequest]


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportLimits:
    """What the parts of one import must stay within."""

    records: int = 5_000_000
    bytes: int = 2 * 2**30
    silence: dt.timedelta = dt.timedelta(minutes=1)
    """The longest time between two parts."""

    async def bounded(self, parts: Parts, import_id: str) -> Parts:
        """Return the parts as they come; IMPORT_INCOMPLETE, which names the limit, beyond one."""
        records = size = 0
        while True:
            try:
                async with asyncio.timeout(self.silence.total_seconds()):
                    part = await anext(parts)
            except StopAsyncIteration:
                return
            except TimeoutError:
                seconds = f"{self.silence.total_seconds():g} seconds"
                raise _beyond(
                    import_id, "limits.import_silence", seconds, "between two parts"
                ) from None
            records += len(part.records.records)
            size += part.ByteSize()
            if records > self.records:
                raise _beyond(import_id, "limits.import_records", str(self.records), "records")
            if size > self.bytes:
                raise _beyond(import_id, "limits.import_bytes", str(self.bytes), "bytes")
            yield part


DEFAULT_LIMITS = ImportLimits()


def _beyond(import_id: str, limit: str, most: str, what: str) -> SchoolbellError:
    return SchoolbellError(
        ErrorReason.ERROR_REASON_IMPORT_INCOMPLETE,
        f"nothing was applied: one import has at most {most} {what} ({limit})",
        metadata={"import_id": import_id, "limit": limit, "most": most},
    )
