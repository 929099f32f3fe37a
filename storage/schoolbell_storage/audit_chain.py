"""The chain over a district's audit log: what was written cannot be changed without a trace.

Each entry has a commitment: the hash of a random salt and its content, made in its transaction. A
moment later it is sealed: it takes the next place of its district's chain, whose digest is the
hash of the digest before and the commitment. An erasure renames a person in the content and drops
the salt: the commitment can then be opened by nobody, and says nothing of what it was made of, but
the chain over the commitments stays whole. Old entries go from the front, so a chain is checked
from the first entry that is kept.

The same check serves the rows of the database and the lines of an export.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum, unique
from typing import Any

from sqlalchemy import Row, bindparam, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from schoolbell_storage.rows import insert_into
from schoolbell_storage.tables import audit_chain, audit_entry
from schoolbell_storage.turns import take_turns

CONTENT = (
    "audit_entry_id",
    "district_id",
    "create_time",
    "principal_type",
    "caller",
    "acting_user_id",
    "client_address",
    "request_id",
    "action",
    "target",
    "before",
    "after",
)
"""The columns that a commitment is made of, in their order; times are microseconds."""
_SEAL = ("salt", "commitment", "sequence", "digest")
_NUMBERS = ("create_time", "principal_type", "sequence")
_SORTS = {name: int if name in _NUMBERS else str for name in (*CONTENT, *_SEAL)}
"""The sorts of values in an export."""
_START = ""


@unique
class ChainFault(IntEnum):
    """What is wrong with a chain; numbers are the contract's."""

    CONTENT_CHANGED = 1
    ENTRY_MISSING = 2
    LINK_BROKEN = 3
    HEAD_MISSING = 4


@dataclass(frozen=True, slots=True)
class Head:
    """The end of a chain."""

    sequence: int
    digest: str


@dataclass(slots=True)
class Check:
    """A walk along a chain, entry by entry; it ends at the first fault."""

    wanted: Head | None = None
    """A head that somebody kept: the chain must lead through it."""
    head: Head | None = None
    entries: int = 0
    erased: int = 0
    """Entries whose content cannot be checked, for a person's data in it were erased."""
    first_sequence: int = 0
    replaced: int = 0
    """Of an export: lines of which a later one says something else."""
    fault: ChainFault | None = None
    faulty: str = ""
    """The id of the entry with the fault."""
    _met: bool = field(default=False)

    def walk(self, entries: Iterable[Mapping[str, Any]]) -> None:
        """Look at the next entries, in the order of their places."""
        for entry in entries:
            if self.fault is None:
                self._look(entry)

    def end(self, last: Head | None = None) -> None:
        """Look whether the chain led to its end, and through the head that somebody kept."""
        if self.fault is None and last is not None and self.head != last:
            self.fault = ChainFault.ENTRY_MISSING
        if self.fault is None and self.wanted is not None and not self._met:
            self.fault = ChainFault.HEAD_MISSING

    def _look(self, entry: Mapping[str, Any]) -> None:
        self.fault = self._fault(entry)
        if self.fault is not None:
            self.faulty = str(entry["audit_entry_id"])
            return
        self.head = Head(int(entry["sequence"]), str(entry["digest"]))
        self.first_sequence = self.first_sequence or self.head.sequence
        self.entries += 1
        self.erased += not entry["salt"]
        if self.wanted is not None and self.wanted.digest == self.head.digest:
            self._met = self.wanted.sequence in (0, self.head.sequence)

    def _fault(self, entry: Mapping[str, Any]) -> ChainFault | None:
        if self.head is not None:
            if entry["sequence"] != self.head.sequence + 1:
                return ChainFault.ENTRY_MISSING
            if entry["digest"] != link(self.head.digest, str(entry["commitment"])):
                return ChainFault.LINK_BROKEN
        elif entry["sequence"] == 1 and entry["digest"] != link(_START, str(entry["commitment"])):
            return ChainFault.LINK_BROKEN
        if entry["salt"] and entry["commitment"] != commitment(str(entry["salt"]), entry):
            return ChainFault.CONTENT_CHANGED
        return None


def new_salt() -> str:
    """Return a salt, 128 random bits."""
    return secrets.token_hex(16)


def commitment(salt: str, entry: Mapping[str, Any]) -> str:
    """Return the hash of a salt and the content of an entry, in hex."""
    content = json.dumps([salt, *(entry[name] for name in CONTENT)], separators=(",", ":"))
    return hashlib.sha256(content.encode()).hexdigest()


def link(before: str, commitment_: str) -> str:
    """Return the digest that follows another one, in hex."""
    return hashlib.sha256(f"{before}:{commitment_}".encode()).hexdigest()


def export_line(entry: Mapping[str, Any]) -> str:
    """Return a sealed entry as one line of an export."""
    return json.dumps({name: entry[name] for name in (*CONTENT, *_SEAL)}, separators=(",", ":"))


