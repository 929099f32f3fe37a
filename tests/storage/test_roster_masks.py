"""Records that provide only some of their fields leave the others as they are stored."""

from __future__ import annotations

import dataclasses
import datetime as dt
from pathlib import Path

import pytest

from schoolbell_server.domain.world import Term
from schoolbell_storage.engine import Storage
from schoolbell_storage.roster import get_student
from schoolbell_storage.roster_checks import ProblemCode, RecordsRefused
from schoolbell_storage.roster_guards import GuardsExceeded, RecordCounts
from schoolbell_storage.roster_places import CalendarQuery, list_calendars, list_schools
from schoolbell_storage.roster_records import (
    CalendarRecord,
    EnrollmentRecord,
    Record,
    RecordName,
    RecordType,
    RelationshipRecord,
    SchoolRecord,
    UserRecord,
)
from tests.storage.engines import databases, open_database
from tests.storage.rosters import (
    FIRST_DAY,
    LAST_DAY,
    MAPLE,
    add_district,
    district,
    family,
    school,
    write,
)

NO_DATE = dt.date.min
TERM = Term(term_id="T1", name="Fall", start_date=FIRST_DAY, end_date=LAST_DAY)
SCHOOL = SchoolRecord(school_id="north", display_name="North", time_zone="UTC")
YEAR = CalendarRecord(
    calendar_id="north:2027",
    school_id="north",
    school_year=2027,
    start_date=FIRST_DAY,
    end_date=LAST_DAY,
    terms=(TERM,),
    display_name="2026-27",
)
KID = UserRecord(
    user_id="s1",
    enabled=True,
    birth_date=dt.date(2010, 2, 3),
    given_name="Zoë",
    family_name="Núñez",
    preferred_name="Zo",
)
AUNT = UserRecord(user_id="g1", enabled=True)
RELATIONSHIP = RelationshipRecord(
    student_id="s1",
    guardian_id="g1",
    relation="aunt",
    portal_enabled=True,
    adult_consent=True,
    start_date=FIRST_DAY,
    end_date=LAST_DAY,
)
STAY = EnrollmentRecord(
    enrollment_id="e1",
    student_id="s1",
    calendar_id="north:2027",
    start_date=FIRST_DAY,
    end_date=LAST_DAY,
    portal_visible=True,
)
WHOLE: list[Record] = [SCHOOL, YEAR, KID, AUNT, RELATIONSHIP, STAY]
BLANK: list[Record] = [
    SchoolRecord(school_id="north"),
    CalendarRecord(
        calendar_id="north:2027",
        school_id="",
        school_year=0,
        start_date=NO_DATE,
        end_date=NO_DATE,
    ),
    UserRecord(user_id="s1"),
    UserRecord(user_id="g1"),
    RelationshipRecord(student_id="s1", guardian_id="g1"),
    EnrollmentRecord(enrollment_id="e1", student_id="", calendar_id="", start_date=NO_DATE),
]
"""Records of the same names that say nothing of their fields."""


async def stored(storage: Storage) -> list[Record]:
    """Return what is stored of the records, but the aunt."""
    async with storage.read() as connection:
        (place,) = await list_schools(connection, MAPLE, include_inactive=True, after="", limit=9)
        query = CalendarQuery(district_id=MAPLE, include_inactive=True)
        (year,) = await list_calendars(connection, query)
        student = await get_student(connection, MAPLE, "s1")
    assert student is not None
    return [
        place.record,
        year.calendar.record,
        student.user.record,
        student.relationships[0].record,
        student.enrollments[0].record,
    ]


@databases()
@pytest.mark.parametrize("full", [True, False])
async def test_what_is_not_provided_stays(database: str, full: bool, tmp_path: Path) -> None:
    async with open_database(database, tmp_path) as storage:
        await add_district(storage)
        await write(storage, WHOLE)
        counts = await write(storage, BLANK, days=1, provided=frozenset(), full=full)
        assert await stored(storage) == [SCHOOL, YEAR, KID, RELATIONSHIP, STAY]
    assert {one for one in counts.values() if one.touched} == set()


@databases()
async def test_what_is_provided_is_written(database: str, tmp_path: Path) -> None:
    records: list[Record] = [
        SchoolRecord(school_id="north", display_name="South"),
        dataclasses.replace(YEAR, display_name="New", school_year=1, terms=()),
        UserRecord(user_id="s1", preferred_name="Z"),
        dataclasses.replace(RELATIONSHIP, portal_enabled=False, relation="x"),
    ]
    provided = frozenset({"display_name", "preferred_name", "portal_enabled"})
    async with open_database(database, tmp_path) as storage:
        await add_district(storage)
        await write(storage, WHOLE)
        await write(storage, records, days=1, provided=provided)
        assert await stored(storage) == [
            dataclasses.replace(SCHOOL, display_name="South"),
            dataclasses.replace(YEAR, display_name="New"),
            dataclasses.replace(KID, preferred_name="Z"),
            dataclasses.replace(RELATIONSHIP, portal_enabled=False),
            STAY,
        ]


