"""Notifications, shared lunch accounts, and the calendar of a delivery."""

from __future__ import annotations

import json
from collections.abc import Iterator

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_MOST_SHARING = 100  # students of one account that are remembered
_LUNCH = 4  # the number of the kind
_PENDING, _HELD = 1, 2  # states
_WINDOW, _CIRCUIT = 1, 2  # causes of a hold
_CALENDAR_ID = 3  # the field of a change
_CHANGES = 5  # the field of an entry of the status log
_LAST = "\U0010ffff"
_STEP = 500  # rows

_fact = sa.table(
    "fact",
    *(sa.column(name, sa.Text()) for name in ("district_id", "fact_key", "state")),
    sa.column("update_time", sa.BigInteger()),
)
_delivery = sa.table(
    "delivery",
    *(
        sa.column(name, sa.Text())
        for name in ("district_id", "source", "change_id", "fact_key", "calendar_id")
    ),
    *(
        sa.column(name, sa.Integer())
        for name in ("kind", "state", "revision", "cancel_cause", "hold_cause")
    ),
)
_change = sa.table(
    "change",
    *(sa.column(name, sa.Text()) for name in ("district_id", "source", "change_id")),
    sa.column("content", sa.LargeBinary()),
    sa.column("deliveries", sa.BigInteger()),
)
_log = sa.table(
    "status_log",
    sa.column("revision", sa.BigInteger()),
    sa.column("district_id", sa.Text()),
    sa.column("updates", sa.LargeBinary()),
)


def upgrade() -> None:
    """Take this step."""
    op.add_column(
        "delivery", sa.Column("calendar_id", sa.Text(), server_default="", nullable=False)
    )
    op.add_column("delivery", sa.Column("hold_cause", sa.SmallInteger(), nullable=True))
    op.add_column(
        "delivery", sa.Column("cancel_principal", sa.Text(), server_default="", nullable=False)
    )
    connection = op.get_bind()
    _share_accounts(connection)
    _name_calendars(connection)
    _name_holds(connection)
    _blank_changes(connection)


def _share_accounts(connection: sa.Connection) -> None:
    """Make each lunch account one fact, of the newest value that was said for any student.

    What was said for each student stays beside it, under the key that it has.
    """
    first, last = '["lunch",', f'["lunch",{_LAST}'
    own = (_fact.c.fact_key >= first, _fact.c.fact_key < last)
    newest: dict[tuple[str, str], tuple[str, str, int]] = {}
    students: dict[tuple[str, str], list[str]] = {}
    for row in connection.execute(sa.select(_fact).where(*own)).all():
        if not row.state:
            continue
        name = row.district_id, _account(row.fact_key)
        students.setdefault(name, []).append(json.loads(row.fact_key)[1])
        occurred = json.loads(row.state)[1]
        if name not in newest or occurred > newest[name][0]:
            newest[name] = occurred, row.state, row.update_time
    for (district_id, key), (_, state, update_time) in newest.items():
        sharing = students[district_id, key][-_MOST_SHARING:]
        connection.execute(
            sa.insert(_fact).values(
                district_id=district_id,
                fact_key=key,
                state=_compact([*json.loads(state), sharing]),
                update_time=update_time,
            )
        )
    told = sa.select(_delivery.c.district_id, _delivery.c.fact_key)
    lunches = told.where(_delivery.c.kind == _LUNCH).distinct()
    for row in connection.execute(lunches).all():
        same = (
            _delivery.c.district_id == row.district_id,
            _delivery.c.fact_key == row.fact_key,
        )
        moved = sa.update(_delivery).where(*same).values(fact_key=_account(row.fact_key))
        connection.execute(moved)


def _account(key: str) -> str:
    kind, _student, account = json.loads(key)
    return _compact([kind, account])


def _compact(document: list[object]) -> str:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"))


def _name_calendars(connection: sa.Connection) -> None:
    """Write the calendars of the changes into their deliveries."""
    columns = (_change.c.district_id, _change.c.source, _change.c.change_id)
    place = None
    while True:
        page = sa.select(*columns, _change.c.content).where(_change.c.deliveries > 0)
        if place is not None:
            page = page.where(sa.tuple_(*columns) > place)
        rows = connection.execute(page.order_by(*columns).limit(_STEP)).all()
        for row in rows:
            calendar_id = _text_field(row.content, _CALENDAR_ID)
            same = (
                _delivery.c.district_id == row.district_id,
                _delivery.c.source == row.source,
                _delivery.c.change_id == row.change_id,
            )
            if calendar_id:
                named = sa.update(_delivery).where(*same).values(calendar_id=calendar_id)
                connection.execute(named)
        if len(rows) < _STEP:
            return
        place = (rows[-1].district_id, rows[-1].source, rows[-1].change_id)


def _name_holds(connection: sa.Connection) -> None:
    """Say why deliveries are held: until now only a hold made one that was HELD from the first."""
    cause = sa.case((_delivery.c.revision == 1, _WINDOW), else_=_CIRCUIT)
    held = _delivery.c.state == _HELD
    connection.execute(sa.update(_delivery).where(held).values(hold_cause=cause))


def _blank_changes(connection: sa.Connection) -> None:
    """Blank the whole changes in the status log, which now holds summaries without comments.

    A blank takes the place of each, so that positions within an entry stay what they are.
    """
    key = (_log.c.revision, _log.c.district_id)
    place = None
    while True:
        page = sa.select(_log).order_by(*key).limit(_STEP)
        if place is not None:
            page = page.where(sa.tuple_(*key) > place)
        rows = connection.execute(page).all()
        for row in rows:
            updates = _without_changes(bytes(row.updates))
            same = (_log.c.revision == row.revision, _log.c.district_id == row.district_id)
            connection.execute(sa.update(_log).where(*same).values(updates=updates))
        if len(rows) < _STEP:
            return
        place = (rows[-1].revision, rows[-1].district_id)


def _without_changes(updates: bytes) -> bytes:
    blank = bytes([_CHANGES << 3 | 2, 0])
    return b"".join(blank if number == _CHANGES else field for number, field, _ in _fields(updates))


def _text_field(message: bytes, wanted: int) -> str:
    found = [value for number, _, value in _fields(bytes(message)) if number == wanted]
    return found[-1].decode() if found else ""


def _fields(message: bytes) -> Iterator[tuple[int, bytes, bytes]]:
    """Yield the fields of a serialized message: number, the field whole, its value's bytes."""
    place = 0
    while place < len(message):
        start = place
        tag, place = _varint(message, place)
        number, wire_type = tag >> 3, tag & 7
        if wire_type == 0:
            begin = place
            _, place = _varint(message, place)
        elif wire_type == 2:
            length, begin = _varint(message, place)
            place = begin + length
        else:
            begin, place = place, place + {1: 8, 5: 4}[wire_type]
        yield number, message[start:place], message[begin:place]


def _varint(message: bytes, place: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[place]
        value |= (byte & 0x7F) << shift
        place, shift = place + 1, shift + 7
        if byte < 0x80:
            return value, place
