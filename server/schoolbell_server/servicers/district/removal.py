"""Delete a district with everything that is stored of it.

The district's own row goes first, in one transaction with the entry in the audit log of all
districts: from then on every call for the district is DISTRICT_NOT_FOUND. The rest follows in small
steps, so that nobody's write waits; it goes on without its caller, and the janitor finishes what a
server left behind. Until nothing is left, no district of the same id can be created.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

from schoolbell.v1 import district_service_pb2 as messages
from schoolbell_server.rpc import field_reasons as reasons
from schoolbell_server.rpc.caller import current_caller
from schoolbell_server.rpc.validation import Violations
from schoolbell_server.security.api_key import EVERY_DISTRICT
from schoolbell_server.servicers.common.audit_trail import Trail
from schoolbell_server.servicers.common.unattended import Unattended
from schoolbell_storage.district_removal import (
    DELETE_DISTRICT,
    count_records,
    drop_district,
    drop_records,
)
from schoolbell_storage.engine import Storage

_STEP = 500  # rows in one transaction


class DistrictRemoval:
    """Deletes districts."""

    def __init__(
        self,
        storage: Storage,
        *,
        clock: Callable[[], dt.datetime],
        on_deleted: Callable[[], None],
        unattended: Unattended,
    ) -> None:
        """`on_deleted` is called once a district is gone: what is known of keys may be stale."""
        self._storage = storage
        self._clock = clock
        self._on_deleted = on_deleted
        self._unattended = unattended

    async def delete(
        self, request: messages.DeleteDistrictRequest
    ) -> messages.DeleteDistrictResponse:
        """Delete a district, or count what would be deleted."""
        violations, district_id = Violations(), request.district_id
        if request.confirm_district_id != district_id:
            violations.add(
                "confirm_district_id", "must repeat the district_id", reasons.INCONSISTENT
            )
        violations.refuse()
        if request.validate_only:
            async with self._storage.read() as connection:
                count = await count_records(connection, district_id)
        else:
            count = await self._unattended.run(
                self._delete(district_id), current_caller().key.key_id
            )
        return messages.DeleteDistrictResponse(record_count=count)

    async def _delete(self, district_id: str) -> int:
        trail = Trail(
            district_id=EVERY_DISTRICT,
            method=DELETE_DISTRICT,
            subject=f"districts/{district_id}",
            clock=self._clock,
        )
        count = await self._close(district_id, trail)
        self._on_deleted()
        rows = 1
        while rows:
            async with self._storage.write() as connection:
                rows = await drop_records(connection, district_id, _STEP)
                count += rows
                if not rows:
                    await trail.record(connection, records=count)
        self._on_deleted()
        return count

    async def _close(self, district_id: str, trail: Trail) -> int:
        """Delete the district's row, and write down who did; 0 if it is gone already."""
        async with self._storage.write() as connection:
            name = await drop_district(connection, district_id)
            if name is None:
                return 0
            trail.asked = {"display_name": name}
            await trail.record(connection, records=1)
        return 1
