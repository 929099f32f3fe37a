"""Keys, tool rights and audit entries between the contract and the storage."""

from __future__ import annotations

import re
from collections.abc import Sequence

from schoolbell.v1 import access_service_pb2 as messages
from schoolbell_server.contract.fields import (
    ReportViolation,
    day_of,
    read_id,
    read_time,
    write_time,
)
from schoolbell_server.contract.principals import write_principal
from schoolbell_server.rpc import field_reasons as reasons
from schoolbell_server.security.api_key import EVERY_DISTRICT, Rights
from schoolbell_storage.audit import AuditEntry, AuditQuery, PrincipalFilter
from schoolbell_storage.audit_chain import Check, Head
from schoolbell_storage.keys import ApiKeyRow
from schoolbell_storage.rights import RightRow

_DIGEST = re.compile(r"[0-9a-f]{64}", re.ASCII)

MOST = 100
"""Rights in a request, and sources of a key."""

_REQUIRED = "is required"


def check_key(
    asked: messages.ApiKey, district_id: str, report: ReportViolation, *, named: bool
) -> None:
    """Report every bad field of a new key; `named`: it must name the person it acts for."""
    _check_districts(asked, district_id, report)
    if not asked.display_name:
        report("api_key.display_name", _REQUIRED, reasons.REQUIRED)
    if asked.role not in (messages.ROLE_ADMINISTRATOR, 0) and asked.user_id:
        report(
            "api_key.user_id",
            "must be empty: the role's keys act for nobody else",
            reasons.NOT_ALLOWED,
        )
    if asked.role == messages.ROLE_ADMINISTRATOR and named and not asked.user_id:
        report(
            "api_key.user_id",
            f"{_REQUIRED} for ADMINISTRATOR: whose rights it has",
            reasons.REQUIRED,
        )
    if asked.role == messages.ROLE_ADMINISTRATOR and district_id == EVERY_DISTRICT:
        report(
            "api_key.role",
            "must not be ADMINISTRATOR here: rights are of one district each",
            reasons.NOT_ALLOWED,
        )
    if len(asked.sources) > MOST:
        report("api_key.sources", f"must have at most {MOST} values", reasons.TOO_LONG)
    if asked.sources and asked.role in (messages.ROLE_MOBILE_BACKEND, messages.ROLE_OPERATOR):
        report(
            "api_key.sources",
            "must be empty: nothing that the role may do is of a source",
            reasons.NOT_ALLOWED,
        )
    for index, source in enumerate(asked.sources):
        read_id(source, f"api_key.sources[{index}]", report)


def _check_districts(asked: messages.ApiKey, district_id: str, report: ReportViolation) -> None:
    """Report districts that do not go together, or without the request's own."""
    path, named = "api_key.district_ids", list(asked.district_ids)
    if len(named) > MOST:
        report(path, f"must have at most {MOST} values, has {len(named)}", reasons.TOO_LONG)
    if len(set(named)) != len(named):
        report(path, "must name each district at most once", reasons.DUPLICATE)
    if named and district_id not in named:
        report(path, "must name the district of the request", reasons.INCONSISTENT)
    if EVERY_DISTRICT in named and len(named) > 1:
        report(path, "must name `-` alone, or districts", reasons.INCONSISTENT)


def read_rights(
    asked: Sequence[messages.ToolRight], report: ReportViolation, *, groups: bool
) -> list[RightRow]:
    """Return the rights that a request names; `groups` says whether a group's may be."""
    if not 1 <= len(asked) <= MOST:
        reason = reasons.TOO_LONG if asked else reasons.TOO_SHORT
        report("rights", f"must have from 1 to {MOST} values, has {len(asked)}", reason)
    for index, right in enumerate(asked):
        path = f"rights[{index}]"
        read_id(right.grantee_id, f"{path}.grantee_id", report)
        for field in ("grantee_type", "tool", "right"):
            if not getattr(right, field):
                report(f"{path}.{field}", _REQUIRED, reasons.REQUIRED)
        if not groups and right.grantee_type == messages.GRANTEE_TYPE_GROUP:
            report(
                f"{path}.grantee_type",
                "must be USER: no issuer of tokens names the groups of their holders "
                "(identity.issuers), so a right of a group would have no effect",
                reasons.NOT_ALLOWED,
            )
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
        district_ids=row.district_ids,
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
        principal=write_principal(entry.actor.principal),
        client_address=entry.actor.client_address,
        request_id=entry.actor.request_id,
        method=entry.action,
        subject=entry.target,
    )
    message.before.update(entry.before)
    message.after.update(entry.after)
    return message


def read_audit_filter(
    asked: messages.AuditFilter, district_id: str, report: ReportViolation
) -> AuditQuery:
    """Return the filter of the audit log of a district."""
    for field in ("principals", "methods", "subjects"):
        count = len(getattr(asked, field))
        if count > MOST:
            report(
                f"filter.{field}", f"must have at most {MOST} values, has {count}", reasons.TOO_LONG
            )
    start = end = None
    if asked.HasField("start_create_time"):
        start = read_time(asked.start_create_time, "filter.start_create_time", report)
    if asked.HasField("end_create_time"):
        end = read_time(asked.end_create_time, "filter.end_create_time", report)
    return AuditQuery(
        district_id=district_id,
        principals=[
            PrincipalFilter(type=one.type, id=one.id, acting_user_id=one.acting_user_id)
            for one in asked.principals
        ],
        actions=list(asked.methods),
        targets=list(asked.subjects),
        start_time=start,
        end_time=end,
    )


def write_head(head: Head) -> messages.AuditHead:
    """Return the end of an audit log as messages carry it."""
    return messages.AuditHead(entry_number=head.sequence, digest=head.digest)


def read_head(request: messages.VerifyAuditLogRequest, report: ReportViolation) -> Head | None:
    """Return the head that a caller kept, if there is one."""
    if not request.HasField("head"):
        return None
    head = request.head
    if head.entry_number < 0:
        report("head.entry_number", "must not be negative", reasons.OUT_OF_RANGE)
    if not _DIGEST.fullmatch(head.digest):
        report("head.digest", "must have 64 hexadecimal digits in lower case")
    return Head(head.entry_number, head.digest)


def write_check(check: Check) -> messages.VerifyAuditLogResponse:
    """Return how an audit log was found."""
    found = messages.VerifyAuditLogResponse(
        fault=messages.AuditFault.ValueType(check.fault or 0),
        audit_entry_id=check.faulty,
        first_entry_number=check.first_sequence,
        entry_count=check.entries,
        erased_entry_count=check.erased,
    )
    if check.head is not None:
        found.head.CopyFrom(write_head(check.head))
    return found


def write_district_rights(district_id: str, rights: Rights) -> messages.DistrictRights:
    """Return the tool rights of a caller in one district."""
    return messages.DistrictRights(
        district_id=district_id,
        rights=[
            messages.ToolRight(
                tool=messages.Tool.ValueType(tool), right=messages.Right.ValueType(right)
            )
            for tool, right in sorted(rights.items())
        ],
    )
