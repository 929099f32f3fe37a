"""How large one import may be, and how long its caller may leave it waiting."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from schoolbell.v1 import roster_service_pb2 as messages
from schoolbell.v1.error_reason_pb2 import ErrorReason
from schoolbell_server.config import LimitsConfig
from schoolbell_server.rpc.errors import SchoolbellError

Parts = AsyncIterator[messages.ImportRosterRequest]


DEFAULT_LIMITS = LimitsConfig()


async def bounded(parts: Parts, limits: LimitsConfig, import_id: str) -> Parts:
    """Return the parts as they come; IMPORT_INCOMPLETE, which names the limit, beyond one."""
    records = size = 0
    silence = limits.import_silence.total_seconds()
    while True:
        try:
            async with asyncio.timeout(silence):
                part = await anext(parts)
        except StopAsyncIteration:
            return
        except TimeoutError:
            text = f"{silence:g} seconds"
            raise _beyond(import_id, "import_silence", text, "between two parts") from None
        records += len(part.records.records)
        size += part.ByteSize()
        if records > limits.import_records:
            raise _beyond(import_id, "import_records", str(limits.import_records), "records")
        if size > limits.import_bytes:
            raise _beyond(import_id, "import_bytes", str(limits.import_bytes), "bytes")
        yield part


def _beyond(import_id: str, limit: str, most: str, what: str) -> SchoolbellError:
    return SchoolbellError(
        ErrorReason.ERROR_REASON_IMPORT_INCOMPLETE,
        f"nothing was applied: one import has at most {most} {what} (limits.{limit})",
        metadata={"import_id": import_id, "limit": f"limits.{limit}", "most": most},
    )
