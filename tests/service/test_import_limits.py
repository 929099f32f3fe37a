"""One import is bounded in records, bytes and silence; what is beyond is dropped at once."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest
from sqlalchemy import func, select

from schoolbell.v1 import roster_pb2
from schoolbell.v1 import roster_service_pb2 as messages
from schoolbell_server.config import LimitsConfig
from schoolbell_server.rpc.caller import Caller, set_caller
from schoolbell_server.rpc.errors import SchoolbellError
from schoolbell_server.security.api_key import ApiKey, Role
from schoolbell_server.security.permissions import Reach, Rule
from schoolbell_server.servicers.roster.imports import ImportReceiver
from schoolbell_storage.roster_imports import ImportState, find_import
from schoolbell_storage.tables import roster_stage
from tests.service.district_server import Service, serving
from tests.service.middleware_server import DISTRICT
from tests.storage.engines import databases

PART = 1_000


def parts(count: int) -> list[messages.ImportRosterRequest]:
    """Return the parts of an import of so many thousand schools."""
    header = messages.ImportRosterHeader(
        import_id="i1", source="sis", mode=roster_pb2.IMPORT_MODE_FULL
    )
    found = [messages.ImportRosterRequest(district_id=DISTRICT, header=header)]
    for number in range(count):
        records = [
            roster_pb2.RosterRecord(school=roster_pb2.School(school_id=f"{number}-{index}"))
            for index in range(PART)
        ]
        found.append(
            messages.ImportRosterRequest(records=messages.ImportRosterRecords(records=records))
        )
    footer = messages.ImportRosterFooter(record_count=count * PART)
    return [*found, messages.ImportRosterRequest(footer=footer)]


async def stream(
    sent: Sequence[messages.ImportRosterRequest], *, ends: bool = True
) -> AsyncIterator[messages.ImportRosterRequest]:
    for part in sent:
        yield part
    if not ends:
        await asyncio.Event().wait()


async def refused(
    service: Service,
    limits: LimitsConfig,
    sent: AsyncIterator[messages.ImportRosterRequest],
) -> SchoolbellError:
    """Send an import that is refused; nothing of it is left."""
    key = ApiKey(
        key_id="k", secret_hash="", district_ids=frozenset({DISTRICT}), role=Role.PUBLISHER
    )
    rule = Rule(roles=frozenset({Role.PUBLISHER}), reach=Reach.ONE)
    set_caller(Caller(key=key, rule=rule, request_id="r", page_key=b""))
    await service.add_district()
    receiver = ImportReceiver(service.storage, service.finisher, service.clock, limits)
    with pytest.raises(SchoolbellError) as error:
        await receiver.receive(sent)
    async with service.storage.read() as connection:
        row = await find_import(connection, DISTRICT, "i1")
        staged = await connection.scalar(select(func.count()).select_from(roster_stage))
    assert row is not None
    assert (row.state, staged) == (ImportState.ABANDONED, 0)
    return error.value


@databases()
@pytest.mark.parametrize(
    ("limits", "named"),
    [
        (LimitsConfig(import_records=2 * PART), "limits.import_records"),
        (LimitsConfig(import_bytes=30_000), "limits.import_bytes"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_an_import_beyond_a_limit_is_dropped(
    limits: LimitsConfig,
    named: str,
    database: str,
    tmp_path: Path,
) -> None:
    async with serving(tmp_path, database) as service:
        error = await refused(service, limits, stream(parts(3)))
    assert named in error.message
    assert error.metadata["limit"] == named


async def test_an_import_that_falls_silent_is_dropped(tmp_path: Path) -> None:
    limits = LimitsConfig(import_silence=dt.timedelta(milliseconds=500))
    async with serving(tmp_path) as service:
        sent = stream(parts(2)[:-1], ends=False)
        error = await refused(service, limits, sent)
    assert "limits.import_silence" in error.message
