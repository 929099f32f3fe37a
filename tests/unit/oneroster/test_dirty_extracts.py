"""Extracts as systems write them; each folder of `cases/` differs from `sound` in one thing."""

from __future__ import annotations

import datetime as dt
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from schoolbell.oneroster import (
    Roster,
    UnusableRosterError,
    User,
    provided_records,
    read,
    to_proto,
)
from tests.unit.oneroster.extracts import edit

CASES = Path(__file__).parent / "cases"
FLAGS = {"relation", "portal_enabled", "barred", "adult_consent", "start_date", "end_date"}


def read_case(name: str, folder: Path | None = None) -> Roster:
    directory = folder or CASES / name
    return read(directory, directory / "relationships.csv", today=dt.date(2026, 11, 28))


def bent(tmp_path: Path, file: str, change: Callable[[str], str], case: str = "sound") -> Path:
    """Copy a case and change the text of one of its files."""
    folder = Path(shutil.copytree(CASES / case, tmp_path / "case"))
    for table in folder.iterdir():
        edit(table, lambda data: data.replace(b"\r\n", b"\n"))
    edit(folder / file, lambda data: change(data.decode()).encode())
    return folder


def read_bent(tmp_path: Path, file: str, old: str, new: str) -> Roster:
    return read_case("", bent(tmp_path, file, lambda text: text.replace(old, new)))


def person(roster: Roster, user_id: str) -> User:
    return next(user for user in roster.users if user.user_id == user_id)


SOUND = read_case("sound")


def test_a_sound_extract_provides_everything_without_a_problem() -> None:
    assert SOUND.problem_count == 0
    assert {user.birth_date for user in SOUND.users if "student" in user.roles} == {
        dt.date(2008, 1, 1),
        dt.date(2010, 5, 5),
    }
    assert all("birth_date" in person(SOUND, f"s{n}").provided for n in range(1, 5))
    assert all(relationship.provided == FLAGS for relationship in SOUND.relationships)


@pytest.mark.parametrize(
    "case", ["demographics-rows-end-with-comma", "users-header-has-two-empty-columns"]
)
def test_empty_cells_too_many_or_too_few_are_nothing(case: str) -> None:
    assert read_case(case) == SOUND


@pytest.mark.parametrize("commas", [",", ",,", ", ,"])
@pytest.mark.parametrize("file", ["users", "orgs", "classes", "enrollments", "relationships"])
def test_surplus_empty_cells_are_nothing_in_every_file(
    tmp_path: Path, file: str, commas: str
) -> None:
    def widen(text: str) -> str:
        header, *rows = text.splitlines()
        return "\n".join([header, *(row + commas for row in rows)])

    assert read_case("", bent(tmp_path, f"{file}.csv", widen)) == SOUND


@pytest.mark.parametrize("file", ["users", "orgs", "enrollments", "relationships"])
def test_missing_trailing_cells_are_empty(tmp_path: Path, file: str) -> None:
    def narrow(text: str) -> str:
        return "\n".join(line.rstrip(",") for line in text.splitlines())

    assert read_case("", bent(tmp_path, f"{file}.csv", narrow)) == SOUND


def test_a_bar_in_a_short_row_stands() -> None:
    relationship = next(
        t for t in read_case("bar-in-a-short-row").relationships if t.student_id == "s2"
    )
    assert (relationship.barred, relationship.portal_enabled) == (True, False)
    assert relationship.provided == FLAGS


def test_rows_that_are_all_shifted_refuse_and_name_their_file(tmp_path: Path) -> None:
    def shift(text: str) -> str:
        header, *rows = text.splitlines()
        return "\n".join([header, *(f"x,{row}x" for row in rows)])

    folder = bent(tmp_path, "users.csv", shift)
    with pytest.raises(UnusableRosterError) as caught:
        read_case("", folder)
    assert str(caught.value).startswith("users.csv, line 2: 8 of its 8 rows have problems")
    assert {each.file for each in caught.value.problems} == {
        "users.csv",
        "relationships.csv",
    }, "what was found before the reading stopped is told as well"


