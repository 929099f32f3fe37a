"""Erase a person: first what lets anything new come, then everything in small steps.

How a person hangs together with others goes last, because the rest is found by it: an erasure that
broke off is finished by asking again.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from functools import partial

from sqlalchemy.ext.asyncio import AsyncConnection

from schoolbell.v1.change_pb2 import Change
from schoolbell_server.contract.changes import normalise
from schoolbell_server.domain.kinds import CancelCause, Kind
from schoolbell_server.domain.principal import encode_principal
from schoolbell_server.pipeline.cancelling import cancel_deliveries
from schoolbell_server.rpc.caller import current_caller
from schoolbell_server.servicers.person_pages import pages
from schoolbell_server.status import journal
from schoolbell_server.status.forgetting import blanked
from schoolbell_storage import mentions, persons, status_log
from schoolbell_storage.accounts import leave_accounts
from schoolbell_storage.deliveries import fetch_deliveries
from schoolbell_storage.districts import bump_facts
from schoolbell_storage.engine import Storage
from schoolbell_storage.persons import Holding, Person, Published
from schoolbell_storage.status_log import LogEntry

_STEP = 500  # rows in one transaction
_ALL = 2**31 - 1  # rows
_LOG_STEP = 100  # entries of the status log, each a whole transaction's
_CANCELLED = "the person's data were erased"

Step = Callable[[AsyncConnection], Awaitable[int]]


class Erasure:
    """Erases persons."""

    def __init__(
        self, storage: Storage, clock: Callable[[], dt.datetime], on_written: Callable[[], None]
    ) -> None:
        """Call `on_written` when watchers have something to see."""
        self._storage = storage
        self._clock = clock
        self._on_written = on_written

    async def erase(self, person: Person) -> int:
        """Erase everything that is stored of a person; return how many records were erased."""
        self._storage.erased.set()  # also where it breaks off: what it did is to be emptied out
        count = await self._write(lambda one: _close(one, person))
        for holding in persons.deliveries(person):
            await self._cancel(holding)
        while True:  # what was being published meanwhile is found by the next pass
            found = await self._pass(person)
            count += found
            if not found:
                break
        for holding in persons.ties(person):
            count += await self._erase(holding)
        count += await self._write(lambda one: persons.forget_writer(one, person))
        count += await self._write(lambda one: mentions.forget_in_imports(one, person))
        count += await self._write(lambda one: mentions.forget_in_bars(one, person))
        await self._forget_in_log(person)
        count += await self._forget_in_audit(person)
        self._storage.erased.set()
        return count

    async def count(self, person: Person) -> int:
        """Return how many records `erase` would erase now; nothing is written."""
        async with self._storage.write(keep=False) as connection:
            count = await persons.erase(connection, persons.account(person), 1)
            holdings = (*persons.records(person), persons.changes(person), *persons.ties(person))
            for holding in holdings:
                count += await persons.erase(connection, holding, _ALL)
            count += await persons.forget_writer(connection, person)
            count += await mentions.forget_in_imports(connection, person)
        for student_id in person.related:
            named = partial(persons.decisions, person=person, student_id=student_id, limit=_STEP)
            count += sum([len(found) async for found in pages(self._storage, named)])
        entries = partial(mentions.audit_mentions, person=person, limit=_STEP)
        return count + sum([len(found) async for found in pages(self._storage, entries)])

    async def _pass(self, person: Person) -> int:
        found = await self._forget_recipient(person)
        found += await self._forget_sharing(person)
        for holding in (*persons.records(person), persons.changes(person)):
            found += await self._erase(holding)
        return found

    async def _write(self, step: Step) -> int:
        async with self._storage.write() as connection:
            return await step(connection)

    async def _erase(self, holding: Holding) -> int:
        count, rows = 0, _STEP
        while rows == _STEP:
            rows = await self._write(lambda one: persons.erase(one, holding, _STEP))
            count += rows
        return count

    async def _cancel(self, holding: Holding) -> None:
        """Cancel what has not left, so that watchers see its end before it is gone."""
        while True:
            async with self._storage.write() as connection:
                names = await persons.unsent(connection, holding, _STEP)
                rows = (await fetch_deliveries(connection, names, lock=True)).values()
                now = self._clock()
                cancelled = await cancel_deliveries(
                    connection,
                    rows,
                    CancelCause.PERSON,
                    _CANCELLED,
                    now,
                    principal=encode_principal(current_caller().principal),
                )
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
        district_id, user_id = person.district_id, person.user_id
        return count + await self._write(lambda one: leave_accounts(one, district_id, user_id))

    async def _forget_in_log(self, person: Person) -> None:
        """Blank what the status log says of the person; positions in it stay what they are."""
        after, read = 0, _LOG_STEP
        while read == _LOG_STEP:
            async with self._storage.read() as connection:
                entries = await status_log.district_entries(
                    connection, person.district_id, after, _LOG_STEP
                )
            named = [entry for entry in entries if blanked(entry, person.user_id) is not None]
            if named:
                await self._blank(named, person)
            read = len(entries)
            after = entries[-1].revision if entries else after

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
                    forgotten = mentions.without_person(entry, person.user_id)
                    await mentions.rewrite_entry(connection, forgotten)
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


async def _close(connection: AsyncConnection, person: Person) -> int:
    """Remove the account: from here on no change of the person is accepted and none is sent."""
    await bump_facts(connection, person.district_id)
    return await persons.erase(connection, persons.account(person), 1)
