"""Where a person is named in what is no record of theirs: audit log, import reports, bars."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import and_, or_, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from schoolbell_server.domain.principal import Principal, PrincipalType
from schoolbell_storage.audit import AuditEntry, decode_entry
from schoolbell_storage.codec import to_json, to_micros
from schoolbell_storage.pacing import paced
from schoolbell_storage.persons import Page, Person, Place
from schoolbell_storage.roster_report import ImportReport, decode_report, encode_report
from schoolbell_storage.rows import among
from schoolbell_storage.tables import audit_entry, bar, roster_import

ERASED = "erased"
"""What stands in place of the id of a person whose data were erased, but for the audit log."""
_PERSONS = "persons/"
_NAMES_OF_PERSONS = frozenset(
    {"guardian_id", "guardian_ids", "student_id", "student_ids", "user_id", "user_ids"}
)
_FREE_TEXTS = frozenset({"comment", "display_name", "reason"})
"""Fields whose texts people write; `reason` is that of a cancel in older entries."""


async def audit_mentions(
    connection: AsyncConnection, person: Person, after: Place | None, limit: int
) -> Page[AuditEntry]:
    """Look through a page of the audit log; `after` is its (microseconds, id) of before."""
    place = (audit_entry.c.create_time, audit_entry.c.audit_entry_id)
    quoted = json.dumps(person.user_id, ensure_ascii=False)[1:-1]
    page = select(audit_entry).where(
        audit_entry.c.district_id == person.district_id,
        or_(
            audit_entry.c.caller == person.user_id,
            audit_entry.c.acting_user_id == person.user_id,
            audit_entry.c.target.contains(person.user_id, autoescape=True),
            audit_entry.c.before.contains(quoted, autoescape=True),
            audit_entry.c.after.contains(quoted, autoescape=True),
        ),
    )
    if after is not None:
        page = page.where(tuple_(*place) > after)
    rows = await connection.execute(page.order_by(*place).limit(limit))
    entries = [decode_entry(row) async for row in paced(rows)]
    found = [one for one in entries if renamed(one, person.user_id, ERASED) != one]
    last = (to_micros(entries[-1].create_time), entries[-1].audit_entry_id) if entries else None
    return Page(found, last if len(entries) == limit else None)


async def was_erased(
    connection: AsyncConnection, district_id: str, action: str, pseudonym: str
) -> bool:
    """Return whether the audit log knows of the erasure of a person."""
    found = await connection.execute(
        select(audit_entry.c.audit_entry_id)
        .where(
            audit_entry.c.district_id == district_id,
            audit_entry.c.action == action,
            audit_entry.c.target == f"{_PERSONS}{pseudonym}",
        )
        .limit(1)
    )
    return found.first() is not None


async def lock_entries(
    connection: AsyncConnection, found: Collection[AuditEntry]
) -> Sequence[AuditEntry]:
    """Lock audit entries, and return them as they are now."""
    names = sorted(one.audit_entry_id for one in found)
    rows = await connection.execute(
        select(audit_entry)
        .where(among(audit_entry.c.audit_entry_id, names))
        .order_by(audit_entry.c.audit_entry_id)
        .with_for_update()
    )
    return [decode_entry(row) for row in rows.all()]


async def rewrite_entry(connection: AsyncConnection, entry: AuditEntry) -> None:
    """Store an entry that no longer names a person; what it was cannot be checked any more."""
    await connection.execute(
        update(audit_entry)
        .where(audit_entry.c.audit_entry_id == entry.audit_entry_id)
        .values(
            caller=entry.actor.principal.id,
            acting_user_id=entry.actor.principal.acting_user_id,
            target=entry.target,
            salt="",
            before=to_json(entry.before),
            after=to_json(entry.after),
        )
    )


def renamed(entry: AuditEntry, user_id: str, pseudonym: str) -> AuditEntry:
    """Return an entry in which a person has another name; everything else stays as it is.

    Only what is known to name a person is looked at, and only the name in it changes: whatever id
    an erasure is asked for, no deed, right, role or key disappears from the log.
    """
    return replace(
        entry,
        actor=replace(entry.actor, principal=principal(entry.actor.principal, user_id, pseudonym)),
        target=_target(entry.target, user_id, pseudonym),
        before=_document(entry.before, user_id, pseudonym),
        after=_document(entry.after, user_id, pseudonym),
    )


def principal(known: Principal, user_id: str, pseudonym: str) -> Principal:
    """Return who acted with a person's other name; keys and parts of the service are no persons.

    The subject of a person's token is a name of theirs too, whatever their provider calls them.
    """
    own = known.type is PrincipalType.USER and known.id == user_id
    acting = known.acting_user_id == user_id
    own = own or (acting and known.type is PrincipalType.TOKEN)
    return replace(
        known,
        id=pseudonym if own else known.id,
        acting_user_id=pseudonym if acting else known.acting_user_id,
    )


def _target(target: str, user_id: str, pseudonym: str) -> str:
    if target == f"{_PERSONS}{user_id}":
        return f"{_PERSONS}{pseudonym}"
    for sort in ("rights/user/", "relationships/", "bars/"):
        if target.startswith(f"{sort}{user_id}/"):
            target = f"{sort}{pseudonym}{target[len(sort) + len(user_id) :]}"
    if target.startswith(("relationships/", "bars/")) and target.endswith(f"/{user_id}"):
        return f"{target.removesuffix(user_id)}{pseudonym}"
    return target


def _document(document: Mapping[str, Any], user_id: str, pseudonym: str) -> dict[str, Any]:
    return {name: _value(name, value, user_id, pseudonym) for name, value in document.items()}


def _value(name: str, value: Any, user_id: str, pseudonym: str) -> Any:
    if isinstance(value, dict):
        return _document(value, user_id, pseudonym)
    if isinstance(value, list):
        return [_value(name, one, user_id, pseudonym) for one in value]
    if name in _NAMES_OF_PERSONS:
        return pseudonym if value == user_id else value
    if name in _FREE_TEXTS and isinstance(value, str):
        return _word(user_id).sub(pseudonym, value)
    return value


def mentions(text: str, user_id: str) -> bool:
    """Return whether a text names a person's id as a word of its own."""
    return _word(user_id).search(text) is not None