def test_birth_dates_that_are_not_provided_are_named_so() -> None:
    roster = read_case("demographics-absent-in-manifest")
    assert not any("birth_date" in user.provided for user in roster.users)
    assert roster.problem_count == 0


def test_a_missing_demographics_file_provides_no_birth_dates(tmp_path: Path) -> None:
    folder = bent(tmp_path, "users.csv", str)
    (folder / "demographics.csv").unlink()
    roster = read_case("", folder)
    assert not any("birth_date" in user.provided for user in roster.users)
    assert [each.file for each in roster.problems] == ["demographics.csv"]


def test_a_missing_column_provides_no_birth_dates(tmp_path: Path) -> None:
    roster = read_bent(tmp_path, "demographics.csv", "birthDate", "born")
    assert not any("birth_date" in user.provided for user in roster.users)
    assert [(each.file, each.column) for each in roster.problems] == [
        ("demographics.csv", "birthDate")
    ]


@pytest.mark.parametrize("cell", ["05/05/2010", "2010-13-05", "soon"])
def test_an_unreadable_birth_date_is_not_provided(tmp_path: Path, cell: str) -> None:
    roster = read_bent(tmp_path, "demographics.csv", "2010-05-05", cell)
    assert "birth_date" not in person(roster, "s4").provided
    assert "birth_date" in person(roster, "s1").provided
    assert [each.column for each in roster.problems] == ["birthDate"]


def test_an_empty_birth_date_is_provided_as_none(tmp_path: Path) -> None:
    student = person(read_bent(tmp_path, "demographics.csv", "2010-05-05", ""), "s4")
    assert student.birth_date is None
    assert "birth_date" in student.provided


def test_a_person_without_a_row_of_demographics_keeps_what_is_stored(tmp_path: Path) -> None:
    roster = read_bent(tmp_path, "demographics.csv", "s4,active,,2010-05-05,female\n", "")
    assert "birth_date" not in person(roster, "s4").provided
    assert roster.problem_count == 0


def test_many_unreadable_birth_dates_refuse_until_told_otherwise(tmp_path: Path) -> None:
    folder = bent(tmp_path, "demographics.csv", lambda text: text.replace("2008-01-01", "01/08"))
    with pytest.raises(UnusableRosterError, match=r"demographics\.csv, line 2, column birthDate"):
        read_case("", folder)
    roster = read(folder, folder / "relationships.csv", most_bad_rows_percent=100)
    assert "birth_date" not in person(roster, "s1").provided
    assert roster.problem_count == 3


@pytest.mark.parametrize(
    ("column", "field"),
    [("portal", "portal_enabled"), ("barred", "barred"), ("endDate", "end_date")],
)
def test_a_column_that_the_side_file_lacks_is_not_provided(
    tmp_path: Path, column: str, field: str
) -> None:
    roster = read_bent(tmp_path, "relationships.csv", f",{column}", ",other")
    assert all(relationship.provided == FLAGS - {field} for relationship in roster.relationships)


@pytest.mark.parametrize(
    ("line", "kept"),
    [
        ("s2,g2,perhaps,mother,,,,", {"portal_enabled"}),
        ("s2,g2,,mother,,,,", {"portal_enabled"}),
        ("s2,g2,true,mother,perhaps,,,", {"portal_enabled", "barred"}),
        ("s2,g2,true,mother,,,,June", {"portal_enabled", "end_date"}),
        ("s2,g2,false,mother,,,,June", {"end_date"}),
        ("s2,g2,true,mother,,yes,2027-01-02,2027-01-01", FLAGS - {"relation", "barred"}),
    ],
)
def test_an_unreadable_cell_of_the_side_file_grants_nothing_and_takes_nothing(
    tmp_path: Path, line: str, kept: set[str]
) -> None:
    roster = read_bent(tmp_path, "relationships.csv", "s2,g2,true,mother,,,,", line)
    relationship = next(
        relationship for relationship in roster.relationships if relationship.student_id == "s2"
    )
    assert not relationship.portal_enabled
    assert not relationship.adult_consent
    assert relationship.provided == FLAGS - kept
    assert roster.problem_count == 1