@databases()
async def test_a_record_that_is_back_keeps_what_it_had(database: str, tmp_path: Path) -> None:
    gone = [RecordName(RecordType.USER, ("s1",)), RecordName(RecordType.ENROLLMENT, ("e1",))]
    async with open_database(database, tmp_path) as storage:
        await add_district(storage)
        await write(storage, WHOLE)
        await write(storage, gone, days=1)
        counts = await write(storage, [BLANK[2], BLANK[5]], days=2, provided=frozenset())
        assert await stored(storage) == [SCHOOL, YEAR, KID, RELATIONSHIP, STAY]
    assert counts[RecordType.USER] == RecordCounts(created=1)


@databases()
async def test_a_new_record_takes_defaults_but_for_what_is_required(
    database: str, tmp_path: Path
) -> None:
    async with open_database(database, tmp_path) as storage:
        await add_district(storage)
        with pytest.raises(RecordsRefused) as refused:
            await write(storage, BLANK, provided=frozenset())
        found = {
            (problem.record_index, problem.field, problem.code)
            for problem in refused.value.problems
        }
        bad = ProblemCode.INVALID_FIELD
        assert found == {
            (1, "school_id", bad),
            (2, "enabled", bad),
            (3, "enabled", bad),
            (5, "student_id", bad),
        }
        assert refused.value.total == 4
        people = [UserRecord(user_id="s1", enabled=True), AUNT]
        await write(storage, people, provided=frozenset({"enabled"}))
        await write(storage, [BLANK[0], YEAR, BLANK[4], STAY], provided=YEAR_AND_STAY)
        new = await stored(storage)
    assert new[0] == SchoolRecord(school_id="north")
    assert new[2] == UserRecord(user_id="s1", enabled=True)
    assert new[3] == RelationshipRecord(student_id="s1", guardian_id="g1")


YEAR_AND_STAY = frozenset(
    {
        "school_id",
        "school_year",
        "start_date",
        "end_date",
        "student_id",
        "calendar_id",
        "portal_visible",
    }
)


@databases()
async def test_dates_are_in_order_with_what_is_stored(database: str, tmp_path: Path) -> None:
    early = dataclasses.replace(RELATIONSHIP, end_date=FIRST_DAY - dt.timedelta(days=1))
    async with open_database(database, tmp_path) as storage:
        await add_district(storage)
        await write(storage, WHOLE)
        with pytest.raises(RecordsRefused) as refused:
            await write(storage, [early], provided=frozenset({"end_date"}))
        assert await stored(storage) == [SCHOOL, YEAR, KID, RELATIONSHIP, STAY]
    assert [one.field for one in refused.value.problems] == ["end_date"]


@databases()
async def test_no_district_fills_the_records_of_another(database: str, tmp_path: Path) -> None:
    async with open_database(database, tmp_path) as storage:
        await add_district(storage)
        await add_district(storage, district("elm"))
        await write(storage, [KID])
        with pytest.raises(RecordsRefused):
            await write(storage, [BLANK[2]], provided=frozenset(), district_id="elm")


def _many(portal: bool = True, born: bool = True, count: int = 20) -> list[Record]:
    records: list[Record] = [*school("north")]
    for number in range(count):
        for record in family(f"s{number}", "north", guardians=("mother",)):
            if isinstance(record, RelationshipRecord):
                record = dataclasses.replace(record, portal_enabled=portal)
            if isinstance(record, UserRecord) and born:
                record = dataclasses.replace(record, birth_date=dt.date(2010, 1, 1))
            records.append(record)
    return records


@databases()
async def test_portal_flags_and_birth_dates_are_guarded(database: str, tmp_path: Path) -> None:
    async with open_database(database, tmp_path) as storage:
        await add_district(storage)
        await write(storage, _many())
        for full in (True, False):
            with pytest.raises(GuardsExceeded) as refused:
                await write(storage, _many(portal=False, born=False), full=full)
            assert [one.field for one in refused.value.problems] == [
                "max_birth_date_loss_percent",
                "max_portal_loss_percent",
            ]
            assert refused.value.excess.percent == 100
            updated = refused.value.counts[RecordType.USER]
            assert updated == RecordCounts(updated=40)
        keep = frozenset({"enabled", "relation"})
        await write(storage, _many(portal=False, born=False)[2:], provided=keep)
        few = _many(portal=False, count=10)
        await write(storage, few, max_portal_loss_percent=0)
        again = _many(portal=True, count=10)
        await write(storage, again)
        await write(
            storage,
            _many(portal=False, born=False),
            max_portal_loss_percent=100,
            max_birth_date_loss_percent=100,
        )


@databases()
async def test_a_delta_is_guarded_by_what_its_source_has(database: str, tmp_path: Path) -> None:
    names = [RecordName(RecordType.USER, (f"s{number}",)) for number in range(11)]
    async with open_database(database, tmp_path) as storage:
        await add_district(storage)
        await write(storage, _many())
        for source in ("sis", "vendor"):
            with pytest.raises(GuardsExceeded) as refused:
                await write(storage, names, source=source, most=27)
            percent = {"sis": 27.5, "vendor": 100}[source]
            assert refused.value.excess.percent == pytest.approx(percent)
        await write(storage, names[:10], most=0)
