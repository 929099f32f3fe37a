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
from schoolbell_server import VERSION
from schoolbell_server.contract.access import (
    read_audit_filter,
    read_head,
    read_rights,
    write_check,
    write_district_rights,
    write_entry,
    write_right,
)
from schoolbell_server.contract.fields import read_id, write_time
from schoolbell_server.contract.principals import write_principal
from schoolbell_server.maintenance.audit_sealer import AuditSealer
from schoolbell_server.rpc.caller import current_caller
from schoolbell_server.rpc.errors import SchoolbellError
from schoolbell_server.rpc.validation import Violations
from schoolbell_server.security.api_key import EVERY_DISTRICT, Right, Role, Tool
from schoolbell_server.security.key_store import StoredKeys
from schoolbell_server.servicers.access.api_keys import ApiKeys
from schoolbell_server.servicers.access.last_access import change_in_turn, keep_access
from schoolbell_server.servicers.common.audit_trail import audit
from schoolbell_server.servicers.common.not_found import existing_district, no_user
from schoolbell_server.servicers.common.paging import read_page
from schoolbell_server.servicers.common.unattended import Unattended
from schoolbell_server.servicers.persons.erasure import Erasure
from schoolbell_server.servicers.persons.export import export
from schoolbell_storage import status_log
from schoolbell_storage.audit import (
    Document,
    list_audit,
)
from schoolbell_storage.audit_chain import check_chain
from schoolbell_storage.codec import to_micros
from schoolbell_storage.engine import Storage
from schoolbell_storage.pacing import paced
from schoolbell_storage.persons import Person, find_person
from schoolbell_storage.rights import RightQuery, RightRow, grant, list_rights, revoke