def test_a_pair_whose_line_may_have_been_left_out_keeps_its_flags(tmp_path: Path) -> None:
    roster = read_bent(
        tmp_path, "relationships.csv", "s2,g2,true,mother,,,,", "s2,g2,true,mother,,,,,x"
    )
    relationship = next(
        relationship for relationship in roster.relationships if relationship.student_id == "s2"
    )
    assert relationship.provided == frozenset()
    assert not relationship.portal_enabled


def test_a_pair_without_a_line_in_a_whole_side_file_has_no_flags(tmp_path: Path) -> None:
    roster = read_bent(tmp_path, "relationships.csv", "s2,g2,true,mother,,,,\n", "")
    relationship = next(
        relationship for relationship in roster.relationships if relationship.student_id == "s2"
    )
    assert relationship.provided == FLAGS
    assert not relationship.portal_enabled


def test_an_unreadable_flag_of_an_account_is_not_provided(tmp_path: Path) -> None:
    roster = read_bent(tmp_path, "users.csv", "g1,active,,true", "g1,active,,perhaps")
    assert "enabled" not in person(roster, "g1").provided
    assert not person(roster, "g1").enabled


def test_records_name_the_fields_that_are_provided(tmp_path: Path) -> None:
    roster = read_bent(tmp_path, "demographics.csv", "2010-05-05", "soon")
    named = {
        each.record.user.user_id: each.provided
        for each in provided_records(roster)
        if each.record.HasField("user")
    }
    names = ("user_id", "enabled", "names.family_name", "names.given_name")
    assert named["s4"] == names
    assert sorted(named["s1"]) == sorted((*names, "birth_date"))
    for each in provided_records(roster):
        arm = each.record.WhichOneof("record")
        assert arm is not None
        fields = getattr(each.record, arm).DESCRIPTOR.fields_by_name
        assert {path.split(".")[0] for path in each.provided} <= set(fields)
        assert len(set(each.provided)) == len(each.provided)


@pytest.mark.parametrize(
    "cell", ["", "2026-2027", "2026/27", "2026-27", "2026 - 2027", "NULL", "Null"]
)
def test_a_school_year_is_blank_or_a_range(tmp_path: Path, cell: str) -> None:
    def write(text: str) -> str:
        return text.replace(",sy,2027", f",sy,{cell}")

    assert read_case("", bent(tmp_path, "academicSessions.csv", write)) == SOUND


def test_a_blank_school_year_of_terms_is_that_of_the_session_above() -> None:
    assert read_case("schoolyear-blank-on-terms") == SOUND


def test_a_school_year_that_nothing_names_is_the_year_in_which_it_ends(tmp_path: Path) -> None:
    def blank(text: str) -> str:
        return text.replace(",2027\n", ",\n")

    assert read_case("", bent(tmp_path, "academicSessions.csv", blank)) == SOUND


@pytest.mark.parametrize(
    "cell", ["27", "2026-2028", "2027-2026", "2026-06", "SY", "2026-2027-2028", "1026"]
)
def test_a_school_year_that_cannot_be_read_refuses(tmp_path: Path, cell: str) -> None:
    def write(text: str) -> str:
        return text.replace("12-20,sy,2027", f"12-20,sy,{cell}")

    with pytest.raises(UnusableRosterError, match=r"academicSessions\.csv, line 3, .*schoolYear"):
        read_case("", bent(tmp_path, "academicSessions.csv", write))


