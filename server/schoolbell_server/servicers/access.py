"""Who may do what: keys, tool rights, and the audit log."""

from __future__ import annotations

import datetime as dt
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from schoolbell.v1 import access_service_pb2 as messages
from schoolbell.v1.access_service_pb2_grpc import AccessServiceServicer
from schoolbell.v1.error_reason_pb2 import ErrorReason
from schoolbell_server.contract.access import (
    check_key,
    read_rights,
    write_entry,
    write_key,
    write_right,
)
from schoolbell_server.contract.fields import read_id, read_time
from schoolbell_server.rpc.caller import current_caller
from schoolbell_server.rpc.errors import SchoolbellError
from schoolbell_server.rpc.validation import Violations
from schoolbell_server.security.api_key import EVERY_DISTRICT, Right, Role, Tool, new_api_key
from schoolbell_server.security.key_store import StoredKeys, row_of
from schoolbell_server.servicers.missing import no_district, no_user
from schoolbell_server.servicers.paging import read_page
from schoolbell_server.servicers.person_erasure import Erasure
from schoolbell_server.servicers.person_export import export
from schoolbell_storage.audit import (
    AuditQuery,
    Document,
    append_audit,
    list_audit,
)
from schoolbell_storage.codec import to_micros
from schoolbell_storage.districts import get_district
from schoolbell_storage.engine import Storage
from schoolbell_storage.keys import ApiKeyRow, find_key, insert_key, list_keys, revoke_key
from schoolbell_storage.mentions import ERASED
from schoolbell_storage.pacing import paced
from schoolbell_storage.persons import Person, find_person
from schoolbell_storage.rights import RightQuery, RightRow, grant, list_rights, revoke

_SERVICE = "schoolbell.v1.AccessService"
_LIFE = dt.timedelta(days=365)
_TAIL = 4  # characters
_GRANTEES: dict[int, str] = {
    messages.GRANTEE_TYPE_USER: "user",
    messages.GRANTEE_TYPE_GROUP: "group",
}

Changes = Sequence[tuple[str, Document, Document]]
"""What the audit log is told: (target, before, after) each."""