_SERVICE = "schoolbell.v1.AccessService"
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
        erasure: Erasure,
        unattended: Unattended,
        sealer: AuditSealer,
        limits: messages.ServerLimits,
        names_groups: bool = False,
    ) -> None:
        """`names_groups` says whether any credential names the groups of its holder."""
        self._storage = storage
        self._names_groups = names_groups
        self._erasure = erasure
        self._unattended = unattended
        self._sealer = sealer
        self._keys = ApiKeys(storage, keys, clock)
        self._known = keys
        self._clock = clock
        self._limits = limits

    async def GetCaller(
        self, request: messages.GetCallerRequest, _context: Any
    ) -> messages.GetCallerResponse:
        """Answer who the caller is, and what the caller may do."""
        caller = current_caller()
        key = caller.key
        asked = caller.districts(request.district_id or EVERY_DISTRICT)
        answer = messages.GetCallerResponse(
            principal=write_principal(key.principal),
            roles=[messages.Role.ValueType(key.role)],
            district_ids=sorted(key.district_ids),
            rights=[
                write_district_rights(name, key.rights[name])
                for name in sorted(key.rights)
                if asked is None or name in asked
            ],
            sources=sorted(key.sources),
        )
        if key.expire_time is not None:
            answer.expire_time.CopyFrom(write_time(key.expire_time))
        return answer

    async def GetServerInfo(
        self, request: messages.GetServerInfoRequest, _context: Any
    ) -> messages.GetServerInfoResponse:
        """Answer what the server is."""
        async with self._storage.read() as connection:
            position = await status_log.position(connection)
        return messages.GetServerInfoResponse(
            version=VERSION, store_id=position.store_id, limits=self._limits
        )

    async def CreateApiKey(
        self, request: messages.CreateApiKeyRequest, _context: Any
    ) -> messages.CreateApiKeyResponse:
        """Create a key and answer its secret, once."""
        return await self._keys.create(request)

    async def ListApiKeys(
        self, request: messages.ListApiKeysRequest, _context: Any
    ) -> messages.ListApiKeysResponse:
        """List keys without their secrets."""
        return await self._keys.list(request)

    async def RevokeApiKey(
        self, request: messages.RevokeApiKeyRequest, _context: Any
    ) -> messages.RevokeApiKeyResponse:
        """Revoke a key; repeated, the answer is the same."""
        return await self._keys.revoke(request)

    async def GrantRights(
        self, request: messages.GrantRightsRequest, _context: Any
    ) -> messages.GrantRightsResponse:
        """Grant tool rights."""
        violations = Violations()
        rights = read_rights(request.rights, violations.add, groups=self._names_groups)
        violations.refuse()
        _may_grant(request.district_id, rights)
        left = await self._change_rights(request.district_id, rights, "GrantRights", grant)
        return messages.GrantRightsResponse(rights=left)

    async def RevokeRights(
        self, request: messages.RevokeRightsRequest, _context: Any
    ) -> messages.RevokeRightsResponse:
        """Revoke tool rights."""
        violations = Violations()
        rights = read_rights(request.rights, violations.add, groups=True)
        violations.refuse()
        left = await self._change_rights(request.district_id, rights, "RevokeRights", revoke)
        return messages.RevokeRightsResponse(rights=left)

    async def ListRights(
        self, request: messages.ListRightsRequest, _context: Any
    ) -> messages.ListRightsResponse:
        """List tool rights, by grantee and tool."""
        violations = Violations()
        page = read_page(request, (int, str, int), violations)
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
        query = replace(
            read_audit_filter(request.filter, request.district_id, violations.add),
            before=(int(page.after[0]), str(page.after[1])) if page.after else None,
            limit=page.limit,
        )
        violations.refuse()
        async with self._storage.read() as connection:
            found = await list_audit(connection, query)
        shown, token = page.cut(found, lambda one: (to_micros(one.create_time), one.audit_entry_id))
        return messages.ListAuditEntriesResponse(
            audit_entries=[write_entry(one) async for one in paced(shown)], next_page_token=token
        )

    async def VerifyAuditLog(
        self, request: messages.VerifyAuditLogRequest, _context: Any
    ) -> messages.VerifyAuditLogResponse:
        """Check the chain of an audit log, with everything that is written by now."""
        violations = Violations()
        wanted = read_head(request, violations.add)
        violations.refuse()
        await self._sealer.seal(request.district_id)
        async with self._storage.read() as connection:
            return write_check(await check_chain(connection, request.district_id, wanted))

    async def _change_rights(
        self,
        district_id: str,
        rights: Sequence[RightRow],
        method: str,
        change: Callable[[AsyncConnection, str, Collection[RightRow]], Awaitable[None]],
    ) -> list[messages.ToolRight]:
        """Change rights, and return all that the named grantees have then."""
        grantees = {right.grantee_id for right in rights}
        query = RightQuery(district_id=district_id, grantee_ids=grantees)
        async with self._storage.write() as connection:
            await existing_district(connection, district_id)
            await change_in_turn(connection, [district_id])
            before = await list_rights(connection, query)
            await change(connection, district_id, rights)
            after = await list_rights(connection, query)
            if _access(before) - _access(after):
                await keep_access(connection, [district_id], self._clock())
            await self._audit(connection, district_id, method, _changes(before, after))
        self._known.forget()
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
        """Erase a person; the audit log keeps that it was done, and a pseudonym."""
        person = await self._person(request)
        await self._erasure.check(person)
        if request.validate_only:
            return messages.ErasePersonDataResponse(record_count=await self._erasure.count(person))
        count = await self._unattended.run(self._erasure.erase(person), current_caller().key.key_id)
        self._known.forget()
        return messages.ErasePersonDataResponse(record_count=count)

    async def _person(
        self, request: messages.ExportPersonDataRequest | messages.ErasePersonDataRequest
    ) -> Person:
        violations = Violations()
        read_id(request.user_id, "user_id", violations.add)
        violations.refuse()
        async with self._storage.read() as connection:
            await existing_district(connection, request.district_id)
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
        await audit(
            connection,
            district_id=district_id,
            now=self._clock(),
            action=f"{_SERVICE}/{method}",
            changes=changes,
        )


def _may_grant(district_id: str, rights: Sequence[RightRow]) -> None:
    """Check that a caller grants nothing that the caller may not do; an operator's right it is."""
    key = current_caller().key
    if key.role is Role.OPERATOR:
        return
    held = key.rights.get(district_id, {})
    for right in rights:
        if held.get(Tool(right.tool), 0) < right.granted:
            raise SchoolbellError(
                ErrorReason.ERROR_REASON_PERMISSION_DENIED,
                "nobody grants a right that they do not have themselves",
                metadata={"tool": Tool(right.tool).name, "right": Right(right.granted).name},
            )


def _access(rights: Sequence[RightRow]) -> set[RightRow]:
    """Return those of the rights that let persons or groups hand out access."""
    return {row for row in rights if (row.tool, row.granted) == (Tool.ACCESS, Right.WRITE)}


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
