"""Schools, calendars and accounts are listed to those who choose among them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from schoolbell.v1 import roster_pb2
from schoolbell.v1 import roster_service_pb2 as messages
from schoolbell.v1.roster_service_pb2_grpc import RosterServiceStub
from schoolbell_server.security.api_key import Right, Role, Tool
from tests.service.district_server import Service, refused, serving
from tests.service.middleware_server import DISTRICT
from tests.service.roster_parts import DELTA, Record, bring, day, school, user
from tests.storage.engines import databases

NAMES = {
    "Kim-1": ("Ana María", "de la Cruz", ""),
    "kim-2": ("Ángel", "O'Brien-Núñez", ""),
    "x1": ("Zoë", "Straße", "Kiki"),
    "x_2": ("Élodie", "Müller", ""),
    "x%3": ("[Al]", "*Bo", "a.c"),
}


def _places(school_id: str, name: str) -> list[Record]:
    place, year = school(school_id)
    place.school.display_name = name
    year.calendar.display_name = f"{name} 2026-27"
    year.calendar.terms.add(
        term_id="t", display_name="Fall", start_date=day(2026, 8, 20), end_date=day(2026, 12, 1)
    )
    return [place, year]


@databases()
async def test_schools_and_calendars_come_with_their_names(database: str, tmp_path: Path) -> None:
    gone = Record(calendar=roster_pb2.Calendar(calendar_id="south:2027"), deactivate=True)
    async with serving(tmp_path, database) as service:
        await service.add_district()
        sent = [*_places("north", "North High"), *_places("south", ""), *_places("west", "West")]
        await bring(service, "1", sent)
        await bring(service, "2", [gone], mode=DELTA)
        for key in (service.administrator, service.sis, service.operator):
            stub = service.stub(RosterServiceStub, key)
            schools = await stub.ListSchools(messages.ListSchoolsRequest(district_id=DISTRICT))
            assert [one.display_name for one in schools.schools] == ["North High", "", "West"]

        async def calendars(**fields: Any) -> list[messages.CalendarListing]:
            request = messages.ListCalendarsRequest(district_id=DISTRICT, **fields)
            return list((await service.roster.ListCalendars(request)).calendars)

        north, west = await calendars()
        assert (north.calendar.calendar_id, north.school_display_name) == (
            "north:2027",
            "North High",
        )
        assert (north.calendar.display_name, north.calendar.terms[0].display_name) == (
            "North High 2026-27",
            "Fall",
        )
        assert west.calendar.origin.source == "sis"
        assert await calendars(school_id="west", school_year=2027) == [west]
        assert await calendars(school_year=2028) == []
        south = (await calendars(include_inactive=True))[1]
        assert south.calendar.origin.HasField("deactivate_time")
        request = messages.ListSchoolsRequest(district_id=DISTRICT, page_size=2)
        first = await service.roster.ListSchools(request)
        request.page_token = first.next_page_token
        rest = await service.roster.ListSchools(request)
        assert [one.school_id for one in (*first.schools, *rest.schools)] == [
            "north",
            "south",
            "west",
        ]
        with refused("INVALID_FIELD") as refusal:
            await calendars(school_id="n\0")
        assert set(refusal.fields) == {"school_id"}
        with refused("INVALID_FIELD") as refusal:
            await calendars(school_year=27)
        assert set(refusal.fields) == {"school_year"}


@databases()
@pytest.mark.parametrize("letters", [str.lower, str.upper, str])
async def test_accounts_are_found_by_the_beginning_of_an_id_or_a_word(
    database: str, letters: Any, tmp_path: Path
) -> None:
    async with serving(tmp_path, database) as service:
        await service.add_district()
        people = [
            user(
                user_id,
                names=roster_pb2.PersonNames(
                    given_name=given, family_name=family, preferred_name=preferred
                ),
            )
            for user_id, (given, family, preferred) in NAMES.items()
        ]
        await bring(service, "1", people)
        found = {
            query: await _users(service, query=letters(query))
            for query in (
                "kim",
                "ki",
                "mar",
                "maría de",
                "áng",
                "brien",
                "núñ",
                "zoë",
                "él",
                "x_",
                "x%",
                "[a",
                "*b",
                "a.c",
                "ruz",
                "la cruz",
                "^k",
                ".*",
                "k?",
            )
        }
        everybody = await _users(service)
    assert found == {
        "kim": ["Kim-1", "kim-2"],
        "ki": ["Kim-1", "kim-2", "x1"],
        "mar": ["Kim-1"],
        "maría de": ["Kim-1"],
        "áng": ["kim-2"],
        "brien": ["kim-2"],
        "núñ": ["kim-2"],
        "zoë": ["x1"],
        "él": ["x_2"],
        "x_": ["x_2"],
        "x%": ["x%3"],
        "[a": ["x%3"],
        "*b": ["x%3"],
        "a.c": ["x%3"],
        "ruz": [],
        "la cruz": ["Kim-1"],
        "^k": [],
        ".*": [],
        "k?": [],
    }
    assert everybody == sorted(NAMES)


async def _users(service: Service, **fields: Any) -> list[str]:
    stub = service.stub(RosterServiceStub, service.administrator)
    answer = await stub.ListUsers(messages.ListUsersRequest(district_id=DISTRICT, **fields))
    return sorted(one.user_id for one in answer.users)


@databases()
async def test_accounts_are_paged_and_hidden_when_inactive(database: str, tmp_path: Path) -> None:
    gone = Record(user=roster_pb2.User(user_id="p1"), deactivate=True)
    async with serving(tmp_path, database) as service:
        await service.add_district()
        await bring(service, "1", [user(f"p{number}") for number in range(5)])
        await bring(service, "2", [gone], mode=DELTA)
        stub = service.stub(RosterServiceStub, service.administrator)
        request = messages.ListUsersRequest(district_id=DISTRICT, query="P", page_size=3)
        with refused("INVALID_FIELD"):
            await stub.ListUsers(request)
        request = messages.ListUsersRequest(district_id=DISTRICT, page_size=3)
        first = await stub.ListUsers(request)
        request.page_token = first.next_page_token
        second = await stub.ListUsers(request)
        assert [one.user_id for one in (*first.users, *second.users)] == ["p0", "p2", "p3", "p4"]
        assert await _users(service, query="p1") == []
        assert await _users(service, query="p1", include_inactive=True) == ["p1"]


async def test_odd_queries_are_refused_or_find_nobody(tmp_path: Path) -> None:
    async with serving(tmp_path) as service:
        await service.add_district()
        await bring(service, "1", [user("p1")])
        for query in ("p", "  ", " p ", "a\0b", "x" * 129):
            with refused("INVALID_FIELD") as refusal:
                await _users(service, query=query)
            assert set(refusal.fields) == {"query"}
        for query in ("'; --", "\\\\", "((", "[[:alpha:]]", "\u0301\u0301", "\U0001d49c\U0001d49c"):
            assert await _users(service, query=query) == []
        with refused("PERMISSION_DENIED"):
            await service.roster.ListUsers(messages.ListUsersRequest(district_id=DISTRICT))
        clerk = service.keys.new(
            Role.ADMINISTRATOR, user_id="bo", rights={Tool.DISPLAY_OPTIONS: Right.WRITE}
        )
        with refused("PERMISSION_DENIED"):
            await service.stub(RosterServiceStub, clerk).ListUsers(
                messages.ListUsersRequest(district_id=DISTRICT)
            )