def test_terms_without_a_year_anywhere_refuse_where_classes_name_them(tmp_path: Path) -> None:
    def orphan(text: str) -> str:
        return text.replace(",sy,2027", ",,")

    with pytest.raises(UnusableRosterError, match=r"academicSessions\.csv, line 3, .*schoolYear"):
        read_case("", bent(tmp_path, "academicSessions.csv", orphan))


@pytest.mark.parametrize("end", ["9999-12-31", "2999-01-01", "NULL", "\\N", "null", "n/a"])
def test_an_open_end_of_an_enrollment_is_that_of_its_class(tmp_path: Path, end: str) -> None:
    def write(text: str) -> str:
        header, *rows = text.splitlines()
        return "\n".join([header, *(row + end for row in rows)])

    assert read_case("", bent(tmp_path, "enrollments.csv", write)) == SOUND


@pytest.mark.parametrize("status", ["", "NULL", "Null", "\\N", "Active"])
def test_a_status_that_says_nothing_is_active(tmp_path: Path, status: str) -> None:
    assert read_bent(tmp_path, "users.csv", ",active,", f",{status},") == SOUND


def test_a_family_may_be_called_null(tmp_path: Path) -> None:
    roster = read_bent(tmp_path, "users.csv", "Stu1,Testname", "Stu1,Null")
    assert person(roster, "s1").family_name == "Null"


def test_the_case_of_open_ends_is_the_sound_roster() -> None:
    assert read_case("open-end-9999") == SOUND


@pytest.mark.parametrize("end", ["9999-12-31", "NULL", ""])
def test_an_open_end_of_a_term_is_that_of_the_session_above(tmp_path: Path, end: str) -> None:
    roster = read_bent(tmp_path, "academicSessions.csv", "2027-06-10,sy", f"{end},sy")
    assert roster == SOUND


@pytest.mark.parametrize("end", ["9999-12-31", "3000-01-01", "NULL", "\\N", ""])
def test_an_open_end_of_a_relationship_is_no_end(tmp_path: Path, end: str) -> None:
    roster = read_bent(
        tmp_path, "relationships.csv", "s2,g2,true,mother,,,,", f"s2,g2,true,mother,,,,{end}"
    )
    assert roster == SOUND


@pytest.mark.parametrize(
    "time", [" 00:00:00", "T00:00:00", "T00:00:00.000Z", "T12:30:00+02:00", " 12:00 AM"]
)
def test_a_time_after_a_date_is_cut_off(tmp_path: Path, time: str) -> None:
    for file, date in (("demographics.csv", "2008-01-01"), ("academicSessions.csv", "2027-06-10")):
        roster = read_bent(tmp_path / file.removesuffix(".csv"), file, date, date + time)
        assert roster == SOUND


def test_a_share_of_bad_rows_refuses_unless_it_is_allowed(tmp_path: Path) -> None:
    def write(text: str) -> str:
        for student, end in (("s1", "2027-06-10"), ("s2", "tomorrow")):
            text = text.replace(f"{student},student,false,,", f"{student},student,false,,{end}")
        return text.replace("s3,student,false,,\n", "s3,student,false,,2026-12-32\n", 1)

    folder = bent(tmp_path, "enrollments.csv", write)
    with pytest.raises(UnusableRosterError, match="3 of its 8 rows have problems, more than 5 %"):
        read_case("", folder)
    roster = read(folder, folder / "relationships.csv", most_bad_rows_percent=50)
    assert [each.student_id for each in roster.enrollments] == ["s1", "s3", "s4"]
    assert roster.problem_count == 3