def _word(user_id: str) -> re.Pattern[str]:
    return re.compile(rf"(?<![\w@.+-]){re.escape(user_id)}(?![\w@+-]|\.\w)")


async def forget_in_imports(connection: AsyncConnection, person: Person) -> int:
    """Forget the person in the problems of imports; return how many reports named them."""
    quoted = json.dumps(person.user_id, ensure_ascii=False)[1:-1]
    here = roster_import.c.district_id == person.district_id
    found = await connection.execute(
        select(roster_import.c.import_id, roster_import.c.report)
        .where(here, roster_import.c.report.contains(quoted, autoescape=True))
        .order_by(roster_import.c.import_id)
        .with_for_update()
    )
    count = 0
    for import_id, text in found.all():
        report = decode_report(text)
        forgotten = _report(report, person.user_id)
        if forgotten != report:
            count += 1
            same = and_(here, roster_import.c.import_id == import_id)
            await connection.execute(
                update(roster_import).where(same).values(report=encode_report(forgotten))
            )
    return count


async def forget_in_bars(connection: AsyncConnection, person: Person) -> int:
    """Forget the person in the comments on others' bars; return how many named them."""
    found = await connection.execute(
        select(*bar.primary_key.columns, bar.c.comment)
        .where(
            bar.c.district_id == person.district_id,
            bar.c.comment.contains(person.user_id, autoescape=True),
        )
        .order_by(*bar.primary_key.columns)
        .with_for_update()
    )
    keys = [tuple(row)[:-1] for row in found.all() if mentions(row.comment, person.user_id)]
    if keys:
        named = tuple_(*bar.primary_key.columns).in_(keys)
        await connection.execute(update(bar).where(named).values(comment=ERASED))
    return len(keys)


def _report(report: ImportReport, user_id: str) -> ImportReport:
    return replace(
        report,
        problems=[
            replace(one, name=None, description=ERASED)
            if mentions(one.description, user_id) or (one.name and user_id in one.name.ids)
            else one
            for one in report.problems
        ],
    )