class AccessServicer(AccessServiceServicer):
    """Keys, rights, the audit log, and what is known of a person."""

    def __init__(
        self,
        storage: Storage,
        *,
        keys: StoredKeys,
        clock: Callable[[], dt.datetime],
        on_written: Callable[[], None],
    ) -> None:
        """Call `on_written` when watchers have something to see."""
        self._storage = storage
        self._erasure = Erasure(storage, clock, on_written)
        self._keys = keys
        self._clock = clock

    async def CreateApiKey(
        self, request: messages.CreateApiKeyRequest, _context: Any
    ) -> messages.CreateApiKeyResponse:
        """Create a key and answer its secret, once."""
        violations, now = Violations(), self._clock()
        violations.required(request, "api_key")
        asked = request.api_key
        role = violations.member(Role, asked.role, "api_key.role")
        check_key(asked, request.district_id, violations.add)
        expire_time = now + _LIFE
        if asked.HasField("expire_time"):
            given = read_time(asked.expire_time, "api_key.expire_time", violations.add)
            expire_time = given or expire_time
            if expire_time <= now:
                violations.add("api_key.expire_time", "must lie in the future")
        violations.refuse()
        assert role is not None
        _may_hand_out(role)
        key, credential = new_api_key(
            district_id=request.district_id,
            role=role,
            display_name=asked.display_name,
            sources=frozenset(asked.sources),
            user_id=asked.user_id,
            expire_time=expire_time,
            proof=self._keys.proof,
        )
        row = row_of(key, now, current_caller().name, credential[-_TAIL:])
        async with self._storage.write() as connection:
            await _check_district(connection, request.district_id)
            await insert_key(connection, row)
            changes: Changes = [(f"keys/{row.key_id}", {}, _shown(row))]
            await self._audit(connection, request.district_id, "CreateApiKey", changes)
        return messages.CreateApiKeyResponse(api_key=write_key(row), secret=credential)

    async def ListApiKeys(
        self, request: messages.ListApiKeysRequest, _context: Any
    ) -> messages.ListApiKeysResponse:
        """List keys without their secrets."""
        violations = Violations()
        page = read_page(request, (str,), violations)
        violations.refuse()
        living_at = None if request.include_ended else self._clock()
        after = str(page.after[0]) if page.after else ""
        async with self._storage.read() as connection:
            found = await list_keys(connection, request.district_id, after, page.limit, living_at)
        shown, token = page.cut(found, lambda row: (row.key_id,))
        return messages.ListApiKeysResponse(
            api_keys=[write_key(row) for row in shown], next_page_token=token
        )

    async def RevokeApiKey(
        self, request: messages.RevokeApiKeyRequest, _context: Any
    ) -> messages.RevokeApiKeyResponse:
        """Revoke a key; repeated, the answer is the same."""
        violations = Violations()
        read_id(request.api_key_id, "api_key_id", violations.add)
        violations.refuse()
        async with self._storage.write() as connection:
            before = await find_key(connection, request.api_key_id)
            row = await revoke_key(
                connection, request.district_id, request.api_key_id, self._clock()
            )
            if before is None or row is None:
                raise SchoolbellError(
                    ErrorReason.ERROR_REASON_API_KEY_NOT_FOUND,
                    "there is no such API key",
                    metadata={"api_key_id": request.api_key_id},
                )
            if before.revoke_time is None:
                changes: Changes = [(f"keys/{row.key_id}", {"revoked": False}, {"revoked": True})]
                await self._audit(connection, request.district_id, "RevokeApiKey", changes)
        self._keys.forget()
        return messages.RevokeApiKeyResponse(api_key=write_key(row))

    async def GrantRights(
        self, request: messages.GrantRightsRequest, _context: Any
    ) -> messages.GrantRightsResponse:
        """Grant tool rights."""
        left = await self._change_rights(request, "GrantRights", grant)
        return messages.GrantRightsResponse(rights=left)

    async def RevokeRights(
        self, request: messages.RevokeRightsRequest, _context: Any
    ) -> messages.RevokeRightsResponse:
        """Revoke tool rights."""
        left = await self._change_rights(request, "RevokeRights", revoke)
        return messages.RevokeRightsResponse(rights=left)

    async def ListRights(
        self, request: messages.ListRightsRequest, _context: Any
    ) -> messages.ListRightsResponse:
        """List tool rights, by grantee and tool."""
        violations = Violations()
        page = read_page(request, (int, str, int), violations)
        read_id(request.grantee_id, "grantee_id", violations.add, required=False)
        violations.refuse()
        after = None
        if page.after:
            after = (int(page.after[0]), str(page.after[1]), int(page.after[2]))
        async with self._storage.read() as connection:
            query = RightQuery(
                district_id=request.district_id,
                grantee_ids=[request.grantee_id] if request.grantee_id else (),
                tool=request.tool,
                after=after,
                limit=page.limit,
            )
            found = await list_rights(connection, query)
        shown, token = page.cut(found, lambda row: (row.grantee_type, row.grantee_id, row.tool))
        return messages.ListRightsResponse(
            rights=[write_right(row) for row in shown], next_page_token=token
        )

    async def ListAuditEntries(
        self, request: messages.ListAuditEntriesRequest, _context: Any
    ) -> messages.ListAuditEntriesResponse:
        """List who changed what, newest first."""
        violations = Violations()
        page = read_page(request, (int, str), violations)
        read_id(request.actor, "actor", violations.add, required=False)
        start = end = None
        if request.HasField("start_create_time"):
            start = read_time(request.start_create_time, "start_create_time", violations.add)
        if request.HasField("end_create_time"):
            end = read_time(request.end_create_time, "end_create_time", violations.add)
        violations.refuse()
        query = AuditQuery(
            district_id=request.district_id,
            callers=[request.actor] if request.actor else (),
            start_time=start,
            end_time=end,
            before=(int(page.after[0]), str(page.after[1])) if page.after else None,
            limit=page.limit,
        )
        async with self._storage.read() as connection:
            found = await list_audit(connection, query)
        shown, token = page.cut(found, lambda one: (to_micros(one.create_time), one.audit_entry_id))
        return messages.ListAuditEntriesResponse(
            audit_entries=[write_entry(one) async for one in paced(shown)], next_page_token=token
        )

    async def _change_rights(
        self,
        request: messages.GrantRightsRequest | messages.RevokeRightsRequest,
        method: str,
        change: Callable[[AsyncConnection, str, Collection[RightRow]], Awaitable[None]],
    ) -> list[messages.ToolRight]:
        """Change rights, and return all that the named grantees have then."""
        violations = Violations()
        rights = read_rights(request.rights, violations.add)
        violations.refuse()
        grantees = {right.grantee_id for right in rights}
        query = RightQuery(district_id=request.district_id, grantee_ids=grantees)
        async with self._storage.write() as connection:
            await _check_district(connection, request.district_id)
            before = await list_rights(connection, query)
            await change(connection, request.district_id, rights)
            after = await list_rights(connection, query)
            await self._audit(connection, request.district_id, method, _changes(before, after))
        self._keys.forget()
        return [write_right(row) for row in after]

    async def ExportPersonData(
        self, request: messages.ExportPersonDataRequest, _context: Any
    ) -> AsyncIterator[messages.ExportPersonDataResponse]:
        """Stream what is stored of a person; that it was asked for is on record."""
        person = await self._person(request)
        known = False
        async for part in export(self._storage, person):
            if not known:
                known = True
                await self._audit_person(person, "ExportPersonData", {"exported": True})
            yield part
        if not known:
            raise no_user(request.user_id)

    async def ErasePersonData(
        self, request: messages.ErasePersonDataRequest, _context: Any
    ) -> messages.ErasePersonDataResponse:
        """Erase a person; the audit log keeps that it was done, and not whom."""
        person = await self._person(request)
        count = await self._erasure.erase(person)
        self._keys.forget()
        if count:
            nobody = replace(person, user_id=ERASED)
            await self._audit_person(nobody, "ErasePersonData", {"records": count})
        return messages.ErasePersonDataResponse(records=count)

    async def _person(
        self, request: messages.ExportPersonDataRequest | messages.ErasePersonDataRequest
    ) -> Person:
        violations = Violations()
        read_id(request.user_id, "user_id", violations.add)
        violations.refuse()
        async with self._storage.read() as connection:
            await _check_district(connection, request.district_id)
            return await find_person(connection, request.district_id, request.user_id)

    async def _audit_person(self, person: Person, method: str, after: Document) -> None:
        async with self._storage.write() as connection:
            changes: Changes = [(f"persons/{person.user_id}", {}, after)]
            await self._audit(connection, person.district_id, method, changes)

    async def _audit(
        self,
        connection: AsyncConnection,
        district_id: str,
        method: str,
        changes: Changes,
    ) -> None:
        await append_audit(
            connection,
            district_id=district_id,
            now=self._clock(),
            caller=current_caller().name,
            action=f"{_SERVICE}/{method}",
            changes=changes,
        )


