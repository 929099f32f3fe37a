"""What the audit log says of an act: the fields that changed, or the steps that it took."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from sqlalchemy.ext.asyncio import AsyncConnection

from schoolbell_server.rpc.caller import current_caller
from schoolbell_storage.audit import Actor, Document, append_audit
from schoolbell_storage.engine import Storage

MOST_VALUES = 20
"""Values of a list that an entry names; beyond them only their count."""

Fields = dict[str, Any]


def _current_actor() -> Actor:
    return current_caller().actor


@dataclass(slots=True, kw_only=True)
class Trail:
    """The entries of one call: each is written in the transaction of the step that it records.

    The first entry says what was asked for; every one says what its step did.
    """

    district_id: str
    method: str
    """Such as `schoolbell.v1.StatusService/CancelDeliveries`."""
    subject: str
    clock: Callable[[], dt.datetime]
    asked: Document = field(default_factory=dict)
    """What was asked for."""
    always: bool = False
    """Whether the first step is recorded also if it did nothing."""
    actor: Actor = field(default_factory=_current_actor)
    _steps: int = 0

    async def record(self, connection: AsyncConnection, **done: int) -> None:
        """Write what a step did, by name."""
        if not any(done.values()) and not (self.always and not self._steps):
            return
        asked = {} if self._steps else self.asked
        self._steps += 1
        await append_audit(
            connection,
            district_id=self.district_id,
            now=self.clock(),
            actor=self.actor,
            action=self.method,
            changes=[(self.subject, {}, {**asked, "step": self._steps, **done})],
        )


async def audit(
    connection: AsyncConnection,
    *,
    district_id: str,
    now: dt.datetime,
    action: str,
    changes: Sequence[tuple[str, Document, Document]],
) -> None:
    """Record (target, before, after) of each thing that the caller changes, in its transaction."""
    await append_audit(
        connection,
        district_id=district_id,
        now=now,
        actor=_current_actor(),
        action=action,
        changes=changes,
    )


async def audit_act(
    storage: Storage,
    *,
    district_id: str,
    method: str,
    subject: str,
    now: dt.datetime,
    asked: Document,
) -> None:
    """Write down an act that changes nothing stored, such as a look, before it is answered."""
    async with storage.write() as connection:
        await audit(
            connection,
            district_id=district_id,
            now=now,
            action=method,
            changes=[(subject, {}, asked)],
        )


def asked_of(message: Message) -> Fields:
    """Return the populated fields of a message for the audit log, long lists cut."""
    return bounded(MessageToDict(message, preserving_proto_field_name=True))


def bounded(document: Mapping[str, Any]) -> Fields:
    """Return a document whose lists are cut, with the count of what they had."""
    found: Fields = {}
    for name, value in document.items():
        if isinstance(value, list):
            found[name] = value[:MOST_VALUES]
            if len(value) > MOST_VALUES:
                found[f"{name}_count"] = len(value)
        else:
            found[name] = bounded(value) if isinstance(value, dict) else value
    return found


def changed_fields(
    before: Message, after: Message, fields: Collection[str]
) -> tuple[Fields, Fields]:
    """Return those of the named fields in which two messages differ, as each has them."""
    old, new = _document(before), _document(after)
    changed = sorted(name for name in fields if old.get(name) != new.get(name))
    return _picked(old, changed), _picked(new, changed)


def _document(message: Message) -> Fields:
    return MessageToDict(
        message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )


def _picked(document: Fields, names: Collection[str]) -> Fields:
    return {name: document[name] for name in names if name in document}
