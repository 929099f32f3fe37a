"""Set, lift and list bars: who may see nothing of a student."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

from sqlalchemy.ext.asyncio import AsyncConnection

from schoolbell.v1 import roster_service_pb2 as messages
from schoolbell.v1.error_reason_pb2 import ErrorReason
from schoolbell_server.contract.fields import read_id
from schoolbell_server.contract.roster_answers import write_bar
from schoolbell_server.rpc import field_reasons as reasons
from schoolbell_server.rpc.caller import current_caller
from schoolbell_server.rpc.errors import SchoolbellError
from schoolbell_server.rpc.validation import REQUIRED, Violations
from schoolbell_server.security.api_key import Role
from schoolbell_server.servicers.common.audit_trail import audit
from schoolbell_server.servicers.common.not_found import existing_district, no_student, no_user
from schoolbell_server.servicers.common.paging import read_page
from schoolbell_storage import bars
from schoolbell_storage.districts import move_roster
from schoolbell_storage.engine import Storage
from schoolbell_storage.roster import known_users

SET_BAR = "schoolbell.v1.RosterService/SetBar"


class Bars:
    """The district's bars, and those of sources that no longer deliver."""

    def __init__(self, storage: Storage, now: Callable[[], dt.datetime]) -> None:
        self._storage = storage
        self._now = now

    async def set(self, request: messages.SetBarRequest) -> messages.SetBarResponse:
        """Set or lift the district's bar, or lift a retired source's; audited where it changes.

        The roster is not locked: an import takes long, and touches only its own source's bars.
        """
        _check(request)
        pair = (request.student_id, request.guardian_id)
        async with self._storage.write() as connection:
            await _check_known(connection, request)
            if await self._write(connection, request):
                await self._audit(connection, request)
                await move_roster(connection, request.district_id)
            found = await bars.bars_of_pair(connection, request.district_id, pair)
        return messages.SetBarResponse(bars=map(write_bar, found))

    async def _write(self, connection: AsyncConnection, request: messages.SetBarRequest) -> bool:
        if not request.barred:
            pair = (request.student_id, request.guardian_id)
            return await bars.lift_bar(connection, request.district_id, pair, request.source)
        row = bars.BarRow(
            student_id=request.student_id,
            guardian_id=request.guardian_id,
            source=bars.DISTRICT,
            set_time=self._now(),
            comment=request.comment,
            principal=current_caller().key.principal,
        )
        return await bars.set_bar(connection, request.district_id, row)

    async def _audit(self, connection: AsyncConnection, request: messages.SetBarRequest) -> None:
        after = _document(request, request.barred) | {"comment": request.comment}
        await audit(
            connection,
            district_id=request.district_id,
            now=self._now(),
            action=SET_BAR,
            changes=[
                (
                    f"bars/{request.student_id}/{request.guardian_id}",
                    _document(request, not request.barred),
                    after,
                )
            ],
        )

    async def list(self, request: messages.ListBarsRequest) -> messages.ListBarsResponse:
        """Return a page of the bars that stand."""
        violations = Violations()
        page = read_page(request, (str, str, str), violations)
        violations.refuse()
        after = None
        if page.after is not None:
            student_id, guardian_id, source = map(str, page.after)
            after = (student_id, guardian_id, source)
        query = bars.BarQuery(
            district_id=request.district_id,
            student_id=request.student_id,
            guardian_id=request.guardian_id,
            after=after,
            limit=page.limit,
        )
        async with self._storage.read() as connection:
            await existing_district(connection, request.district_id)
            found = await bars.list_bars(connection, query)
        shown, token = page.cut(found, lambda row: (row.student_id, row.guardian_id, row.source))
        return messages.ListBarsResponse(bars=map(write_bar, shown), next_page_token=token)


def _check(request: messages.SetBarRequest) -> None:
    violations = Violations()
    read_id(request.student_id, "student_id", violations.add)
    read_id(request.guardian_id, "guardian_id", violations.add)
    if request.student_id and request.student_id == request.guardian_id:
        violations.add("guardian_id", "must not be the student", reasons.INCONSISTENT)
    violations.required(request, "barred")
    if not request.comment.strip():
        violations.add("comment", REQUIRED, reasons.REQUIRED)
    if request.source and request.barred:
        violations.add("source", "must be empty unless its bar is lifted", reasons.NOT_ALLOWED)
    violations.refuse()
    if request.source and current_caller().role is not Role.OPERATOR:
        raise SchoolbellError(
            ErrorReason.ERROR_REASON_PERMISSION_DENIED,
            "only an operator lifts the bar of a source",
        )


async def _check_known(connection: AsyncConnection, request: messages.SetBarRequest) -> None:
    """Check that the roster has both; whether they are related, or ever were, does not matter."""
    await existing_district(connection, request.district_id)
    people = (request.student_id, request.guardian_id)
    known = await known_users(connection, request.district_id, people)
    if request.student_id not in known:
        raise no_student(request.student_id)
    if request.guardian_id not in known:
        raise no_user(request.guardian_id)


def _document(request: messages.SetBarRequest, barred: bool) -> dict[str, object]:
    document: dict[str, object] = {"barred": barred}
    return document | ({"source": request.source} if request.source else {})