def check_export(lines: Iterable[str], wanted: Head | None = None) -> dict[str, Check]:
    """Check the lines of an export, and return how the log of each district was found.

    Of two lines for the same place the later one counts: what was exported just before a server
    crashed is exported again. Raises ValueError for a line that is none.
    """
    logs: dict[str, dict[int, Mapping[str, Any]]] = defaultdict(dict)
    replaced: Counter[str] = Counter()
    for number, line in enumerate(lines, 1):
        if line.isspace():
            continue
        entry = _read_line(number, line)
        log, place = logs[entry["district_id"]], entry["sequence"]
        replaced[entry["district_id"]] += log.get(place, entry) != entry
        log[place] = entry
    checks = {}
    for district_id, entries in sorted(logs.items()):
        check = checks[district_id] = Check(wanted, replaced=replaced[district_id])
        check.walk(entries[sequence] for sequence in sorted(entries))
        check.end()
    return checks


def _read_line(number: int, line: str) -> dict[str, Any]:
    """Return the entry that a line of an export is; ValueError names a line that is none."""
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError):
        entry = None
    if not isinstance(entry, dict) or not _SORTS.keys() <= entry.keys():
        raise ValueError(f"line {number} is no entry of an audit log")
    for name, sort in _SORTS.items():
        if type(entry[name]) is not sort:
            raise ValueError(
                f"line {number} is no entry of an audit log: {name} is of another sort"
            )
    if not line.isascii():
        raise ValueError(f"line {number} was not written by a server: it is not ASCII")
    return entry


async def unsealed_districts(connection: AsyncConnection) -> Sequence[str]:
    """Return the districts whose logs have entries without a place."""
    found = await connection.execute(
        select(audit_entry.c.district_id)
        .where(audit_entry.c.sequence.is_(None))
        .distinct()
        .order_by(audit_entry.c.district_id)
    )
    return list(found.scalars())


async def heads(connection: AsyncConnection) -> dict[str, Head]:
    """Return the end of every chain, by district."""
    found = await connection.execute(select(audit_chain).order_by(audit_chain.c.district_id))
    return {row.district_id: Head(row.sequence, row.digest) for row in found}


async def seal(connection: AsyncConnection, district_id: str, most: int) -> list[dict[str, Any]]:
    """Give the oldest entries without a place the next ones; return them as they are then."""
    await take_turns(connection, f"audit chain/{district_id}")
    waiting = await connection.execute(
        select(audit_entry)
        .where(audit_entry.c.district_id == district_id, audit_entry.c.sequence.is_(None))
        .order_by(audit_entry.c.create_time, audit_entry.c.audit_entry_id)
        .limit(most)
        .with_for_update(skip_locked=True)  # an erasure locks in another order
    )
    rows = waiting.all()
    if not rows:
        return []
    head = await head_of(connection, district_id) or Head(0, _START)
    sealed = []
    for row in rows:
        entry = _sealed(row, head)
        head = Head(entry["sequence"], entry["digest"])
        sealed.append(entry)
    await connection.execute(
        update(audit_entry)
        .where(audit_entry.c.audit_entry_id == bindparam("named"))
        .values({name: bindparam(f"new_{name}") for name in _SEAL}),
        [
            {"named": one["audit_entry_id"], **{f"new_{name}": one[name] for name in _SEAL}}
            for one in sealed
        ],
    )
    adding = insert_into(connection.dialect.name, audit_chain).values(
        district_id=district_id, sequence=head.sequence, digest=head.digest
    )
    await connection.execute(
        adding.on_conflict_do_update(
            index_elements=["district_id"],
            set_={"sequence": adding.excluded.sequence, "digest": adding.excluded.digest},
        )
    )
    return sealed


async def check_chain(
    connection: AsyncConnection, district_id: str, wanted: Head | None, page: int = 500
) -> Check:
    """Check the chain of a district's log as far as it is sealed now."""
    check, last = Check(wanted), await head_of(connection, district_id)
    after, read = 0, page
    while last is not None and read == page:
        found = await connection.execute(
            select(audit_entry)
            .where(
                audit_entry.c.district_id == district_id,
                audit_entry.c.sequence > after,
                audit_entry.c.sequence <= last.sequence,
            )
            .order_by(audit_entry.c.sequence)
            .limit(page)
        )
        rows = found.all()
        check.walk(dict(row._mapping) for row in rows)
        read = len(rows)
        after = rows[-1].sequence if rows else after
    check.end(last)
    return check


async def head_of(connection: AsyncConnection, district_id: str) -> Head | None:
    """Return the end of a district's chain; None while it is empty."""
    here = select(audit_chain).where(audit_chain.c.district_id == district_id)
    row = (await connection.execute(here)).first()
    return None if row is None else Head(row.sequence, row.digest)


def _sealed(row: Row[Any], head: Head) -> dict[str, Any]:
    """Return an entry at its place; one that is older than the chain is committed to here."""
    entry = dict(row._mapping)
    if not entry["commitment"]:
        entry["salt"] = new_salt()
        entry["commitment"] = commitment(entry["salt"], entry)
    entry["sequence"] = head.sequence + 1
    entry["digest"] = link(head.digest, entry["commitment"])
    return entry
