"""What a sound extract is read as."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

from schoolbell.oneroster import Relationship, read, to_proto
from tests.unit.oneroster.extracts import (
    Extract,
    edit,
    enrollment,
    org,
    school_class,
    session,
    user,
    write_table,
)


def day(text: str) -> dt.date:
    return dt.date.fromisoformat(text)


def portal(student: str, guardian: str, flag: str = "true", **more: str) -> dict[str, str]:
    return {"studentSourcedId": student, "guardianSourcedId": guardian, "portal": flag, **more}


def test_schools_are_the_orgs_of_that_type(tmp_path: Path) -> None:
    roster = read(Extract().write(tmp_path))
    assert [school.school_id for school in roster.schools] == ["high", "middle"]
    assert roster.schools[0].name == "HIGH"


def test_a_calendar_is_named_by_school_and_year_and_spans_the_year(tmp_path: Path) -> None:
    high, middle = read(Extract().write(tmp_path)).calendars
    assert (high.calendar_id, high.school_id, high.school_year) == ("high:2027", "high", 2027)
    assert (high.start_date, high.end_date) == (day("2026-08-24"), day("2027-05-28"))
    assert [term.term_id for term in high.terms] == ["high-fall", "high-spring"]
    assert high.terms[0].end_date == day("2026-12-18")
    assert middle.calendar_id == "middle:2027"


def test_a_school_that_names_only_the_year_has_the_parts_that_no_other_school_names(
    tmp_path: Path,
) -> None:
    middle = read(Extract().write(tmp_path)).calendars[1]
    assert [term.term_id for term in middle.terms] == ["shared"]


def test_a_year_without_parts_is_its_own_single_term(tmp_path: Path) -> None:
    extract = Extract()
    extract.tables["academicSessions"] = extract.tables["academicSessions"][:3]
    middle = read(extract.write(tmp_path)).calendars[1]
    assert [term.term_id for term in middle.terms] == ["year"]


def test_grading_periods_that_no_class_names_are_no_terms(tmp_path: Path) -> None:
    extract = Extract()
    extract.tables["academicSessions"].append(
        session("gp1", "2026-08-24", "2026-10-01", "gradingPeriod", parent="year")
    )
    assert [t.term_id for t in read(extract.write(tmp_path)).calendars[1].terms] == ["shared"]


def test_a_class_with_two_terms_makes_both_terms_of_its_school(tmp_path: Path) -> None:
    extract = Extract()
    extract.tables["classes"] = [
        school_class(each, "high", "high-fall, high-spring") for each in ("art", "bio", "gym")
    ]
    calendars = read(extract.write(tmp_path)).calendars
    assert [(c.calendar_id, len(c.terms)) for c in calendars] == [("high:2027", 2)]


def test_two_school_years_are_two_calendars(tmp_path: Path) -> None:
    extract = Extract()
    extract.tables["academicSessions"] += [
        session("next", "2027-08-23", "2028-05-26", "schoolYear", year="2028"),
        session("next-fall", "2027-08-23", "2027-12-17", parent="next", year="2028"),
    ]
    extract.tables["classes"].append(school_class("chem", "high", "next-fall"))
    extract.tables["enrollments"].append(enrollment("9", "chem", "ana"))
    roster = read(extract.write(tmp_path))
    assert [c.calendar_id for c in roster.calendars] == ["high:2027", "high:2028", "middle:2027"]
    assert roster.calendars[1].end_date == day("2028-05-26")
    assert "ana@high:2028" in [each.enrollment_id for each in roster.enrollments]


def test_sessions_in_a_ring_do_not_hang(tmp_path: Path) -> None:
    extract = Extract()
    extract.row("academicSessions", "high-fall")["parentSourcedId"] = "high-spring"
    extract.row("academicSessions", "high-spring")["parentSourcedId"] = "high-fall"
    high = read(extract.write(tmp_path)).calendars[0]
    assert (high.start_date, high.end_date) == (day("2026-08-24"), day("2027-05-28"))


def test_users_are_students_and_guardians_with_birth_dates_from_demographics(
    tmp_path: Path,
) -> None:
    extract = Extract()
    extract.row("users", "ben")["enabledUser"] = "false"
    extract.row("users", "tom")["enabledUser"] = ""
    users = {each.user_id: each for each in read(extract.write(tmp_path)).users}
    assert sorted(users) == ["ana", "ben", "mia", "tom"]
    assert users["ana"].birth_date == day("2010-02-03")
    assert users["ben"].birth_date is None
    assert not users["ben"].enabled
    assert users["tom"].enabled
    assert users["mia"].given_name == "Given mia"


@pytest.mark.parametrize("role", ["guardian", "parent", "relative", "Parent"])
def test_every_guardian_role_counts(tmp_path: Path, role: str) -> None:
    extract = Extract()
    extract.row("users", "mia")["role"] = role
    assert ("ana", "mia") in pairs(read(extract.write(tmp_path)).relationships)


def pairs(relationships: tuple[Relationship, ...]) -> list[tuple[str, str]]:
    return [(each.student_id, each.guardian_id) for each in relationships]


def test_relationships_are_the_union_of_both_directions(tmp_path: Path) -> None:
    roster = read(Extract().write(tmp_path))
    assert pairs(roster.relationships) == [("ana", "mia"), ("ben", "tom")]


def test_a_teacher_a_classmate_and_oneself_are_no_guardians(tmp_path: Path) -> None:
    extract = Extract()
    extract.row("users", "ana")["agentSourcedIds"] = "liz,ben,ana"
    extract.row("users", "mia")["agentSourcedIds"] = "tom"
    roster = read(extract.write(tmp_path))
    assert pairs(roster.relationships) == [("ben", "tom")]


def test_without_the_side_file_no_relationship_is_imported_and_a_problem_says_so(
    tmp_path: Path,
) -> None:
    roster = read(Extract().write(tmp_path))
    assert not any(each.portal_enabled for each in roster.relationships)
    assert not any(record.HasField("relationship") for record in to_proto(roster))
    assert [str(each) for each in roster.problems] == [
        "relationships.csv: none given: relationships, portal flags and bars stay as they are "
        "stored"
    ]


def test_the_side_file_brings_flags_dates_and_pairs_of_its_own(tmp_path: Path) -> None:
    bar = portal("ben", "tom", barred="true", adultConsent="yes", startDate="2026-09-01")
    side = write_table(tmp_path / "side.csv", [bar, portal("ben", "mia", relation="Aunt")])
    roster = read(Extract().write(tmp_path / "or"), side)
    relationships = {(each.student_id, each.guardian_id): each for each in roster.relationships}
    assert relationships["ben", "tom"].barred
    assert relationships["ben", "tom"].adult_consent
    assert relationships["ben", "tom"].start_date == day("2026-09-01")
    assert relationships["ben", "mia"].portal_enabled
    assert relationships["ben", "mia"].relation == "Aunt"
    assert not relationships["ana", "mia"].portal_enabled
    assert [each.text for each in roster.problems] == [
        "has no line for 1 pairs of users.csv; they are not portal-enabled"
    ]


def test_of_two_lines_for_a_pair_the_stricter_flags_stand(tmp_path: Path) -> None:
    lines = [portal("ana", "mia"), portal("ana", "mia", "false", barred="true")]
    side = write_table(tmp_path / "side.csv", lines)
    relationship = read(Extract().write(tmp_path / "or"), side).relationships[0]
    assert relationship.barred
    assert not relationship.portal_enabled


def test_an_enrolment_is_the_hull_per_calendar(tmp_path: Path) -> None:
    enrollments = read(Extract().write(tmp_path)).enrollments
    spans = {e.enrollment_id: (e.start_date, e.end_date) for e in enrollments}
    assert spans == {
        "ana@high:2027": (day("2026-08-24"), day("2027-05-28")),
        "ana@middle:2027": (day("2026-09-07"), day("2026-10-01")),
        "ben@middle:2027": (day("2026-08-24"), day("2027-05-28")),
    }


def test_exclusive_end_dates_end_a_day_sooner(tmp_path: Path) -> None:
    roster = read(Extract().write(tmp_path), end_dates="exclusive")
    spans = {e.enrollment_id: e.end_date for e in roster.enrollments}
    assert spans["ana@high:2027"] == day("2027-05-27")
    assert spans["ben@middle:2027"] == day("2027-05-27")
    assert roster.calendars[0].terms[0].end_date == day("2026-12-17")
    assert roster.calendars[0].end_date == day("2027-05-27")


@pytest.mark.parametrize("status", ["tobedeleted", "inactive", "ToBeDeleted"])
def test_rows_that_are_gone_do_not_count(tmp_path: Path, status: str) -> None:
    extract = Extract()
    extract.row("enrollments", "3")["status"] = status
    extract.row("users", "tom")["status"] = status
    roster = read(extract.write(tmp_path))
    assert "ana@middle:2027" not in [each.enrollment_id for each in roster.enrollments]
    assert [each.user_id for each in roster.users] == ["ana", "ben", "mia"]


def test_mark_order_and_unknown_columns_do_not_matter(tmp_path: Path) -> None:
    plain = read(Extract().write(tmp_path / "plain"))
    extract = Extract()
    extract.tables["users"] = [
        {"password": "x", **dict(reversed(row.items())), "extra": "ü"}
        for row in extract.tables["users"]
    ]
    folder = extract.write(tmp_path / "shuffled")
    edit(folder / "users.csv", lambda data: b"\xef\xbb\xbf" + data)
    assert read(folder) == plain


def test_a_delta_replaces_rows_and_removes_those_to_be_deleted(tmp_path: Path) -> None:
    bulk = Extract().write(tmp_path / "bulk")
    delta = Extract(
        tables={
            "users": [user("cem", "student", "mia"), user("ben", "student", "mia")],
            "enrollments": [
                enrollment("6", "bio", "cem"),
                enrollment("2", "bio", "ana") | {"status": "tobedeleted"},
            ],
        },
        manifest={"file.users": "delta", "file.enrollments": "delta", "file.orgs": "absent"},
    ).write(tmp_path / "delta")
    roster = read(bulk, deltas=[delta])
    spans = {e.enrollment_id: e.end_date for e in roster.enrollments}
    assert spans["ana@high:2027"] == day("2026-12-18")
    assert spans["cem@high:2027"] == day("2027-05-28")
    assert ("ben", "mia") in pairs(roster.relationships)
    assert ("cem", "mia") in pairs(roster.relationships)


def test_oneroster_1_2_takes_roles_from_their_own_file(tmp_path: Path) -> None:
    extract = Extract()
    roles = {"ana": "student", "ben": "student", "mia": "parent", "liz": "teacher", "tom": "parent"}
    for row in extract.tables["users"]:
        del row["role"]
    rows = [*roles.items(), ("liz", "guardian")]
    extract.tables["roles"] = [
        {"sourcedId": str(n), "status": "", "userSourcedId": user_id, "role": role}
        for n, (user_id, role) in enumerate(rows)
    ]
    extract.row("users", "ana")["agentSourcedIds"] = "mia,liz"
    extract.manifest |= {"oneroster.version": "1.2", "file.roles": "bulk"}
    roster = read(extract.write(tmp_path))
    assert pairs(roster.relationships) == [("ana", "liz"), ("ana", "mia"), ("ben", "tom")]


def test_records_say_all_of_it(tmp_path: Path) -> None:
    side = write_table(tmp_path / "side.csv", [portal("ana", "mia", relation="Mother")])
    records = list(to_proto(read(Extract().write(tmp_path / "or"), side)))
    kinds = [record.WhichOneof("record") for record in records]
    assert {kind: kinds.count(kind) for kind in set(kinds)} == {
        "school": 2,
        "calendar": 2,
        "user": 4,
        "relationship": 2,
        "enrollment": 3,
    }
    ana = records[4].user
    assert (ana.user_id, ana.enabled, ana.names.given_name) == ("ana", True, "Given ana")
    assert (ana.birth_date.year, ana.birth_date.month, ana.birth_date.day) == (2010, 2, 3)
    assert not records[5].user.HasField("birth_date")
    relationship = records[8].relationship
    assert (relationship.student_id, relationship.guardian_id, relationship.relation) == (
        "ana",
        "mia",
        "Mother",
    )
    assert relationship.portal_enabled
    assert records[10].enrollment.portal_visible


def test_the_recorded_year_is_read_whole(grand_bend: Path) -> None:
    roster = read(grand_bend / "oneroster-1.1", grand_bend / "relationships.csv")
    students = [each for each in roster.users if "student" in each.roles]
    assert (len(students), len(roster.users)) == (560, 1667)
    assert len(roster.relationships) == 1107
    assert sum(each.portal_enabled for each in roster.relationships) == 1010
    assert len(roster.enrollments) == 560
    assert [each.calendar_id for each in roster.calendars] == ["255901001:2027", "255901044:2027"]
    assert [len(each.terms) for each in roster.calendars] == [2, 2]
    assert all(each.birth_date for each in students)
    assert [(each.file, each.column) for each in roster.problems] == [
        ("classes.csv", "sourcedId")
    ] * 12


def test_an_org_that_is_no_school_takes_no_classes(tmp_path: Path) -> None:
    extract = Extract()
    extract.tables["orgs"].append(org("dept", "department"))
    extract.tables["classes"].append(school_class("law", "dept", "year"))
    roster = read(extract.write(tmp_path))
    assert [each.school_id for each in roster.calendars] == ["high", "middle"]
    assert "'dept' is not in orgs.csv as a school" in [each.text for each in roster.problems]
