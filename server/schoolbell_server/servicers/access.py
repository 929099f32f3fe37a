"""Who may do what: keys, tool rights, and the audit log."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from schoolbell.v1 import access_service_pb2 as messages
from schoolbell.v1.access_service_pb2_grpc import AccessServiceServicer
from schoolbell.v1.error_reason_pb2 import ErrorReason
from schoolbell_server.contract.fields import (
    MAX_ID,
    read_id,
    read_text,
    read_time,
    write_time,
)
from schoolbell_server.rpc.caller import current_caller
from schoolbell_server.rpc.errors import SchoolbellError
from schoolbell_server.rpc.validation import REQUIRED, Violations
from schoolbell_server.security.api_key import Role, new_api_key
from schoolbell_server.security.key_store import StoredKeys, row_of
from schoolbell_server.servicers.paging import read_page
from schoolbell_storage.audit import AuditEntry, AuditQuery, append_audit, list_audit
from schoolbell_storage.codec import to_micros
from schoolbell_storage.engine import Storage
from schoolbell_storage.keys import ApiKeyRow, insert_key, list_keys, revoke_key
from schoolbell_storage.rights import RightQuery, RightRow, grant, list_rights, revoke

_SERVICE = "schoolbell.v1.AccessService"
_LIFE = dt.timedelta(days=365)
_MOST = 100
_TAIL = 4  # characters


class AccessServicer(AccessServiceServicer):
    """Keys and rights; ExportPersonData and ErasePersonData are not there yet."""

    def __init__(
        self, storage: Storage, *, keys: StoredKeys, clock: Callable[[], dt.datetime]
    ) -> None:
        self._storage = storage
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
        _check_key(asked, violations)
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
        )
        row = row_of(key, now, current_caller().name, credential[-_TAIL:])
        async with self._storage.write() as connection:
            await insert_key(connection, row)
            await self._audit(
                connection, request.district_id, "CreateApiKey", f"keys/{row.key_id}", _shown(row)
            )
        return messages.CreateApiKeyResponse(api_key=_write_key(row), secret=credential)

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
            api_keys=[_write_key(row) for row in shown], next_page_token=token
        )

    async def RevokeApiKey(
        self, request: messages.RevokeApiKeyRequest, _context: Any
    ) -> messages.RevokeApiKeyResponse:
        """Revoke a key; repeated, the answer is the same."""
        violations = Violations()
        read_id(request.api_key_id, "api_key_id", violations.add)
        violations.refuse()
        async with self._storage.write() as connection:
            row = await revoke_key(
                connection, request.district_id, request.api_key_id, self._clock()
            )
            if row is None:
                raise SchoolbellError(
                    ErrorReason.ERROR_REASON_API_KEY_NOT_FOUND,
                    "there is no such API key",
                    metadata={"api_key_id": request.api_key_id},
                )
            await self._audit(
                connection, request.district_id, "RevokeApiKey", f"keys/{row.key_id}", _shown(row)
            )
        self._keys.forget()
        return messages.RevokeApiKeyResponse(api_key=_write_key(row))

    async def GrantRights(
        self, request: messages.GrantRightsRequest, _context: Any
    ) -> messages.GrantRightsResponse:
        """Grant tool rights."""
        rights = _read_rights(request.rights)
        async with self._storage.write() as connection:
            await grant(connection, request.district_id, rights)
            await self._audit(
                connection, request.district_id, "GrantRights", "rights", _names(rights)
            )
            left = await _of_grantees(connection, request.district_id, rights)
        self._keys.forget()
        return messages.GrantRightsResponse(rights=left)

    async def RevokeRights(
        self, request: messages.RevokeRightsRequest, _context: Any
    ) -> messages.RevokeRightsResponse:
        """Revoke tool rights."""
        rights = _read_rights(request.rights)
        async with self._storage.write() as connection:
            await revoke(connection, request.district_id, rights)
            await self._audit(
                connection, request.district_id, "RevokeRights", "rights", _names(rights)
            )
            left = await _of_grantees(connection, request.district_id, rights)
        self._keys.forget()
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
            rights=[_write_right(row) for row in shown], next_page_token=token
        )

    async def ListAuditEntries(
        self, request: messages.ListAuditEntriesRequest, _context: Any
    ) -> messages.ListAuditEntriesResponse:
        """List who changed what, newest first."""
        violations = Violations()
        page = read_page(request, (int, str), violations)
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
            audit_entries=[_write_entry(one) for one in shown], next_page_token=token
        )

    async def _audit(
        self, connection: Any, district_id: str, method: str, target: str, after: dict[str, Any]
    ) -> None:
        await append_audit(
            connection,
            district_id=district_id,
            now=self._clock(),
            caller=current_caller().name,
            action=f"{_SERVICE}/{method}",
            changes=[(target, {}, after)],
        )


async def _of_grantees(
    connection: AsyncConnection, district_id: str, rights: Sequence[RightRow]
) -> list[messages.ToolRight]:
    """Return all rights of the grantees that are named, as they are now."""
    grantees = {right.grantee_id for right in rights}
    found = await list_rights(connection, RightQuery(district_id=district_id, grantee_ids=grantees))
    return [_write_right(row) for row in found]


def _check_key(asked: messages.ApiKey, violations: Violations) -> None:
    if not asked.display_name:
        violations.add("api_key.display_name", REQUIRED)
    read_text(asked.display_name, "api_key.display_name", violations.add)
    read_id(asked.user_id, "api_key.user_id", violations.add, required=False)
    if asked.role == messages.ROLE_ADMINISTRATOR and not asked.user_id:
        violations.add("api_key.user_id", f"{REQUIRED} for ADMINISTRATOR: whose rights it has")
    violations.count(asked.sources, "api_key.sources", most=_MOST)
    for index, source in enumerate(asked.sources):
        read_id(source, f"api_key.sources[{index}]", violations.add)


def _may_hand_out(role: Role) -> None:
    """Nobody makes a key that may do more than the caller: only operators make operators."""
    if role is Role.OPERATOR and current_caller().role is not Role.OPERATOR:
        raise SchoolbellError(
            ErrorReason.ERROR_REASON_PERMISSION_DENIED, "only an operator makes operators' keys"
        )


def _read_rights(asked: Sequence[messages.ToolRight]) -> list[RightRow]:
    violations = Violations()
    violations.count(asked, "rights", least=1, most=_MOST)
    for index, right in enumerate(asked):
        path = f"rights[{index}]"
        read_id(right.grantee_id, f"{path}.grantee_id", violations.add)
        for field in ("grantee_type", "tool", "right"):
            if not getattr(right, field):
                violations.add(f"{path}.{field}", REQUIRED)
    violations.refuse()
    return [
        RightRow(right.grantee_type, right.grantee_id, right.tool, right.right) for right in asked
    ]


def _write_key(row: ApiKeyRow) -> messages.ApiKey:
    message = messages.ApiKey(
        api_key_id=row.key_id,
        display_name=row.display_name,
        role=messages.Role.ValueType(row.role),
        sources=row.sources,
        user_id=row.user_id,
        create_time=write_time(row.create_time),
        secret_tail=row.secret_tail,
    )
    if row.expire_time is not None:
        message.expire_time.FromDatetime(row.expire_time)
    if row.revoke_time is not None:
        message.revoke_time.FromDatetime(row.revoke_time)
    return message


def _write_right(row: RightRow) -> messages.ToolRight:
    return messages.ToolRight(
        grantee_type=messages.GranteeType.ValueType(row.grantee_type),
        grantee_id=row.grantee_id,
        tool=messages.Tool.ValueType(row.tool),
        right=messages.Right.ValueType(row.granted),
    )


def _write_entry(entry: AuditEntry) -> messages.AuditEntry:
    message = messages.AuditEntry(
        audit_entry_id=entry.audit_entry_id,
        create_time=write_time(entry.create_time),
        actor=entry.caller,
        method=entry.action,
        subject=entry.target,
    )
    message.before.update(entry.before)
    message.after.update(entry.after)
    return message


def _shown(row: ApiKeyRow) -> dict[str, Any]:
    return {"role": Role(row.role).name, "display_name": row.display_name, "user_id": row.user_id}


def _names(rights: Sequence[RightRow]) -> dict[str, Any]:
    return {
        f"{right.grantee_id}"[:MAX_ID]: f"{messages.Tool.Name(messages.Tool.ValueType(right.tool))}"
        f" {messages.Right.Name(messages.Right.ValueType(right.granted))}"
        for right in rights
    }
