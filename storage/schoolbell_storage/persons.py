"""Everything that is stored of one person, and where: one description exports and erases it.

A person's own records are found by indexes only, so that they cost the same in a district of any
size; the audit log, import reports and the status log, which name them, are looked through.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

from sqlalchemy import (
    ColumnElement,
    Row,
    Table,
    and_,
    delete,
    exists,
    func,
    or_,
    select,
    tuple_,
    union,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from schoolbell_server.domain import compact
from schoolbell_server.domain.decision import DecisionRecord, without
from schoolbell_server.domain.kinds import CancelCause, Kind
from schoolbell_server.domain.kinds.registry import key_prefixes
from schoolbell_server.domain.principal import Principal, PrincipalType
from schoolbell_storage.accounts import sharers_of
from schoolbell_storage.decision_records import decode_record, encode_record
from schoolbell_storage.deliveries import UNSENT
from schoolbell_storage.fact_documents import decode_told, encode_told
from schoolbell_storage.keys import take_from_keys
from schoolbell_storage.pacing import paced
from schoolbell_storage.principals import encode_principal
from schoolbell_storage.rights import USER
from schoolbell_storage.tables import (
    api_key,
    api_key_district,
    bar,
    change,
    change_key,
    delivery,
    device,
    display_options,
    district,
    enrollment,
    fact,
    relationship,
    subscription,
    test_notification,
    tool_right,
    user_account,
)

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """A person of a district, and everybody who was ever related to them."""

    district_id: str
    user_id: str
    related: tuple[str, ...]
    sharing: tuple[str, ...] = ()
    """Who shares a lunch account with the person or with somebody related: a change of theirs may
    name the person, or have told them."""

    @property
    def students(self) -> tuple[str, ...]:
        """Return the others whose changes may have been told to the person."""
        return tuple(sorted({*self.related, *self.sharing} - {self.user_id}))


Place = tuple[Any, ...]
"""Where a page ends: the values that it is ordered by, of its last row."""


@dataclass(frozen=True, slots=True)
class Page(Generic[Item]):
    """What a page holds, and where the next one begins."""

    found: list[Item]
    """It may be less than was looked through."""
    after: Place | None
    """None at the end."""


@dataclass(frozen=True, slots=True)
class PersonRows:
    """The rows of a table that are a person's."""

    record_type: str
    table: Table
    where: ColumnElement[bool]
    district_id: str = ""
    """Of keys: the district that is taken from them, for they may be for others too."""


async def find_person(connection: AsyncConnection, district_id: str, user_id: str) -> Person:
    """Return a person, also one of whom nothing is stored."""
    here = relationship.c.district_id == district_id
    related = union(
        select(relationship.c.guardian_id).where(here, relationship.c.student_id == user_id),
        select(relationship.c.student_id).where(here, relationship.c.guardian_id == user_id),
    )
    found = set((await connection.execute(related)).scalars())
    sharing = await sharers_of(connection, district_id, [user_id, *sorted(found)])
    return Person(
        district_id=district_id,
        user_id=user_id,
        related=tuple(sorted(found)),
        sharing=tuple(sorted(sharing - {user_id})),
    )


def account(person: Person) -> PersonRows:
    """Return the person's account: without it nothing new is accepted of them, or told to them."""
    return PersonRows(
        "user",
        user_account,
        and_(
            user_account.c.district_id == person.district_id,
            user_account.c.user_id == person.user_id,
        ),
    )


def records(person: Person) -> list[PersonRows]:
    """Return what came to be of a person by the service's work, what others hang on first."""
    here, own = person.district_id, person.user_id
    own_devices = and_(device.c.district_id == here, device.c.user_id == own)
    chosen = and_(subscription.c.district_id == here, subscription.c.user_id == own)
    others_choices = and_(
        subscription.c.district_id == here,
        subscription.c.student_id == own,
        subscription.c.user_id != own,
    )
    tried = and_(test_notification.c.district_id == here, test_notification.c.user_id == own)
    return [
        PersonRows("subscription", subscription, chosen),
        PersonRows("subscription", subscription, others_choices),
        PersonRows("test_notification", test_notification, tried),
        PersonRows("device", device, own_devices),
        *deliveries(person),
        *_facts(person),
        PersonRows(
            "tool_right",
            tool_right,
            and_(
                tool_right.c.district_id == here,
                tool_right.c.grantee_type == USER,
                tool_right.c.grantee_id == own,
            ),
        ),
        PersonRows("api_key", api_key, and_(_for_district(here), api_key.c.user_id == own), here),
    ]


