"""Roster records are written whole or not at all, and only where something really changes."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest
from sqlalchemy import Table, select

from schoolbell_server.domain.world import Term
from schoolbell_storage.engine import Storage
from schoolbell_storage.roster import (
    StudentQuery,
    count_portal_relationships,
    get_student,
    get_user,
    has_portal_relationship,
    list_students,
)
from schoolbell_storage.roster_checks import RecordsRefused
from schoolbell_storage.roster_guards import GuardsExceeded, RecordCounts
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
from schoolbell_storage.tables import calendar, enrollment, relationship, school, user_account
from schoolbell_storage.world import facts_versions, fetch_world
from tests.storage.engines import databases, open_database
from tests.storage.rosters import (
    FIRST_DAY,
    LAST_DAY,
    MAPLE,
    START,
    add_district,
    everything,
    family,
    write,
)
from tests.storage.rosters import school as a_school


async def active(storage: Storage, table: Table, *columns: str) -> set[str]:
    """Return the names of the active rows of a table, of two columns joined by a slash."""
    async with storage.read() as connection:
        found = await connection.execute(
            select(*(table.c[name] for name in columns)).where(table.c.active)
        )
        return {"/".join(row) for row in found}


@databases()
async def test_records_come_back_as_they_were_written(database: str, tmp_path: Path) -> None:
    term = Term(term_id="T1", name="Fall", start_date=FIRST_DAY, end_date=dt.date(2026, 12, 18))
    born = dt.date(2010, 2, 3)
    user = UserRecord(
        user_id="s1",
        enabled=True,
        birth_date=born,
        given_name="Zoë",
        family_name="Núñez",
        preferred_name="Zo",
    )
    relationship = RelationshipRecord(
        student_id="s1",
        guardian_id="g1",
        relation="aunt",
        portal_enabled=True,
        adult_consent=True,
        start_date=FIRST_DAY,
        end_date=LAST_DAY,
    )
    stay = EnrollmentRecord(
        enrollment_id="e1",
        student_id="s1",
        calendar_id="north:2027",
        start_date=FIRST_DAY,
        end_date=LAST_DAY,
        portal_visible=True,
    )
    year = CalendarRecord(
        calendar_id="north:2027",
        school_id="north",
        school_year=2027,
        start_date=FIRST_DAY,
        end_date=LAST_DAY,
        terms=(term,),
    )
    async with open_database(database, tmp_path) as storage:
        await add_district(storage)
        # References may come before what they name, also in an earlier batch.
        first: list[Record] = [
            stay,
            relationship,
            year,
            user,
            UserRecord(user_id="g1", enabled=False),
        ]
        await write(storage, [*first, SchoolRecord(school_id="north", time_zone="UTC")], batch=1)
        async with storage.read() as connection:
            student = await get_student(connection, MAPLE, "s1")
            world = await fetch_world(connection, MAPLE, ["s1"], [], {})
            guardian = await get_user(connection, MAPLE, "g1")
    assert student is not None and guardian is not None and world is not None
    assert student.user.record == user
    assert [one.record for one in student.relationships] == [relationship]
    assert [one.record for one in student.enrollments] == [stay]
    assert student.user.origin.source == "sis"
    assert student.user.origin.update_time == START
    assert world.calendars["north:2027"].terms == (term,)
    assert world.calendars["north:2027"].time_zone == "UTC"
    assert [one.record for one in guardian[1]] == [relationship]


@databases()
async def test_records_that_are_as_they_were_are_not_touched(database: str, tmp_path: Path) -> None:
    records = [*a_school("north"), *family("s1", "north"), *family("s2", "north")]
    async with open_database(database, tmp_path) as storage:
        await add_district(storage)
        first = await write(storage, records)
        before = await everything(storage)
        async with storage.read() as connection:
            version = await facts_versions(connection, [MAPLE])
        again = await write(storage, records, days=1, full=True)
        after = await everything(storage)
        async with storage.read() as connection:
            assert await facts_versions(connection, [MAPLE]) == version
    assert first[RecordType.USER] == RecordCounts(created=6)
    assert again[RecordType.USER] == RecordCounts(unchanged=6)
    assert before == after


@databases()
async def test_only_what_changes_is_updated(database: str, tmp_path: Path) -> None:
    async with open_database(database, tmp_path) as storage:
        await add_district(storage)
        async with storage.read() as connection:
            first = (await facts_versions(connection, [MAPLE]))[MAPLE]
        await write(storage, [*a_school("north"), *family("s1", "north")])
        off = UserRecord(user_id="s1", enabled=False)
        counts = await write(storage, [off, UserRecord(user_id="s1-mother", enabled=True)], days=1)
        async with storage.read() as connection:
            changed = await get_user(connection, MAPLE, "s1")
            same = await get_user(connection, MAPLE, "s1-mother")
            versions = await facts_versions(connection, [MAPLE])
    assert counts == {RecordType.USER: RecordCounts(updated=1, unchanged=1)}
    assert changed is not None and same is not None
    assert changed[0].record == off
    assert changed[0].origin.update_time == START + dt.timedelta(days=1)
    assert same[0].origin.update_time == START
    assert versions == {MAPLE: first + 2}


@databases()
async def test_a_full_write_deactivates_what_it_lacks_and_a_later_one_revives_it(
    database: str, tmp_path: Path
) -> None:
    north, gone, kept = a_school("north"), family("s1", "north"), family("s2", "north")
    async with open_database(database, tmp_path) as storage:
        await add_district(storage)
        await write(storage, [*north, *gone, *kept])
        counts = await write(storage, [*north, *kept], days=1, full=True, most=50)
        left = await active(storage, user_account, "user_id")
        async with storage.read() as connection:
            student = await get_student(connection, MAPLE, "s1")
        back = await write(storage, [*north, *gone, *kept], days=2, full=True)
    assert counts[RecordType.USER] == RecordCounts(unchanged=3, deactivated=3)
    assert counts[RecordType.RELATIONSHIP] == RecordCounts(unchanged=2, deactivated=2)
    assert counts[RecordType.ENROLLMENT] == RecordCounts(unchanged=1, deactivated=1)
    assert left == {"s2", "s2-mother", "s2-father"}
    assert student is not None
    assert not student.user.origin.active
    assert student.user.origin.update_time == START + dt.timedelta(days=1)
    assert back[RecordType.USER] == RecordCounts(created=3, unchanged=3)


@databases()
async def test_a_full_write_leaves_other_sources_types_and_schools_alone(
    database: str, tmp_path: Path
) -> None:
    north, south = a_school("north"), a_school("south")
    async with open_database(database, tmp_path) as storage:
        await add_district(storage)
        await write(storage, [*north, *south, *family("n", "north"), *family("s", "south")])
        await write(storage, family("vendor-1", "north"), source="vendor")
        await write(storage, [UserRecord(user_id="nobody", enabled=True)])
        # A sibling at each school: their mother is of both.
        shared = RelationshipRecord(student_id="s", guardian_id="n-mother", portal_enabled=True)
        await write(storage, [shared])

        await write(storage, [*north, *family("new", "north")], days=1, full=True, most=100)
        people = await active(storage, user_account, "user_id")
        relationships = await active(storage, relationship, "student_id", "guardian_id")
        stays = await active(storage, enrollment, "enrollment_id")
        schools = await active(storage, school, "school_id")
        years = await active(storage, calendar, "calendar_id")
    assert not people & {"n", "n-father"}
    assert people >= {"s", "s-mother", "s-father", "vendor-1", "vendor-1-mother", "new"}
    assert "n-mother" in people
    assert "nobody" in people
    assert relationships >= {"s/n-mother", "s/s-mother", "new/new-mother"}
    assert not relationships & {"n/n-mother", "n/n-father"}
    assert stays == {"s@south", "vendor-1@north", "new@north"}
    assert schools == {"north", "south"}
    assert years == {"north:2027", "south:2027"}


@databases()
async def test_a_full_write_of_one_type_keeps_the_others(database: str, tmp_path: Path) -> None:
    records = [*a_school("north"), *family("s1", "north"), *family("s2", "north")]
    relationships = [record for record in records if isinstance(record, RelationshipRecord)]
    async with open_database(database, tmp_path) as storage:
        await add_district(storage)
        await write(storage, records)
        counts = await write(storage, relationships[:3], days=1, full=True, most=25)
        people = await active(storage, user_account, "user_id")
        left = await active(storage, relationship, "student_id", "guardian_id")
    assert counts == {RecordType.RELATIONSHIP: RecordCounts(unchanged=3, deactivated=1)}
    assert len(people) == 6
    assert len(left) == 3


@databases()
async def test_people_without_a_school_go_with_an_import_of_all_schools(
    database: str, tmp_path: Path
) -> None:
    records = [*a_school("north"), *family("s1", "north")]
    async with open_database(database, tmp_path) as storage:
        await add_district(storage)
        await write(storage, [*records, UserRecord(user_id="nobody", enabled=True)])
        await write(storage, records, days=1, full=True, most=25)
        people = await active(storage, user_account, "user_id")
    assert people == {"s1", "s1-mother", "s1-father"}


@databases()
async def test_too_many_deactivations_write_nothing(database: str, tmp_path: Path) -> None:
    north = a_school("north")
    families = [family(f"s{number}", "north") for number in range(10)]
    everybody = [record for one in families for record in one]
    async with open_database(database, tmp_path) as storage:
        await add_district(storage)
        await write(storage, [*north, *everybody])
        before = await everything(storage)
        with pytest.raises(GuardsExceeded) as refused:
            await write(storage, [*north, *everybody[24:]], days=1, full=True, most=39.9)
        assert await everything(storage) == before
        few = await write(storage, [*north, *everybody[18:]], days=1, full=True, most=0)
        counts = await write(storage, [*north, *everybody[42:]], days=1, full=True, most=58)
    excess = refused.value.excess
    assert (excess.guard, excess.record_type) == ("max_deactivated_percent", RecordType.USER)
    assert excess.percent == pytest.approx(40)
    assert excess.most == 39.9
    assert [one.field for one in refused.value.problems] == ["max_deactivated_percent"]
    assert refused.value.counts[RecordType.USER] == RecordCounts(unchanged=18, deactivated=12)
    assert few[RecordType.USER].deactivated == 9
    assert counts[RecordType.USER].deactivated == 12


@databases()
async def test_removals_by_name_deactivate(database: str, tmp_path: Path) -> None:
    async with open_database(database, tmp_path) as storage:
        await add_district(storage)
        await write(storage, [*a_school("north"), *family("s1", "north")])
        gone = [
            RecordName(RecordType.RELATIONSHIP, ("s1", "s1-mother")),
            RecordName(RecordType.USER, ("s1-mother",)),
            RecordName(RecordType.USER, ("never-was",)),
        ]
        first = await write(storage, gone, days=1)
        again = await write(storage, gone, days=2)
        async with storage.read() as connection:
            found = await get_user(connection, MAPLE, "s1-mother")
    assert first[RecordType.USER] == RecordCounts(unchanged=1, deactivated=1)
    assert again[RecordType.USER] == RecordCounts(unchanged=2)
    assert found is not None
    assert found[0].origin.update_time == START + dt.timedelta(days=1)


@databases()
async def test_removing_by_hand_what_never_was_is_refused(database: str, tmp_path: Path) -> None:
    unknown = RecordName(RecordType.USER, ("never-was",))
    async with open_database(database, tmp_path) as storage:
        await add_district(storage)
        with pytest.raises(RecordsRefused) as refused:
            await write(storage, [unknown], by_hand=True)
    assert [problem.missing for problem in refused.value.problems] == [unknown]


@databases()
async def test_dangling_references_are_named_and_nothing_is_written(
    database: str, tmp_path: Path
) -> None:
    foreign = EnrollmentRecord(
        enrollment_id="e", student_id="s1", calendar_id="west:2027", start_date=FIRST_DAY
    )
    relationship = RelationshipRecord(student_id="ghost", guardian_id="s1-mother")
    async with open_database(database, tmp_path) as storage:
        await add_district(storage)
        with pytest.raises(RecordsRefused) as refused:
            await write(
                storage, [*a_school("north"), foreign, *family("s1", "north"), relationship]
            )
        assert await everything(storage) == []
    found = [
        (problem.record_index, str(problem.name), problem.field, str(problem.missing))
        for problem in refused.value.problems
    ]
    assert found == [
        (2, "e", "calendar_id", "west:2027"),
        (9, "ghost/s1-mother", "student_id", "ghost"),
    ]
    assert refused.value.total == 2


@databases()
async def test_a_full_write_may_not_refer_to_whom_it_deactivates(
    database: str, tmp_path: Path
) -> None:
    north, known = a_school("north"), family("s1", "north", guardians=())
    async with open_database(database, tmp_path) as storage:
        await add_district(storage)
        await write(storage, [*north, *known])
        other = UserRecord(user_id="s2", enabled=True)
        with pytest.raises(RecordsRefused) as refused:
            await write(storage, [*north, other, known[1]], days=1, full=True, most=100)
    assert [problem.field for problem in refused.value.problems] == ["student_id"]


@databases()
async def test_a_name_that_comes_twice_is_refused(database: str, tmp_path: Path) -> None:
    twice = [UserRecord(user_id="a"), UserRecord(user_id="b"), UserRecord(user_id="a")]
    async with open_database(database, tmp_path) as storage:
        await add_district(storage)
        with pytest.raises(RecordsRefused) as refused:
            await write(storage, twice, batch=1)
    problem = refused.value.problems[0]
    assert (problem.record_index, problem.description) == (2, "was already record 0")


@databases()
async def test_students_are_listed_by_id_with_their_relationships(
    database: str, tmp_path: Path
) -> None:
    async with open_database(database, tmp_path) as storage:
        await add_district(storage)
        people = [*family("c", "north"), *family("a", "south"), *family("b", "north", "south")]
        await write(storage, [*a_school("north"), *a_school("south"), *people])
        await write(storage, [RecordName(RecordType.USER, ("c",))], days=1)

        async def names(**query: object) -> list[str]:
            asked = StudentQuery(district_id=MAPLE, **query)  # type: ignore[arg-type]
            async with storage.read() as connection:
                found = await list_students(connection, asked)
            return [student.user.record.user_id for student in found]

        assert await names() == ["a", "b"]
        assert await names(include_inactive=True) == ["a", "b", "c"]
        assert await names(limit=1, after="a") == ["b"]
        assert await names(calendar_id="north:2027") == ["b"]
        assert await names(guardian_id="a-mother") == ["a"]
        async with storage.read() as connection:
            students = await list_students(connection, StudentQuery(district_id=MAPLE))
            assert await count_portal_relationships(connection, MAPLE) == 6
            assert await has_portal_relationship(connection, MAPLE)
            assert not await has_portal_relationship(connection, "nowhere")
    assert [one.record.guardian_id for one in students[0].relationships] == [
        "a-father",
        "a-mother",
    ]
    assert [one.record.enrollment_id for one in students[1].enrollments] == ["b@north", "b@south"]


@databases()
async def test_a_guardian_is_no_student(database: str, tmp_path: Path) -> None:
    async with open_database(database, tmp_path) as storage:
        await add_district(storage)
        await write(storage, [*a_school("north"), *family("s1", "north")])
        async with storage.read() as connection:
            assert await get_student(connection, MAPLE, "s1-mother") is None
            assert await get_user(connection, MAPLE, "s1-mother") is not None
