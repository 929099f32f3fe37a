"""Districts, for operators."""

from __future__ import annotations

import datetime as dt
import secrets
from collections.abc import Callable, Collection
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from schoolbell.v1 import district_service_pb2 as messages
from schoolbell.v1.district_service_pb2_grpc import DistrictServiceServicer
from schoolbell.v1.error_reason_pb2 import ErrorReason
from schoolbell_server.contract.districts import SETTABLE, read_district, write_district
from schoolbell_server.rpc import field_reasons as reasons
from schoolbell_server.rpc.authentication import utc_now
from schoolbell_server.rpc.caller import current_caller
from schoolbell_server.rpc.errors import SchoolbellError
from schoolbell_server.rpc.validation import Violations
from schoolbell_server.security.api_key import EVERY_DISTRICT
from schoolbell_server.security.sealer import Sealer
from schoolbell_server.servicers.common.audit_trail import audit, changed_fields
from schoolbell_server.servicers.common.etags import etag, must_write
from schoolbell_server.servicers.common.masks import lay_over, masked_paths, only_within
from schoolbell_server.servicers.common.not_found import existing_district, no_district
from schoolbell_server.servicers.common.paging import read_page
from schoolbell_server.servicers.district.removal import DistrictRemoval
from schoolbell_storage.district_removal import has_records
from schoolbell_storage.districts import (
    DistrictRow,
    create_district,
    get_district,
    knows_balance,
    list_districts,
    update_district,
)
from schoolbell_storage.engine import Storage

_SERVICE = "schoolbell.v1.DistrictService"
_SECRET_BYTES = 32


class DistrictServicer(DistrictServiceServicer):
    """Create, read and change districts."""

    def __init__(
        self,
        storage: Storage,
        *,
        apps: Collection[str],
        sealer: Sealer,
        removal: DistrictRemoval,
        now: Callable[[], dt.datetime] = utc_now,
    ) -> None:
        self._storage = storage
        self._apps = apps
        self._sealer = sealer
        self._removal = removal
        self._now = now

    async def CreateDistrict(
        self, request: messages.CreateDistrictRequest, _context: Any
    ) -> messages.CreateDistrictResponse:
        """Create a district, switched off; the same again answers the same."""
        violations, now = _check_district(request), self._now()
        asked = read_district(
            request.district,
            "district.",
            _blank(request.district_id, now),
            self._apps,
            violations.add,
        )
        violations.refuse()
        secret = secrets.token_bytes(_SECRET_BYTES)
        sealed = self._sealer.seal(secret, asked.district_id.encode())
        async with self._storage.write() as connection:
            if await get_district(connection, asked.district_id) is None:
                await _check_gone(connection, asked.district_id)
            if await create_district(connection, asked, sealed):
                before, after = changed_fields(messages.District(), _message(asked), SETTABLE)
                await audit(
                    connection,
                    district_id=asked.district_id,
                    now=now,
                    action=f"{_SERVICE}/CreateDistrict",
                    changes=[("district", before, after)],
                )
            stored = await get_district(connection, asked.district_id)
        assert stored is not None
        if not _same(stored, asked):
            raise SchoolbellError(
                ErrorReason.ERROR_REASON_DISTRICT_EXISTS,
                "the district exists with other content",
                metadata={"district_id": asked.district_id},
            )
        return messages.CreateDistrictResponse(district=_message(stored))

    async def GetDistrict(
        self, request: messages.GetDistrictRequest, _context: Any
    ) -> messages.GetDistrictResponse:
        """Answer one district."""
        async with self._storage.read() as connection:
            stored = await existing_district(connection, request.district_id)
        return messages.GetDistrictResponse(district=_message(stored))

    async def ListDistricts(
        self, request: messages.ListDistrictsRequest, _context: Any
    ) -> messages.ListDistrictsResponse:
        """List the districts that the caller may read."""
        violations = Violations()
        page = read_page(request, (str,), violations)
        violations.refuse()
        only = current_caller().districts(request.district_id or EVERY_DISTRICT)
        async with self._storage.read() as connection:
            found = await list_districts(
                connection,
                page.after_id,
                page.limit,
                only,
            )
        shown, token = page.cut(found, lambda row: (row.district_id,))
        return messages.ListDistrictsResponse(
            districts=[_message(row) for row in shown], next_page_token=token
        )

    async def DeleteDistrict(
        self, request: messages.DeleteDistrictRequest, _context: Any
    ) -> messages.DeleteDistrictResponse:
        """Delete a district with everything that is stored of it."""
        return await self._removal.delete(request)

    async def UpdateDistrict(
        self, request: messages.UpdateDistrictRequest, _context: Any
    ) -> messages.UpdateDistrictResponse:
        """Change the masked fields of a district."""
        violations, now = _check_district(request), self._now()
        paths = masked_paths(request.update_mask, request.district, SETTABLE, violations)
        violations.refuse()
        async with self._storage.write() as connection:
            known = await get_district(connection, request.district_id, lock=True)
            before = known or _blank(request.district_id, now)
            merged = lay_over(_message(before), request.district, paths)
            report = only_within(paths, "district.", violations)
            asked = read_district(merged, "district.", before, self._apps, report)
            violations.refuse()
            if known is None:
                raise no_district(request.district_id)
            if must_write(
                changes=not _same(known, asked),
                asked=request.district.etag,
                present=_message(known).etag,
            ):
                if asked.currency_code != known.currency_code:
                    await self._check_currency(connection, known)
                old, new = changed_fields(_message(known), _message(asked), SETTABLE)
                known = await update_district(connection, asked, now)
                await audit(
                    connection,
                    district_id=request.district_id,
                    now=now,
                    action=f"{_SERVICE}/UpdateDistrict",
                    changes=[("district", old, new)],
                )
        return messages.UpdateDistrictResponse(district=_message(known))

    async def _check_currency(self, connection: Any, known: DistrictRow) -> None:
        if await knows_balance(connection, known.district_id):
            raise SchoolbellError(
                ErrorReason.ERROR_REASON_CURRENCY_IN_USE,
                f"a lunch balance is known in {known.currency_code}",
                metadata={"currency_code": known.currency_code},
            )


async def _check_gone(connection: AsyncConnection, district_id: str) -> None:
    """Check that nothing is left of a district of the same id that was deleted."""
    if await has_records(connection, district_id):
        raise SchoolbellError(
            ErrorReason.ERROR_REASON_DISTRICT_EXISTS,
            "a district of this id is being deleted; call again when nothing is left of it",
            metadata={"district_id": district_id},
        )


def _check_district(
    request: messages.CreateDistrictRequest | messages.UpdateDistrictRequest,
) -> Violations:
    violations = Violations()
    violations.required(request, "district")
    if request.district.district_id not in ("", request.district_id):
        violations.add(
            "district.district_id",
            "must be empty or the same as the request's",
            reasons.INCONSISTENT,
        )
    return violations


def _blank(district_id: str, now: dt.datetime) -> DistrictRow:
    return DistrictRow(
        district_id=district_id,
        display_name="",
        time_zone="",
        locale="",
        currency_code="",
        licensed_kinds=frozenset(),
        app_ids=(),
        active_school_year=None,
        version=1,
        create_time=now,
    )


def _message(row: DistrictRow) -> messages.District:
    return write_district(row, etag(f"districts/{row.district_id}", row.version))


def _same(stored: DistrictRow, asked: DistrictRow) -> bool:
    """Tell whether two rows agree in what a caller sets."""
    return all(getattr(stored, name) == getattr(asked, name) for name in SETTABLE)