def deliveries(person: Person) -> list[PersonRows]:
    """Return the deliveries to a person, and those about them to everybody else."""
    here = delivery.c.district_id == person.district_id
    about = and_(
        here, delivery.c.user_id.in_(person.related), delivery.c.student_id == person.user_id
    )
    return [
        PersonRows("delivery", delivery, and_(here, delivery.c.user_id == person.user_id)),
        PersonRows("delivery", delivery, about),
    ]


def _facts(person: Person) -> list[PersonRows]:
    """Return the facts of a person, one range of keys a kind: of several no index is used."""
    here = fact.c.district_id == person.district_id
    return [
        PersonRows("fact", fact, and_(here, fact.c.fact_key >= first, fact.c.fact_key < beyond))
        for first, beyond in key_prefixes(person.user_id)
    ]


def changes(person: Person) -> PersonRows:
    """Return what was published of a person."""
    return PersonRows("change", change, _changes_of(person, person.user_id))


def _changes_of(person: Person, student_id: str) -> ColumnElement[bool]:
    return and_(change.c.district_id == person.district_id, change.c.student_id == student_id)


def relationships(person: Person) -> list[PersonRows]:
    """Return how a person hangs together with others; the rest is found by it, so it goes last."""
    here, own = person.district_id, person.user_id
    either = or_(relationship.c.student_id == own, relationship.c.guardian_id == own)
    barred = or_(bar.c.student_id == own, bar.c.guardian_id == own)
    stays = and_(enrollment.c.district_id == here, enrollment.c.student_id == own)
    return [
        PersonRows("enrollment", enrollment, stays),
        PersonRows("bar", bar, and_(bar.c.district_id == here, barred)),
        PersonRows("relationship", relationship, and_(relationship.c.district_id == here, either)),
    ]


async def is_known(connection: AsyncConnection, person: Person) -> bool:
    """Return whether a person is of the roster, or anything came to be of them by the service.

    Keys and rights alone make nobody a person of this kind.
    """
    own = [one for one in records(person) if one.table not in (tool_right, api_key)]
    for holding in (account(person), *relationships(person), *own, changes(person)):
        found = await connection.execute(select(exists().where(holding.where)))
        if found.scalar_one():
            return True
    return False


async def read_holding(
    connection: AsyncConnection, holding: PersonRows, after: Place | None, limit: int
) -> Page[Row[Any]]:
    """Return a page of rows by their primary key."""
    key = list(holding.table.primary_key)
    wanted = select(holding.table).where(holding.where)
    if after is not None:
        wanted = wanted.where(tuple_(*key) > after)
    rows = list(await connection.execute(wanted.order_by(*key).limit(limit)))
    full = len(rows) == limit
    return Page(rows, tuple(getattr(rows[-1], column.name) for column in key) if full else None)


async def erase(connection: AsyncConnection, holding: PersonRows, most: int) -> int:
    """Erase up to `most` rows, locked in the order of their keys; return how many."""
    key = list(holding.table.primary_key)
    rows = await connection.execute(
        select(*key).where(holding.where).order_by(*key).limit(most).with_for_update()
    )
    names = [tuple(row) for row in rows]
    if names:
        if holding.table is api_key:
            await take_from_keys(connection, holding.district_id, [name for (name,) in names])
        else:
            await connection.execute(delete(holding.table).where(tuple_(*key).in_(names)))
        if holding.table is change:
            await _erase_keys(connection, names)
    return len(names)


async def _erase_keys(connection: AsyncConnection, names: list[tuple[Any, ...]]) -> None:
    key = tuple_(*change_key.primary_key)
    await connection.execute(delete(change_key).where(key.in_(names)))


