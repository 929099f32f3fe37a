"""API keys: make them, list them, end them."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from schoolbell.v1 import access_service_pb2 as messages
from schoolbell.v1.error_reason_pb2 import ErrorReason
from schoolbell_server.contract.access import check_key, write_key
from schoolbell_server.contract.fields import read_id, read_time
from schoolbell_server.rpc import field_reasons as reasons
from schoolbell_server.rpc.caller import current_caller
from schoolbell_server.rpc.errors import SchoolbellError
from schoolbell_server.rpc.validation import Violations
from schoolbell_server.security.api_key import (
    EVERY_DISTRICT,
    ApiKey,
    Right,
    Role,
    Tool,
    new_api_key,
)
from schoolbell_server.security.key_store import StoredKeys, row_of
from schoolbell_server.security.permissions import may_hand_out
from schoolbell_server.servicers.access.last_access import change_in_turn, keep_access
from schoolbell_server.servicers.common.audit_trail import audit
from schoolbell_server.servicers.common.not_found import existing_district
from schoolbell_server.servicers.common.paging import read_page
from schoolbell_storage.audit import Document
from schoolbell_storage.engine import Storage
from schoolbell_storage.keys import (
    ApiKeyRow,
    KeyQuery,
    find_key,
    find_requested,
    insert_key,
    list_keys,
    replace_secret,
    revoke_key,
)
from schoolbell_storage.turns import take_turns

_SERVICE = "schoolbell.v1.AccessService"
_LIFE = dt.timedelta(days=365)
_REMEMBERED = dt.timedelta(days=1)
_TAIL = 4  # characters

_Make = Callable[..., tuple[ApiKey, str]]
"""Makes a key and its credential; takes the `key_id` of one whose secret it replaces."""


class ApiKeys:
    """The keys of calling services."""

    def __init__(
        self, storage: Storage, known: StoredKeys, clock: Callable[[], dt.datetime]
    ) -> None:
        self._storage = storage
        self._known = known
        self._clock = clock

    async def create(self, request: messages.CreateApiKeyRequest) -> messages.CreateApiKeyResponse:
        """Create a key and answer its secret, once; a repeated request replaces the secret."""
        violations, now = Violations(), self._clock()
        violations.required(request, "api_key")
        caller = current_caller()
        asked = request.api_key
        role = violations.member(Role, asked.role, "api_key.role")
        check_key(asked, request.district_id, violations.add, named=caller.role is Role.OPERATOR)
        expire_time = _expire_time(asked, now, violations)
        violations.refuse()
        assert role is not None
        districts = frozenset(asked.district_ids or [request.district_id])
        _may_hand_out(asked, role, districts)
        make = partial(
            new_api_key,
            district_ids=districts,
            role=role,
            display_name=asked.display_name,
            sources=frozenset(asked.sources),
            user_id=asked.user_id or _own_user(role),
            expire_time=expire_time,
            proof=self._known.proof,
        )
        async with self._storage.write() as connection:
            row, secret = await self._store(connection, request, make, districts, now)
        self._known.forget()
        return messages.CreateApiKeyResponse(api_key=write_key(row), secret=secret)

    async def _store(
        self,
        connection: AsyncConnection,
        request: messages.CreateApiKeyRequest,
        make: _Make,
        districts: frozenset[str],
        now: dt.datetime,
    ) -> tuple[ApiKeyRow, str]:
        """Store a key, or another secret of the one that this request has made before."""
        creator = current_caller().name
        for district_id in sorted(districts - {EVERY_DISTRICT}):
            await existing_district(connection, district_id)
        if request.request_id:
            await take_turns(connection, f"request/{creator}/{request.request_id}")
            made = await find_requested(connection, creator, request.request_id, now - _REMEMBERED)
            if made is not None:
                return await self._renew(connection, request, made, make)
        key, credential = make()
        tail = credential[-_TAIL:]
        row = row_of(key, now, creator, tail, request.request_id, _hash(request))
        await insert_key(connection, row)
        await _audit(connection, row.district_ids, now, "CreateApiKey", row, {}, _shown(row))
        return row, credential

    async def _renew(
        self,
        connection: AsyncConnection,
        request: messages.CreateApiKeyRequest,
        made: ApiKeyRow,
        make: _Make,
    ) -> tuple[ApiKeyRow, str]:
        if made.request_hash != _hash(request) or made.revoke_time is not None:
            raise SchoolbellError(
                ErrorReason.ERROR_REASON_REQUEST_ID_REUSED,
                "the request id was used for another key",
                metadata={"request_id": request.request_id},
            )
        key, credential = make(key_id=made.key_id)
        tail = credential[-_TAIL:]
        await replace_secret(connection, made.key_id, key.secret_hash, tail)
        old, new = {"secret_tail": made.secret_tail}, {"secret_tail": tail}
        now = self._clock()
        await _audit(connection, made.district_ids, now, "CreateApiKey", made, old, new)
        renewed = await find_key(connection, made.key_id)
        assert renewed is not None
        return renewed, credential

    async def list(self, request: messages.ListApiKeysRequest) -> messages.ListApiKeysResponse:
        """List keys without their secrets."""
        violations = Violations()
        page = read_page(request, (str,), violations)
        violations.refuse()
        query = KeyQuery(
            district_id=request.district_id,
            role=request.role,
            user_id=request.user_id,
            living_at=None if request.include_ended else self._clock(),
            after=page.after_id,
            limit=page.limit,
        )
        async with self._storage.read() as connection:
            found = await list_keys(connection, query)
        shown, token = page.cut(found, lambda row: (row.key_id,))
        return messages.ListApiKeysResponse(
            api_keys=[write_key(row) for row in shown], next_page_token=token
        )

    async def revoke(self, request: messages.RevokeApiKeyRequest) -> messages.RevokeApiKeyResponse:
        """Revoke a key in all its districts; repeated, the answer is the same."""
        violations, now = Violations(), self._clock()
        read_id(request.api_key_id, "api_key_id", violations.add)
        violations.refuse()
        async with self._storage.write() as connection:
            before = await find_key(connection, request.api_key_id)
            if before is None or request.district_id not in before.district_ids:
                raise _no_key(request.api_key_id)
            _may_revoke(before)
            await change_in_turn(connection, before.district_ids)
            await revoke_key(connection, before.key_id, now)
            if before.revoke_time is None:
                old, new = {"revoked": False}, {"revoked": True}
                await _audit(connection, before.district_ids, now, "RevokeApiKey", before, old, new)
                if before.role in (Role.OPERATOR, Role.ADMINISTRATOR):
                    await keep_access(connection, before.district_ids, now)
            row = await find_key(connection, before.key_id)
            assert row is not None
        self._known.forget()
        return messages.RevokeApiKeyResponse(api_key=write_key(row))


async def _audit(
    connection: AsyncConnection,
    district_ids: Iterable[str],
    now: dt.datetime,
    method: str,
    row: ApiKeyRow,
    before: Document,
    after: Document,
) -> None:
    """Write what was done with a key into the audit log of each of its districts."""
    for district_id in district_ids:
        await audit(
            connection,
            district_id=district_id,
            now=now,
            action=f"{_SERVICE}/{method}",
            changes=[(f"keys/{row.key_id}", before, after)],
        )


def _expire_time(asked: messages.ApiKey, now: dt.datetime, violations: Violations) -> dt.datetime:
    if not asked.HasField("expire_time"):
        return now + _LIFE
    given = read_time(asked.expire_time, "api_key.expire_time", violations.add)
    if given is None:
        return now + _LIFE
    if given <= now:
        violations.add("api_key.expire_time", "must lie in the future", reasons.OUT_OF_RANGE)
    return given


def _own_user(role: Role) -> str:
    """Return the person for whom an administrator's new key acts where none is named."""
    return current_caller().key.user_id if role is Role.ADMINISTRATOR else ""


