"""Find accounts by the beginning of an id or of a word of a name, in any case.

SQLite folds only ASCII letters, and PostgreSQL those of its locale, so the pattern itself names
each letter in its cases: a GLOB for SQLite, a regular expression for PostgreSQL.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import ColumnElement, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from schoolbell_storage.roster import Stored
from schoolbell_storage.roster_records import UserRecord, decode_origin, decode_user
from schoolbell_storage.tables import user_account

_BETWEEN_WORDS = " '\u2019-"  # the hyphen last, or it makes a range
_SPECIAL = frozenset("*?[")
_NAMES = (
    " "
    + user_account.c.given_name
    + " "
    + user_account.c.family_name
    + " "
    + user_account.c.preferred_name
)


async def find_users(
    connection: AsyncConnection,
    district_id: str,
    query: str,
    *,
    include_inactive: bool,
    after: str,
    limit: int,
) -> Sequence[Stored[UserRecord]]:
    """Return a page of accounts by id; the empty query is every account."""
    page = select(user_account).where(
        user_account.c.district_id == district_id, user_account.c.user_id > after
    )
    if not include_inactive:
        page = page.where(user_account.c.active)
    if query:
        page = page.where(_matches(query, connection.dialect.name))
    found = await connection.execute(page.order_by(user_account.c.user_id).limit(limit))
    return [Stored(decode_user(row), decode_origin(row)) for row in found]


def _matches(query: str, dialect: str) -> ColumnElement[bool]:
    if dialect == "postgresql":
        text = "".join(map(_expression, query))
        return or_(
            user_account.c.user_id.op("~")(f"^{text}"), _NAMES.op("~")(f"[{_BETWEEN_WORDS}]{text}")
        )
    text = "".join(map(_glob, query))
    return or_(
        user_account.c.user_id.op("GLOB")(f"{text}*"),
        _NAMES.op("GLOB")(f"*[{_BETWEEN_WORDS}]{text}*"),
    )


def _cases(letter: str) -> str:
    """Return a letter in each of its cases, as far as those are single characters."""
    cases = {letter, letter.lower(), letter.upper(), letter.casefold()}
    return "".join(sorted(case for case in cases if len(case) == 1))


def _glob(letter: str) -> str:
    cases = _cases(letter)
    return f"[{cases}]" if len(cases) > 1 or letter in _SPECIAL else letter


def _expression(letter: str) -> str:
    cases = _cases(letter)
    if len(cases) > 1:
        return f"[{cases}]"
    return letter if letter.isalnum() or ord(letter) > 127 else f"\\{letter}"
