"""Keys, tool rights and audit entries between the contract and the storage."""

from __future__ import annotations

from collections.abc import Sequence

from schoolbell.v1 import access_service_pb2 as messages
from schoolbell.v1 import common_pb2
from schoolbell_server.contract.fields import Complain, day_of, read_id, read_text, write_time
from schoolbell_server.security.api_key import EVERY_DISTRICT
from schoolbell_storage.audit import AuditEntry
from schoolbell_storage.keys import ApiKeyRow
from schoolbell_storage.rights import RightRow

MOST = 100
"""Rights in a request, and sources of a key."""

_REQUIRED = "is required"


def check_key(asked: messages.ApiKey, district_id: str, complain: Complain) -> None:
    """Complain of every bad field of a new key."""
    if not asked.display_name:
        complain("api_key.display_name", _REQUIRED)
    read_text(asked.display_name, "api_key.display_name", complain)
    read_id(asked.user_id, "api_key.user_id", complain, required=False)
    if asked.role == messages.ROLE_ADMINISTRATOR and not asked.user_id:
        complain("api_key.user_id", f"{_REQUIRED} for ADMINISTRATOR: whose rights it has")
    if asked.role == messages.ROLE_ADMINISTRATOR and district_id == EVERY_DISTRICT:
        complain("api_key.role", "ADMINISTRATOR is for one district, as rights are")
    if len(asked.sources) > MOST:
        complain("api_key.sources", f"must have at most {MOST} values")
    for index, source in enumerate(asked.sources):
        read_id(source, f"api_key.sources[{index}]", complain)


def read_rights(asked: Sequence[messages.ToolRight], complain: Complain) -> list[RightRow]:
    """Return the rights that a request names."""
    if not 1 <= len(asked) <= MOST:
        complain("rights", f"must have from 1 to {MOST} values, has {len(asked)}")
    for index, right in enumerate(asked):
        path = f"rights[{index}]"
        read_id(right.grantee_id, f"{path}.grantee_id", complain)
        for field in ("grantee_type", "tool", "right"):
            if not getattr(right, field):
                complain(f"{path}.{field}", _REQUIRED)
    return [
        RightRow(right.grantee_type, right.grantee_id, right.tool, right.right) for right in asked
    ]


def write_key(row: ApiKeyRow) -> messages.ApiKey:
    """Return a stored key without its secret."""
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
    if row.last_use_time is not None:
        message.last_use_time.FromDatetime(day_of(row.last_use_time))
    return message


def write_right(row: RightRow) -> messages.ToolRight:
    """Return a stored right."""
    return messages.ToolRight(
        grantee_type=messages.GranteeType.ValueType(row.grantee_type),
        grantee_id=row.grantee_id,
        tool=messages.Tool.ValueType(row.tool),
        right=messages.Right.ValueType(row.granted),
    )


def write_entry(entry: AuditEntry) -> messages.AuditEntry:
    """Return an entry of the audit log."""
    message = messages.AuditEntry(
        audit_entry_id=entry.audit_entry_id,
        create_time=write_time(entry.create_time),
        principal=common_pb2.Principal(id=entry.caller),
        method=entry.action,
        subject=entry.target,
    )
    message.before.update(entry.before)
    message.after.update(entry.after)
    return message