async def unsent(connection: AsyncConnection, holding: PersonRows, most: int) -> list[str]:
    """Return the ids of deliveries of a holding that have not left and are not cancelled."""
    found = await connection.execute(
        select(delivery.c.delivery_id)
        .where(holding.where, delivery.c.state.in_(UNSENT), delivery.c.cancel_cause.is_(None))
        .order_by(delivery.c.delivery_id)
        .limit(most)
    )
    return list(found.scalars())


@dataclass(frozen=True, slots=True)
class Decided:
    """A change whose recorded decision names the person."""

    name: tuple[str, str, str]
    """(district_id, source, change_id)"""
    accept_time: int
    student_id: str
    record: DecisionRecord


async def decisions(
    connection: AsyncConnection, person: Person, student_id: str, after: Place | None, limit: int
) -> Page[Decided]:
    """Look through a page of a student's changes for decisions in which the person is a recipient.

    `after` is the (accept time in microseconds, source, change_id) of the page before.
    """
    rows, last = await _looked_through(connection, after, limit, _changes_of(person, student_id))
    decided = [_decided(row) async for row in paced(rows)]
    return Page([one for one in decided if _names(one.record, person.user_id)], last)


async def lock_decisions(
    connection: AsyncConnection, found: Collection[Decided]
) -> Sequence[Decided]:
    """Lock decisions, and return them as they are now."""
    return [_decided(row) for row in await _lock_changes(connection, found)]


def _decided(row: Row[Any]) -> Decided:
    return Decided(
        name=(row.district_id, row.source, row.change_id),
        accept_time=row.accept_time,
        student_id=row.student_id,
        record=decode_record(row.decision),
    )


def _names(record: DecisionRecord, user_id: str) -> bool:
    return any(one.user_id == user_id for one in record.decision.recipients)


async def forget_recipient(connection: AsyncConnection, decided: Decided, user_id: str) -> None:
    """Store a decision as if the person had never been a recipient."""
    source, change_id = decided.name[1:]
    await connection.execute(
        update(change)
        .where(
            change.c.district_id == decided.name[0],
            change.c.source == source,
            change.c.change_id == change_id,
        )
        .values(decision=encode_record(without(decided.record, user_id)))
    )


@dataclass(frozen=True, slots=True)
class Published:
    """An accepted change: (district_id, source, change_id), and the server's bytes."""

    name: tuple[str, str, str]
    content: bytes


async def published(
    connection: AsyncConnection,
    person: Person,
    student_id: str,
    kind: Kind,
    after: Place | None,
    limit: int,
) -> Page[Published]:
    """Look through a page of a student's changes of a kind for those that name the person.

    `after` is as for `decisions`. What is found may only seem to name them.
    """
    which = _changes_of(person, student_id) & (change.c.kind == int(kind))
    rows, last = await _looked_through(connection, after, limit, which)
    named = person.user_id.encode()
    return Page([_published(row) for row in rows if named in row.content], last)


async def lock_published(
    connection: AsyncConnection, found: Collection[Published]
) -> Sequence[Published]:
    """Lock changes, and return them as they are now."""
    return [_published(row) for row in await _lock_changes(connection, found)]


def _published(row: Row[Any]) -> Published:
    return Published((row.district_id, row.source, row.change_id), row.content)


async def _looked_through(
    connection: AsyncConnection, after: Place | None, limit: int, which: ColumnElement[bool]
) -> tuple[list[Row[Any]], Place | None]:
    """Return a page of changes, and where the next one begins; None at the end."""
    place = (change.c.accept_time, change.c.source, change.c.change_id)
    page = select(change).where(which)
    if after is not None:
        page = page.where(change.c.accept_time >= after[0], tuple_(*place) > after)
    rows = list(await connection.execute(page.order_by(*place).limit(limit)))
    if len(rows) < limit:
        return rows, None
    return rows, (rows[-1].accept_time, rows[-1].source, rows[-1].change_id)


async def _lock_changes(
    connection: AsyncConnection, found: Collection[Decided] | Collection[Published]
) -> Sequence[Row[Any]]:
    """Lock changes by their names, in the order of their keys."""
    key = list(change.primary_key)
    names = sorted(one.name for one in found)
    rows = await connection.execute(
        select(change).where(tuple_(*key).in_(names)).order_by(*key).with_for_update()
    )
    return rows.all()


