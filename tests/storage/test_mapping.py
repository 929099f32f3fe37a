"""Rows and dataclasses, by the types of the fields."""

from __future__ import annotations

import datetime as dt
from collections import namedtuple
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from schoolbell_server.domain.change import ChangeKey
from schoolbell_server.domain.delivery import Attempt, Delivery
from schoolbell_server.domain.fact import Previous, Told
from schoolbell_server.domain.kinds import Kind, Outcome
from schoolbell_server.domain.principal import Principal, PrincipalType
from schoolbell_storage.deliveries import MAPPER
from schoolbell_storage.mapping import Codec, Mapper
from schoolbell_storage.tables import delivery
from tests.unit.domain.deliveries import START, waiting_delivery


class Mode(StrEnum):
    """A text that is one of few."""

    FULL = "full"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """A field of every type that rows hold."""

    key: ChangeKey
    kind: Kind
    mode: Mode
    kinds: frozenset[Kind]
    sources: frozenset[str]
    apps: tuple[str, ...]
    day: dt.date
    time: dt.datetime
    span: dt.timedelta
    tags: list[str]
    flag: bool
    other_kind: Kind | None
    last_day: dt.date | None
    districts: tuple[str, ...] = ()


SAMPLE = Sample(
    key=ChangeKey(source="sis", change_id="1"),
    kind=Kind.GRADE,
    mode=Mode.FULL,
    kinds=frozenset({Kind.GRADE, Kind.ASSIGNMENT}),
    sources=frozenset({"b", "a"}),
    apps=("z", "y"),
    day=dt.date(2026, 11, 29),
    time=START,
    span=dt.timedelta(days=2),
    tags=["x", "y"],
    flag=True,
    other_kind=None,
    last_day=None,
    districts=("maple",),
)
STORED = {
    "source": "sis",
    "change_id": "1",
    "kind": 2,
    "mode": "full",
    "kinds": "[1,2]",
    "sources": '["a","b"]',
    "apps": '["z","y"]',
    "day": "2026-11-29",
    "time": 1_785_585_600_000_000,
    "span": 172_800,
    "tags": "x y",
    "flag": True,
    "other_kind": None,
    "last_day": None,
}
mapper = Mapper(Sample, {"tags": Codec(" ".join, str.split)}, without={"districts"})


def row(values: dict[str, Any]) -> Any:
    return namedtuple("Row", values)(**values)


def test_every_type_is_written_as_it_is_stored() -> None:
    assert mapper.values(SAMPLE) == STORED
    assert mapper.encode([SAMPLE]) == [tuple(STORED.values())]
    assert mapper.columns == tuple(STORED)


def test_what_is_stored_is_read_as_it_was() -> None:
    assert mapper.decode(row({**STORED, "more": 1}), districts=("maple",)) == SAMPLE


def test_what_may_be_missing_is_read_where_it_is_not() -> None:
    found = mapper.decode(row({**STORED, "other_kind": 5, "last_day": "2027-01-01"}))
    assert (found.other_kind, found.last_day) == (Kind(5), dt.date(2027, 1, 1))
    assert found.districts == ()


def test_some_columns_are_written_in_the_order_that_is_asked_for() -> None:
    encode = mapper.encoder(["time", "source"])
    assert encode([SAMPLE, SAMPLE]) == [(STORED["time"], "sis")] * 2


def whole(**fields: object) -> Delivery:
    told = Told(Previous(set_time=START), None, ("ben",))
    tried = Attempt(start_time=START, end_time=START, outcome=Outcome.ANSWER_LOST)
    return waiting_delivery("d", told=told, attempts=(tried,), open_time=START, **fields)


def test_a_delivery_is_read_by_the_places_of_its_columns() -> None:
    caller = Principal(PrincipalType.TOKEN, "portal", "mother")
    columns = delivery.c.keys()
    for one in (whole(), whole(cancel_principal=caller)):
        values = MAPPER.values(one)
        assert values.keys() == set(columns)
        assert MAPPER.decode(tuple(values[name] for name in columns)) == one
