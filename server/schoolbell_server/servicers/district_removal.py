"""Delete a district with everything that is stored of it.

The district's own row goes first, in one transaction with the entry in the audit log of all
districts: from then on every call for the district is DISTRICT_NOT_FOUND. The rest follows in small
steps, so that nobody's write waits; a call that is repeated goes on where the first one stopped.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

from schoolbell.v1 import district_service_pb2 as messages
from schoolbell_server.rpc.caller import current_caller
from schoolbell_server.rpc.validation import Violations
from schoolbell_server.security.api_key import EVERY_DISTRICT
from schoolbell_storage.audit import append_audit
from schoolbell_storage.district_removal import count_records, drop_district, drop_records
from schoolbell_storage.engine import Storage

_STEP = 500  # rows in one transaction
_METHOD = "schoolbell.v1.DistrictService/DeleteDistrict"


class DistrictRemoval:
    """Deletes districts."""

    def __init__(
        self,
        storage: Storage,
        *,
        clock: Callable[[], dt.datetime],
        on_deleted: Callable[[], None],
    ) -> None:
        """`on_deleted` is called once a district is gone: what is known of keys may be stale."""
        self._storage = storage
        self._clock = clock
        self._on_deleted = on_deleted

    async def delete(
        self, request: messages.DeleteDistrictRequest
    ) -> messages.DeleteDistrictResponse:
        """Delete a district, or count what would be deleted."""
        violations, district_id = Violations(), request.district_id
        if request.confirm_district_id != district_id:
            violations.add("confirm_district_id", "must repeat the district_id")
        violations.refuse()
        if request.validate_only:
            async with self._storage.read() as connection:
                count = await count_records(connection, district_id)
            return messages.DeleteDistrictResponse(record_count=count)
        count = await self._close(district_id)
        rows = _STEP
        while rows:
            async with self._storage.write() as connection:
                rows = await drop_records(connection, district_id, _STEP)
            count += rows
        self._on_deleted()
        return messages.DeleteDistrictResponse(record_count=count)

    async def _close(self, district_id: str) -> int:
        """Delete the district's row, and write down who did; 0 if it is gone already."""
        async with self._storage.write() as connection:
            name = await drop_district(connection, district_id)
            if name is None:
                return 0
            await append_audit(
                connection,
                district_id=EVERY_DISTRICT,
                now=self._clock(),
                actor=current_caller().actor,
                action=_METHOD,
                changes=[(f"districts/{district_id}", {"display_name": name}, {})],
            )
        return 1
