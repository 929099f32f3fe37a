"""A database of before lunch accounts were shared is taken along with what it knows."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, insert, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from schoolbell.v1 import change_pb2, delivery_pb2
from schoolbell.v1.status_service_pb2 import WatchStatusResponse
from schoolbell_server.domain.delivery import Delivery
from schoolbell_server.domain.kinds import DeliveryState, HoldCause, Kind
from schoolbell_storage.deliveries import MAPPER, fetch_deliveries
from schoolbell_storage.engine import open_storage
from schoolbell_storage.fact_documents import decode_state
from schoolbell_storage.migrate import _FOLDER, migrate
from schoolbell_storage.tables import change, delivery, fact, status_log
from tests.storage.engines import databases, empty_database
from tests.storage.rosters import MAPLE
from tests.unit.domain.deliveries import waiting_delivery

BEFORE = "0003"
_NOON = dt.datetime(2026, 11, 24, 12, tzinfo=dt.UTC)


def to_before(connection: Connection) -> None:
    """Migrate to the schema of before."""
    config = Config()
    config.set_main_option("script_location", str(_FOLDER))
    config.attributes["connection"] = connection
    command.upgrade(config, BEFORE)


def state(balance: str, minutes: int) -> str:
    """Return what earlier versions stored of a balance."""
    time = (_NOON + dt.timedelta(minutes=minutes)).isoformat()
    return json.dumps([["balance", balance], time, time, "sis", "", []], separators=(",", ":"))


FACTS = {
    '["lunch","ann","family"]': state("-5.50", 1),
    '["lunch","bob","family"]': state("12", 0),
    '["lunch","zoé","own, \\"quoted\\""]': state("3", 2),
    '["grade","ann","english-1","Term grade","T1"]': '[["grade","65",""],'
    '"2026-11-24T12:00:00+00:00","2026-11-24T12:00:00+00:00","sis","english-1",[]]',
}


async def fill(connection: AsyncConnection) -> None:
    """Write what an earlier version would have written."""
    await connection.execute(
        insert(fact),
        [
            {"district_id": MAPLE, "fact_key": key, "state": stored, "update_time": number}
            for number, (key, stored) in enumerate(FACTS.items())
        ],
    )
    rows = [
        waiting_delivery("lunch", kind=Kind.LUNCH_BALANCE, fact_key='["lunch","ann","family"]'),
        waiting_delivery("held", state=DeliveryState.HELD),
        waiting_delivery("circuit", state=DeliveryState.HELD, revision=2),
    ]
    for row in rows:
        await _insert_old(connection, row)
    named = change_pb2.Change(student_id="ann", calendar_id="elm:é", historical=True)
    named.occur_time.seconds, named.grade.percent = 1_764_000_000, 65.5
    for row, message in zip(rows, (change_pb2.Change(), named, named), strict=True):
        await connection.execute(
            insert(change).values(
                district_id=MAPLE,
                source=row.key.source,
                change_id=row.key.change_id,
                student_id="ann",
                kind=int(row.kind),
                occur_time=0,
                accept_time=0,
                deliveries=1,
                content=message.SerializeToString(),
                decision=b"",
            )
        )
    logged = WatchStatusResponse(deliveries=[delivery_pb2.Delivery(delivery_id="lunch")])
    whole = change_pb2.ChangeRecord(district_id=MAPLE, change=named)
    whole.change.attendance.comment = "was seen at the mall"
    whole.accept_time.seconds = 1_764_000_000
    record = whole.SerializeToString()
    updates = bytes([5 << 3 | 2, len(record)]) + record + logged.SerializeToString()
    assert len(record) < 128
    for number in (1, 2):
        await connection.execute(
            insert(status_log).values(
                revision=number, district_id=MAPLE, create_time=0, updates=updates
            )
        )


async def _insert_old(connection: AsyncConnection, row: Delivery) -> None:
    """Insert a delivery into the table as it was."""
    old = (await connection.execute(text("SELECT * FROM delivery"))).keys()
    values = {name: value for name, value in MAPPER.values(row).items() if name in old}
    await connection.execute(insert(delivery).values(values))


@databases()
async def test_what_is_known_goes_along(database: str, tmp_path: Path) -> None:
    async with empty_database(database, tmp_path) as url:
        storage = open_storage(url)
        async with storage.write() as connection:
            await connection.run_sync(to_before)
            await fill(connection)
        await migrate(storage)
        async with storage.read() as connection:
            found = (await connection.execute(select(fact.c.fact_key, fact.c.state))).all()
            facts = {row.fact_key: decode_state(row.state) for row in found}
            assert facts.keys() == FACTS.keys() | {
                '["lunch","family"]',
                '["lunch","own, \\"quoted\\""]',
            }
            account = facts['["lunch","family"]']
            assert account.value == facts['["lunch","ann","family"]'].value
            assert account.occur_time == _NOON + dt.timedelta(minutes=1)
            assert sorted(account.students) == ["ann", "bob"]
            assert facts['["lunch","own, \\"quoted\\""]'].students == ("zoé",)
            rows = await fetch_deliveries(connection, ["lunch", "held", "circuit"])
            assert rows["lunch"].fact_key == '["lunch","family"]'
            assert {name: row.calendar_id for name, row in rows.items()} == {
                "lunch": "",
                "held": "elm:é",
                "circuit": "elm:é",
            }
            assert {name: row.hold_cause for name, row in rows.items()} == {
                "lunch": None,
                "held": HoldCause.WINDOW,
                "circuit": HoldCause.CIRCUIT,
            }
            for row in (await connection.execute(select(status_log))).all():
                assert b"mall" not in row.updates
                logged = WatchStatusResponse.FromString(row.updates)
                assert [one.delivery_id for one in logged.deliveries] == ["lunch"]
                assert [one.district_id for one in logged.changes] == [""]
        await storage.close()