def test_terms_of_two_years_are_both_taken_with_a_problem() -> None:
    roster = read_case("class-names-terms-of-two-years")
    assert [each.calendar_id for each in roster.calendars] == ["sch1:2026", "sch1:2027"]
    assert [each.enrollment_id for each in roster.enrollments if each.student_id == "s1"] == [
        "s1@sch1:2026",
        "s1@sch1:2027",
    ]
    (problem,) = roster.problems
    assert (problem.file, problem.line, problem.column) == ("classes.csv", 2, "termSourcedIds")
    first, second = (each for each in roster.enrollments if each.student_id == "s1")
    assert (first.start_date, first.end_date) == (dt.date(2025, 8, 15), dt.date(2026, 6, 20))
    assert (second.start_date, second.end_date) == (dt.date(2026, 8, 15), dt.date(2027, 6, 10))


def test_roles_of_two_rows_add_up() -> None:
    roster = read_case("one-person-teacher-and-guardian")
    assert person(roster, "g1").roles == {"guardian", "teacher"}
    assert roster.relationships == SOUND.relationships
    assert roster.problem_count == 0
    alone = read(CASES / "one-person-teacher-and-guardian")
    assert person(alone, "g1").roles == {"guardian", "teacher"}, "not for the side file's line"
    assert ("s1", "g1") in [
        (relationship.student_id, relationship.guardian_id) for relationship in alone.relationships
    ]


def test_roles_of_two_rows_add_up_beside_a_delta(tmp_path: Path) -> None:
    delta = tmp_path / "delta"
    delta.mkdir()
    (delta / "manifest.csv").write_text("propertyName,value\nfile.users,delta\n")
    shutil.copy(CASES / "sound" / "users.csv", delta / "users.csv")
    edit(delta / "users.csv", lambda data: data.splitlines(keepends=True)[0])
    folder = CASES / "one-person-teacher-and-guardian"
    roster = read(folder, deltas=[delta])
    assert person(roster, "g1").roles == {"guardian", "teacher"}


@pytest.mark.parametrize(("first", "second"), [("true", "false"), ("false", "true")])
def test_an_account_that_one_of_its_rows_disables_is_disabled(
    tmp_path: Path, first: str, second: str
) -> None:
    def write(text: str) -> str:
        teacher, guardian = "g1,active,,true,sch1,teacher", "g1,active,,true,sch1,guardian"
        return text.replace(teacher, teacher.replace("true", first)).replace(
            guardian, guardian.replace("true", second)
        )

    case = "one-person-teacher-and-guardian"
    account = person(read_case("", bent(tmp_path, "users.csv", write, case)), "g1")
    assert not account.enabled
    assert "enabled" in account.provided


def test_names_keep_their_joiners() -> None:
    roster = read_case("names-with-joiners")
    names = [person(roster, student).given_name for student in ("s1", "s2")]
    assert "\u200d" in names[0]
    assert "\u200c" in names[1]
    sent = {record.user.user_id: record.user.names.given_name for record in to_proto(roster)}
    assert [sent["s1"], sent["s2"]] == names


def test_a_parent_who_is_staff_is_a_guardian_by_a_line_of_the_side_file(tmp_path: Path) -> None:
    roster = read_bent(tmp_path, "users.csv", "guardian,g1", "teacher,g1")
    assert roster.relationships == SOUND.relationships
    assert person(roster, "g1").roles == {"guardian", "teacher"}
    assert roster.problem_count == 0


def test_staff_who_are_agents_without_a_line_are_counted_and_named(tmp_path: Path) -> None:
    folder = bent(tmp_path, "users.csv", lambda text: text.replace("guardian,g1", "teacher,g1"))
    edit(folder / "relationships.csv", lambda data: data.replace(b"s1,g1,true,mother,,,,\n", b""))
    roster = read_case("", folder)
    (problem,) = roster.problems
    assert problem.text.startswith("1 pairs of a student and an agent who is staff")
    assert problem.text.endswith(": s1/g1")
    assert "g1" not in [user.user_id for user in roster.users]