def _may_hand_out(asked: messages.ApiKey, role: Role, district_ids: frozenset[str]) -> None:
    """Check that a caller gives nothing away that the caller does not have."""
    _needs_access(district_ids)
    key = current_caller().key
    if not all(may_hand_out(key, role, district_id) for district_id in district_ids):
        raise _denied(f"only an operator makes keys of the role {role.name} for this caller")
    if key.role is Role.OPERATOR:
        return
    if asked.user_id not in ("", key.user_id):
        raise _denied("only an operator makes keys that act for somebody else")


def _may_revoke(row: ApiKeyRow) -> None:
    _needs_access(row.district_ids)
    if row.role == Role.OPERATOR and current_caller().role is not Role.OPERATOR:
        raise _denied("only an operator revokes an operator's key")


def _denied(message: str) -> SchoolbellError:
    return SchoolbellError(ErrorReason.ERROR_REASON_PERMISSION_DENIED, message)


def _needs_access(district_ids: Iterable[str]) -> None:
    """Check that the caller may write the access of every one of these districts."""
    key = current_caller().key
    for district_id in sorted(district_ids):
        allowed = key.covers(district_id) and (
            key.role is Role.OPERATOR
            or key.rights.get(district_id, {}).get(Tool.ACCESS, 0) >= Right.WRITE
        )
        if not allowed:
            raise SchoolbellError(
                ErrorReason.ERROR_REASON_PERMISSION_DENIED,
                f"the caller may not hand out keys for the district {district_id}",
                metadata={"tool": Tool.ACCESS.name, "right": Right.WRITE.name},
            )


def _hash(request: messages.CreateApiKeyRequest) -> str:
    """Return a digest of what is asked for, without the request id."""
    asked = messages.CreateApiKeyRequest(district_id=request.district_id, api_key=request.api_key)
    return hashlib.sha256(asked.SerializeToString(deterministic=True)).hexdigest()


def _shown(row: ApiKeyRow) -> dict[str, Any]:
    return {
        "role": Role(row.role).name,
        "display_name": row.display_name,
        "user_id": row.user_id,
        "district_ids": list(row.district_ids),
        "sources": list(row.sources),
    }


def _no_key(key_id: str) -> SchoolbellError:
    return SchoolbellError(
        ErrorReason.ERROR_REASON_API_KEY_NOT_FOUND,
        f"there is no API key {key_id}",
        metadata={"api_key_id": key_id},
    )