async def forget_sharer(connection: AsyncConnection, left: Published, user_id: str) -> None:
    """Store a change that no longer names a person, and that its deliveries do not either."""
    district_id, source, change_id = left.name
    await connection.execute(
        update(change)
        .where(
            change.c.district_id == district_id,
            change.c.source == source,
            change.c.change_id == change_id,
        )
        .values(content=left.content)
    )
    of_change = and_(
        delivery.c.district_id == district_id,
        delivery.c.source == source,
        delivery.c.change_id == change_id,
    )
    rows = await connection.execute(
        select(delivery.c.delivery_id, delivery.c.told)
        .where(of_change)
        .order_by(delivery.c.delivery_id)
        .with_for_update()
    )
    for delivery_id, text in rows.all():
        told = decode_told(text)
        others = tuple(one for one in told.shared_student_ids if one != user_id)
        if others != told.shared_student_ids:
            forgotten = encode_told(replace(told, shared_student_ids=others))
            same = delivery.c.delivery_id == delivery_id
            await connection.execute(update(delivery).where(same).values(told=forgotten))


def _for_district(district_id: str) -> ColumnElement[bool]:
    """Tell the keys that are for a district, and perhaps for others."""
    mine = select(api_key_district.c.key_id).where(api_key_district.c.district_id == district_id)
    return api_key.c.key_id.in_(mine)


async def forget_writer(connection: AsyncConnection, person: Person) -> int:
    """Forget that a person saved settings, made keys, set bars or cancelled; count the rows."""
    count = await _forget_subjects(connection, person)
    count += await _forget_canceller(connection, person)
    here = person.district_id
    for table, column, places in (
        (district, district.c.settings_updater, district.c.district_id == here),
        (district, district.c.settings_acting_user_id, district.c.district_id == here),
        (display_options, display_options.c.updater, display_options.c.district_id == here),
        (api_key, api_key.c.creator, _for_district(here)),
        (bar, bar.c.acting_user_id, bar.c.district_id == here),
    ):
        forgotten = await connection.execute(
            update(table).where(places, column == person.user_id).values({column: ""})
        )
        count += forgotten.rowcount
    return count


async def _forget_subjects(connection: AsyncConnection, person: Person) -> int:
    """Forget what the person's provider calls them, where they acted with a token.

    Count the rows that name the person nowhere then; the others are counted with the person.
    """
    for table, column, kind, acting in (
        (
            district,
            district.c.settings_updater,
            district.c.settings_updater_type,
            district.c.settings_acting_user_id,
        ),
        (bar, bar.c.principal_id, bar.c.principal_type, bar.c.acting_user_id),
    ):
        theirs = and_(kind == int(PrincipalType.TOKEN), acting == person.user_id)
        here = table.c.district_id == person.district_id
        await connection.execute(update(table).where(here, theirs).values({column: ""}))
    begin, end = f"[{int(PrincipalType.TOKEN)},", f",{compact.encode(person.user_id)}]"
    cancelled = await connection.execute(
        update(delivery)
        .where(
            delivery.c.district_id == person.district_id,
            delivery.c.cancel_cause == int(CancelCause.PERSON),
            delivery.c.cancel_principal.startswith(begin, autoescape=True),
            delivery.c.cancel_principal.endswith(end, autoescape=True),
        )
        .values(cancel_principal=encode_principal(Principal(PrincipalType.TOKEN, "")))
    )
    return cancelled.rowcount


async def _forget_canceller(connection: AsyncConnection, person: Person) -> int:
    quoted = compact.encode(person.user_id)
    forgotten = await connection.execute(
        update(delivery)
        .where(
            delivery.c.district_id == person.district_id,
            delivery.c.cancel_cause == int(CancelCause.PERSON),
            delivery.c.cancel_principal.contains(quoted, autoescape=True),
        )
        .values(cancel_principal=func.replace(delivery.c.cancel_principal, quoted, '""'))
    )
    return forgotten.rowcount