def with_roles(tmp_path: Path, rows: list[str]) -> Path:
    """Copy the sound case as OneRoster 1.2, with these rows for the guardian of s1."""

    def without_role(text: str) -> str:
        return text.replace(",role,", ",was,")

    folder = bent(tmp_path, "users.csv", without_role)
    edit(folder / "manifest.csv", lambda data: data + b"file.roles,bulk\n")
    others = [f"s{n},student,," for n in range(1, 5)] + [f"g{n},guardian,," for n in range(2, 5)]
    lines = [f"r{n},active,,{row}" for n, row in enumerate([*others, *rows])]
    header = "sourcedId,status,dateLastModified,userSourcedId,role,beginDate,endDate"
    (folder / "roles.csv").write_text("\n".join([header, *lines]), encoding="utf-8")
    return folder


@pytest.mark.parametrize(
    "dates",
    [",", "2026-11-28,", ",2026-11-28", "2020-01-01,9999-12-31", "2020-01-01,NULL"],
)
def test_a_role_counts_from_its_begin_to_its_end(tmp_path: Path, dates: str) -> None:
    assert read_case("", with_roles(tmp_path, [f"g1,guardian,{dates}"])) == SOUND


@pytest.mark.parametrize("dates", [",2026-11-27", "2026-11-29,", "2020-01-01,2020-01-02"])
def test_an_ended_role_does_not_count(tmp_path: Path, dates: str) -> None:
    roster = read_case("", with_roles(tmp_path, [f"g1,guardian,{dates}"]))
    assert "g1" not in [user.user_id for user in roster.users]
    assert "g1" not in [relationship.guardian_id for relationship in roster.relationships]


def test_a_role_with_dates_that_cannot_be_read_does_not_count(tmp_path: Path) -> None:
    roster = read_case("", with_roles(tmp_path, ["g1,guardian,,soon"]))
    assert "g1" not in [user.user_id for user in roster.users]
    assert roster.problems[0].file == "roles.csv"


def test_enrollments_of_somebody_whose_role_ended_are_no_problem(tmp_path: Path) -> None:
    folder = with_roles(tmp_path, ["g1,guardian,,"])
    edit(
        folder / "roles.csv", lambda data: data.replace(b"s4,student,,", b"s4,student,,2026-01-01")
    )
    edit(folder / "relationships.csv", lambda data: data.replace(b"s4,g4,true,mother,,,,\n", b""))
    roster = read_case("", folder)
    assert [each.student_id for each in roster.enrollments] == ["s1", "s2", "s3"]
    assert roster.problem_count == 0


def test_the_file_that_lost_its_rows_is_blamed_before_those_that_refer_to_it(
    tmp_path: Path,
) -> None:
    def lose(text: str) -> str:
        return (
            text.replace("2026-08-15,2026-12-20", "later,2026-12-20")
            .replace("2027-01-05,2027-06-10", "2027-01-05,sooner")
            .replace("2026-08-15,2027-06-10", "2027-08-15,2027-06-10")
        )

    with pytest.raises(UnusableRosterError) as caught:
        read_case("", bent(tmp_path, "academicSessions.csv", lose))
    assert caught.value.problem.file == "academicSessions.csv"
    assert caught.value.problem.line == 2
    assert "none of the rows can be used" in str(caught.value)
    places = [(each.file, each.line) for each in caught.value.problems]
    assert places[:3] == [("academicSessions.csv", line) for line in (2, 3, 4)]
    assert "classes.csv" in {file for file, _ in places}


def test_a_missing_file_does_not_hide_what_was_wrong_before(tmp_path: Path) -> None:
    def lose(text: str) -> str:
        return text.replace(",schoolYear,", ",schoolYear,x,").replace("semester", "semester,x")

    folder = bent(tmp_path, "academicSessions.csv", lose)
    (folder / "classes.csv").unlink()
    with pytest.raises(UnusableRosterError) as caught:
        read_case("", folder)
    assert caught.value.problem.file == "academicSessions.csv"
    assert caught.value.problems[-1].file == "classes.csv"
