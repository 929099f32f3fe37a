"""Erase a person: first what lets anything new come, then everything in small steps.

How a person hangs together with others goes last, because the rest is found by it: an erasure that
broke off is finished by asking again. Each step has its entry in the audit log, which names the
person by a pseudonym from the first one on.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from functools import partial

from sqlalchemy.ext.asyncio import AsyncConnection

from schoolbell.v1.change_pb2 import Change
from schoolbell_server.contract.changes import normalise
from schoolbell_server.dispatch.cancelling import cancel_deliveries
from schoolbell_server.domain.kinds import CancelCause, Kind
from schoolbell_server.domain.transitions import Cancellation
from schoolbell_server.rpc.caller import current_caller
from schoolbell_server.security.api_key import Right, Tool
from schoolbell_server.security.pseudonyms import Pseudonyms
from schoolbell_server.servicers.access.last_access import change_in_turn, keep_access
from schoolbell_server.servicers.common.audit_trail import Trail
from schoolbell_server.servicers.common.not_found import no_user
from schoolbell_server.servicers.persons.pages import pages
from schoolbell_server.status import journal
from schoolbell_server.status.forgetting import blanked
from schoolbell_storage import mentions, persons, status_log
from schoolbell_storage.accounts import leave_accounts
from schoolbell_storage.deliveries import fetch_deliveries
from schoolbell_storage.districts import move_roster
from schoolbell_storage.engine import Storage
from schoolbell_storage.keys import find_key
from schoolbell_storage.persons import Person, PersonRows, Published
from schoolbell_storage.rights import holders
from schoolbell_storage.status_log import LogEntry

_STEP = 500  # rows in one transaction
_ALL = 2**31 - 1  # rows
_LOG_STEP = 100  # entries of the status log, each a whole transaction's
_CANCELLED = "the person's data were erased"
METHOD = "schoolbell.v1.AccessService/ErasePersonData"

Step = Callable[[AsyncConnection], Awaitable[int]]


class Erasure:
    """Erases persons."""

    def __init__(
        self,
        storage: Storage,
        *,
        pseudonyms: Pseudonyms,
        clock: Callable[[], dt.datetime],
        on_written: Callable[[], None],
    ) -> None:
        """Call `on_written` when watchers have something to see."""
        self._storage = storage
        self._pseudonyms = pseudonyms
        self._clock = clock
        self._on_written = on_written

    async def check(self, person: Person) -> None:
        """Check that a person can be erased, or was before; SchoolbellError if neither.

        A key's id names no person, whatever the roster says: who made keys and settings stays.
        """
        async with self._storage.read() as connection:
            if await find_key(connection, person.user_id) is not None:
                raise no_user(person.user_id)
            if await persons.is_known(connection, person):
                return
            name = self._pseudonyms.of(person.district_id, person.user_id)
            if not await mentions.was_erased(connection, person.district_id, METHOD, name):
                raise no_user(person.user_id)

    async def erase(self, person: Person) -> int:
        """Erase everything that is stored of a person; return how many records were erased."""
        self._storage.erased.set()  # also where it breaks off: what it did is to be emptied out
        try:
            return await _Erasing(
                self._storage,
                person,
                pseudonym=self._pseudonyms.of(person.district_id, person.user_id),
                clock=self._clock,
                on_written=self._on_written,
            ).erase()
        finally:
            self._storage.erased.set()

    async def count(self, person: Person) -> int:
        """Return how many records `erase` would erase now; nothing is written."""
        async with self._storage.write(keep=False) as connection:
            count = await persons.erase(connection, persons.account(person), 1)
            count += await leave_accounts(connection, person.district_id, person.user_id)
            holdings = (
                *persons.records(person),
                persons.changes(person),
                *persons.relationships(person),
            )
            for holding in holdings:
                count += await persons.erase(connection, holding, _ALL)
            count += await persons.forget_writer(connection, person)
            count += await mentions.forget_in_imports(connection, person)
            count += await mentions.forget_in_bars(connection, person)
        for student_id in person.students:
            named = partial(persons.decisions, person=person, student_id=student_id, limit=_STEP)
            count += sum([len(found) async for found in pages(self._storage, named)])
        entries = partial(mentions.audit_mentions, person=person, limit=_STEP)
        return count + sum([len(found) async for found in pages(self._storage, entries)])


class _Erasing:
    """One erasure under way."""

    def __init__(
        self,
        storage: Storage,
        person: Person,
        *,
        pseudonym: str,
        clock: Callable[[], dt.datetime],
        on_written: Callable[[], None],
    ) -> None:
        self._storage = storage
        self._person = person
        self._pseudonym = pseudonym
        self._clock = clock
        self._on_written = on_written
        actor = current_caller().actor
        who = mentions.principal(actor.principal, person.user_id, pseudonym)
        self._trail = Trail(
            district_id=person.district_id,
            method=METHOD,
            subject=f"persons/{pseudonym}",
            clock=clock,
            actor=replace(actor, principal=who),
        )

    async def erase(self) -> int:
        person = self._person
        count = await self._write(self._close)
        for holding in persons.deliveries(person):
            await self._cancel(holding)
        while True:  # what was being published meanwhile is found by the next pass
            found = await self._pass(person)
            count += found
            if not found:
                break
        for holding in persons.relationships(person):
            count += await self._erase(holding)
        count += await self._write(lambda one: persons.forget_writer(one, person))
        count += await self._write(lambda one: mentions.forget_in_imports(one, person))
        count += await self._write(lambda one: mentions.forget_in_bars(one, person))
        await self._forget_in_log(person)
        return count + await self._forget_in_audit(person)

    async def _close(self, connection: AsyncConnection) -> int:
        """Remove the account: from here on no change of the person is accepted and none is sent."""
        person = self._person
        await change_in_turn(connection, [person.district_id])
        able = await holders(connection, person.district_id, Tool.ACCESS, Right.WRITE)
        if person.user_id in able:
            await keep_access(connection, [person.district_id], self._clock(), person.user_id)
        return await persons.erase(connection, persons.account(person), 1)

    async def _pass(self, person: Person) -> int:
        found = await self._forget_recipient(person)
        found += await self._forget_sharing(person)
        for holding in (*persons.records(person), persons.changes(person)):
            found += await self._erase(holding)
        return found

    async def _write(self, step: Step) -> int:
        async with self._storage.write() as connection:
            count = await step(connection)
            if count:  # most steps are of the roster
                await move_roster(connection, self._person.district_id)
            await self._trail.record(connection, records=count)
        return count

    async def _erase(self, holding: PersonRows) -> int:
        count, rows = 0, _STEP
        while rows == _STEP:
            rows = await self._write(lambda one: persons.erase(one, holding, _STEP))
            count += rows
        return count

    async def _cancel(self, holding: PersonRows) -> None:
        """Cancel what is not sent yet, so that watchers see its end before it is gone."""
        while True:
            async with self._storage.write() as connection:
                names = await persons.unsent(connection, holding, _STEP)
                rows = (await fetch_deliveries(connection, names, lock=True)).values()
                now = self._clock()
                why = Cancellation(
                    cause=CancelCause.PERSON,
                    comment=_CANCELLED,
                    principal=current_caller().principal,
                )
                cancelled = await cancel_deliveries(connection, rows, why, now)
                await self._trail.record(connection, cancelled=len(cancelled))
                await journal.record(connection, now, cancelled)
            self._on_written()
            if len(names) < _STEP:
                return

    async def _forget_recipient(self, person: Person) -> int:
        """Take the person out of the recorded decisions of others' changes."""
        count = 0
        for student_id in person.students:
            named = partial(persons.decisions, person=person, student_id=student_id, limit=_STEP)
            async for found in pages(self._storage, named):
                async with self._storage.write() as connection:
                    for one in await persons.lock_decisions(connection, found):
                        await persons.forget_recipient(connection, one, person.user_id)
                    await self._trail.record(connection, records=len(found))
                count += len(found)
        return count

    async def _forget_sharing(self, person: Person) -> int:
        """Take the person out of lunch accounts that others share, and of their changes."""
        count = 0
        for student_id in person.sharing:
            named = partial(
                persons.published,
                person=person,
                student_id=student_id,
                kind=Kind.LUNCH_BALANCE,
                limit=_STEP,
            )
            async for found in pages(self._storage, named):
                async with self._storage.write() as connection:
                    for one in await persons.lock_published(connection, found):
                        left = _left(one, person.user_id)
                        if left is not None:
                            await persons.forget_sharer(connection, left, person.user_id)
                            count += 1
                    await self._trail.record(connection, records=len(found))
        district_id, user_id = person.district_id, person.user_id
        return count + await self._write(lambda one: leave_accounts(one, district_id, user_id))

    async def _forget_in_log(self, person: Person) -> None:
        """Blank what the status log says of the person; positions in it stay what they are."""
        after, read = 0, _LOG_STEP
        while read == _LOG_STEP:
            async with self._storage.read() as connection:
                settled = (await status_log.position(connection)).value
                entries = await status_log.district_entries(
                    connection, person.district_id, after, _LOG_STEP
                )
            named = [entry for entry in entries if blanked(entry, person.user_id) is not None]
            if named:
                await self._blank(named, person)
            read = len(entries)
            if entries:  # what is committed only now may have a revision before the last
                after = max(after, min(entries[-1].revision, settled))

    async def _blank(self, named: Sequence[LogEntry], person: Person) -> None:
        """Blank entries as they are now: one often names several, and others are erased too."""
        async with self._storage.write() as connection:
            for entry in await status_log.lock_entries(connection, named):
                if (blank := blanked(entry, person.user_id)) is not None:
                    await status_log.rewrite(connection, blank)

    async def _forget_in_audit(self, person: Person) -> int:
        count = 0
        named = partial(mentions.audit_mentions, person=person, limit=_STEP)
        async for found in pages(self._storage, named):
            async with self._storage.write() as connection:
                for entry in await mentions.lock_entries(connection, found):
                    renamed = mentions.renamed(entry, person.user_id, self._pseudonym)
                    await mentions.rewrite_entry(connection, renamed)
                await self._trail.record(connection, records=len(found))
            count += len(found)
        return count


def _left(published: Published, user_id: str) -> Published | None:
    """Return a change without somebody who shares the account; None if it does not name them."""
    change = Change.FromString(published.content)
    shared = change.lunch_balance.shared_student_ids
    if user_id not in shared:
        return None
    others = [one for one in shared if one != user_id]
    del shared[:]
    shared.extend(others)
    return replace(published, content=normalise(change))