async def _check_district(connection: AsyncConnection, district_id: str) -> None:
    """Check that a district exists, where one is named."""
    if district_id != EVERY_DISTRICT and await get_district(connection, district_id) is None:
        raise no_district(district_id)


def _may_hand_out(role: Role) -> None:
    """Nobody makes a key that may do more than the caller: only operators make operators."""
    if role is Role.OPERATOR and current_caller().role is not Role.OPERATOR:
        raise SchoolbellError(
            ErrorReason.ERROR_REASON_PERMISSION_DENIED, "only an operator makes operators' keys"
        )


def _shown(row: ApiKeyRow) -> dict[str, Any]:
    return {"role": Role(row.role).name, "display_name": row.display_name, "user_id": row.user_id}


def _changes(before: Sequence[RightRow], after: Sequence[RightRow]) -> Changes:
    """Return, for the audit log, every right that is another now."""
    old, new = _by_subject(before), _by_subject(after)
    return [
        (subject, old.get(subject, {}), new.get(subject, {}))
        for subject in sorted(old | new)
        if old.get(subject) != new.get(subject)
    ]


def _by_subject(rights: Sequence[RightRow]) -> dict[str, Document]:
    """Return rights by what the audit log calls them, such as `rights/user/ada/ACCESS`."""
    return {
        f"rights/{_GRANTEES[row.grantee_type]}/{row.grantee_id}/{Tool(row.tool).name}": {
            "right": Right(row.granted).name
        }
        for row in rights
    }
