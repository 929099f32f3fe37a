"""Whatever an extract holds, its records pass: one bad record would refuse a whole import."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schoolbell.oneroster import Roster, UnusableRosterError, read, to_proto
from schoolbell_server.contract.roster_records import read_record
from tests.unit.oneroster.extracts import Extract, enrollment, org, school_class, user, write_table


def complaints(roster: Roster) -> list[str]:
    found: list[str] = []
    for record in to_proto(roster):
        read_record(
            record,
            "",
            lambda path, text, _reason=None, /: found.append(f"{path} {text}"),
            removable=False,
        )
    return found


def test_long_ids_and_texts_pass(tmp_path: Path) -> None:
    school, student = "h" * 123, "s" * 128
    extract = Extract()
    extract.tables["orgs"] += [org(school), org("x" * 124)]
    extract.tables["classes"].append(school_class("law", school, "high-fall"))
    extract.tables["users"].append(user(student, "student", "mia") | {"givenName": "n" * 2000})
    extract.tables["enrollments"].append(enrollment("9", "law", student))
    relationship = {"studentSourcedId": student, "guardianSourcedId": "mia", "portal": "true"}
    side = write_table(tmp_path / "side.csv", [relationship | {"relation": "r" * 300}])
    roster = read(extract.write(tmp_path / "or"), side)
    assert complaints(roster) == []
    assert f"{school}:2027" in [each.calendar_id for each in roster.calendars]
    assert student in [each.student_id for each in roster.enrollments]
    assert "x" * 124 not in [each.school_id for each in roster.schools]
    again = read(tmp_path / "or", side)
    assert again.enrollments == roster.enrollments


def test_reversed_dates_of_a_relationship_enable_no_portal(tmp_path: Path) -> None:
    relationship = {"studentSourcedId": "ana", "guardianSourcedId": "mia", "portal": "true"}
    dates = {"startDate": "2027-01-02", "endDate": "2027-01-01"}
    side = write_table(tmp_path / "side.csv", [relationship | dates])
    roster = read(Extract().write(tmp_path / "or"), side)
    assert complaints(roster) == []
    assert not roster.relationships[0].portal_enabled


def spots() -> Iterator[tuple[str, int, str]]:
    for name, table in Extract().tables.items():
        for place, row in enumerate(table):
            yield from ((name, place, column) for column in row)


ODD = st.sampled_from(
    ["", "1900-01-01", "0001-01-01", "2200-12-31", "9999-12-31", "\0", "a\0b", "\u202e", "x" * 3000]
) | st.text(max_size=20).filter(lambda text: text.isprintable())


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(st.tuples(st.sampled_from(list(spots())), ODD), max_size=4))
def test_an_extract_with_odd_cells_gives_records_that_pass_or_none(
    tmp_path: Path, cells: list[tuple[tuple[str, int, str], str]]
) -> None:
    extract = Extract()
    for (name, place, column), cell in cells:
        extract.tables[name][place][column] = cell
    try:
        found = complaints(read(extract.write(tmp_path / "or")))
    except UnusableRosterError:
        found = []
    assert found == []
