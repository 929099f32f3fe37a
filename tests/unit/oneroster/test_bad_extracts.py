"""Bad rows are reported and left out; bad files stop the reading and say where."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from schoolbell.oneroster import Problem, Roster, UnusableRosterError, read
from tests.unit.oneroster.extracts import Extract, edit, user, write_table


def read_quietly(extract: Extract, folder: Path) -> Roster:
    """Read with a side file that has every pair, so that only the bent row is a problem."""
    lines = [("ana", "mia"), ("ben", "tom")]
    rows = [{"studentSourcedId": s, "guardianSourcedId": g, "portal": "true"} for s, g in lines]
    side = write_table(folder / "side.csv", rows)
    return read(extract.write(folder / "or"), side)


ROW_PROBLEMS: dict[str, tuple[str, str, int, str, str]] = {
    "bad date": ("enrollments", "3", 4, "beginDate", "09/07/2026"),
    "no such date": ("enrollments", "3", 4, "endDate", "2026-02-30"),
    "week date": ("enrollments", "3", 4, "endDate", "2026-W10-1"),
    "reversed": ("enrollments", "3", 4, "endDate", "2026-09-06"),
    "no such year": ("enrollments", "3", 4, "beginDate", "0001-01-01"),
    "unknown class": ("enrollments", "3", 4, "classSourcedId", "?"),
    "unknown student": ("enrollments", "3", 4, "userSourcedId", "eve"),
    "unknown role": ("enrollments", "3", 4, "role", "pupil"),
    "unknown status": ("enrollments", "3", 4, "status", "gone?"),
    "unknown agent": ("users", "ana", 2, "agentSourcedIds", "mia,eve"),
    "bad flag": ("users", "mia", 4, "enabledUser", "maybe"),
    "bad birth date": ("demographics", "ana", 2, "birthDate", "soon"),
    "bad session date": ("academicSessions", "shared", 5, "endDate", "x"),
    "unknown term": ("classes", "art", 2, "termSourcedIds", "high-fall,winter"),
}


@pytest.mark.parametrize("case", ROW_PROBLEMS)
def test_a_bad_row_is_named_by_file_line_and_column(tmp_path: Path, case: str) -> None:
    table, row_id, line, column, cell = ROW_PROBLEMS[case]
    extract = Extract()
    extract.row(table, row_id)[column] = cell
    roster = read_quietly(extract, tmp_path)
    places = [(each.file, each.line, each.column) for each in roster.problems]
    assert places == [(f"{table}.csv", line, column)]
    assert roster.problem_count == 1


def test_what_is_good_beside_a_bad_row_is_kept(tmp_path: Path) -> None:
    extract = Extract()
    extract.row("enrollments", "3")["beginDate"] = "tomorrow"
    roster = read_quietly(extract, tmp_path)
    assert [each.enrollment_id for each in roster.enrollments] == [
        "ana@high:2027",
        "ben@middle:2027",
    ]


def test_an_unreadable_cell_of_the_side_file_enables_no_portal(tmp_path: Path) -> None:
    row = {"studentSourcedId": "ana", "guardianSourcedId": "mia", "portal": "true"}
    side = write_table(tmp_path / "side.csv", [row | {"endDate": "June"}])
    roster = read(Extract().write(tmp_path / "or"), side)
    assert not any(each.portal_enabled for each in roster.relationships)


def test_a_second_row_of_an_id_is_reported(tmp_path: Path) -> None:
    extract = Extract()
    extract.tables["users"].append(user("mia", "guardian"))
    roster = read_quietly(extract, tmp_path)
    text = "'mia' appears twice; the first row stands"
    assert roster.problems == (Problem("users.csv", 7, "sourcedId", text),)
    assert {each.user_id: each.roles for each in roster.users}["mia"] == {"guardian"}


@pytest.mark.parametrize("bad_id", ["", "x" * 129, "a\tb", "a\u200bb"])
def test_an_id_that_schoolbell_cannot_hold_is_reported(tmp_path: Path, bad_id: str) -> None:
    extract = Extract()
    extract.tables["users"].append(user(bad_id, "guardian"))
    roster = read_quietly(extract, tmp_path)
    assert [(each.line, each.column) for each in roster.problems] == [(7, "sourcedId")]


def test_bytes_that_are_not_utf_8_are_reported_and_the_person_kept(tmp_path: Path) -> None:
    folder = Extract().write(tmp_path / "or")
    edit(folder / "users.csv", lambda data: data.replace(b"Given ana", b"Jos\xe9"))
    roster = read(folder)
    assert roster.problems[0] == Problem("users.csv", 2, "givenName", "is not UTF-8 text")
    assert {each.user_id: each.given_name for each in roster.users}["ana"] == "Jos\ufffd"


def test_an_id_that_is_not_utf_8_is_left_out(tmp_path: Path) -> None:
    folder = Extract().write(tmp_path / "or")
    edit(folder / "users.csv", lambda data: data.replace(b"\nana,", b"\nan\xe1,"))
    roster = read(folder)
    assert "ana" not in [each.user_id for each in roster.users]
    assert (roster.problems[0].line, roster.problems[0].column) == (2, "sourcedId")


def test_a_row_with_a_cell_too_many_is_left_out(tmp_path: Path) -> None:
    folder = Extract().write(tmp_path / "or")
    edit(folder / "orgs.csv", lambda data: data + b"extra,,Extra,school,,x\n")
    roster = read(folder)
    assert str(roster.problems[0]) == (
        "orgs.csv, line 5: has 6 cells where the header has 4; left out"
    )


def test_lines_are_counted_through_quoted_line_breaks_and_empty_lines(tmp_path: Path) -> None:
    extract = Extract()
    extract.row("users", "ana")["familyName"] = "two\nlines"
    extract.row("users", "mia")["enabledUser"] = "maybe"
    folder = extract.write(tmp_path / "or")
    edit(folder / "users.csv", lambda data: data.replace(b"\r\nben", b"\r\n\r\nben"))
    assert read(folder).problems[0].line == 6


def test_problems_are_counted_but_not_all_kept(tmp_path: Path) -> None:
    extract = Extract()
    extract.row("users", "ana")["agentSourcedIds"] = ",".join(f"x{n}" for n in range(1500))
    roster = read_quietly(extract, tmp_path)
    assert roster.problem_count == 1500
    assert len(roster.problems) == 1000


def swap(one: str, other: str) -> Callable[[Extract], None]:
    """Swap two columns of enrollments, but not their header."""

    def bend(extract: Extract) -> None:
        for row in extract.tables["enrollments"]:
            row[one], row[other] = row[other], row[one]

    return bend


SWAPPED = {
    "dates and role": (swap("beginDate", "role"), "role"),
    "class and user": (swap("classSourcedId", "userSourcedId"), "userSourcedId"),
    "class and date": (swap("classSourcedId", "endDate"), "classSourcedId"),
}


@pytest.mark.parametrize("case", SWAPPED)
def test_swapped_columns_stop_the_reading(tmp_path: Path, case: str) -> None:
    bend, column = SWAPPED[case]
    extract = Extract()
    bend(extract)
    with pytest.raises(UnusableRosterError, match="are columns swapped") as caught:
        read(extract.write(tmp_path))
    assert caught.value.problem.file == "enrollments.csv"
    assert caught.value.problem.column == column
    assert caught.value.problem.line == 2


def test_swapped_columns_of_people_stop_the_reading(tmp_path: Path) -> None:
    extract = Extract()
    for row in extract.tables["users"]:
        row["role"], row["givenName"] = row["givenName"], row["role"]
    with pytest.raises(UnusableRosterError) as caught:
        read(extract.write(tmp_path))
    assert str(caught.value) == (
        "users.csv, line 2, column role: each of its 5 values is no role that OneRoster knows, "
        "the first is 'Given ana'; are columns swapped?"
    )


def replace(old: bytes, new: bytes) -> Callable[[bytes], bytes]:
    return lambda data: data.replace(old, new, 1)


UNUSABLE: dict[str, tuple[str, Callable[[bytes], bytes], str]] = {
    "missing column": (
        "users.csv",
        replace(b"role", b"rolle"),
        "users.csv, line 1, column role: missing in the header",
    ),
    "doubled column": (
        "users.csv",
        replace(b"givenName", b"familyName"),
        "users.csv, line 1, column familyName: appears twice in the header",
    ),
    "empty file": (
        "orgs.csv",
        lambda data: b"",
        "orgs.csv, line 1, column sourcedId, name, type: missing in the header",
    ),
    "utf-16": (
        "orgs.csv",
        lambda data: data.decode().encode("utf-16"),
        "orgs.csv: is UTF-16; save it as UTF-8",
    ),
    "open quote": (
        "orgs.csv",
        lambda data: data + b'"x,,y,school\r\n',
        "orgs.csv, line 5: is not CSV: unexpected end of data",
    ),
    "huge cell": (
        "orgs.csv",
        lambda data: data + b"x" * 1_000_000,
        "orgs.csv, line 5: is not CSV: field larger than field limit",
    ),
    "unknown state": (
        "manifest.csv",
        replace(b"file.users,bulk", b"file.users,some"),
        "manifest.csv, line 7, column value: 'some' for users is unknown",
    ),
    "delta alone": (
        "manifest.csv",
        replace(b"file.users,bulk", b"file.users,delta"),
        "manifest.csv, column file.users: users is a delta; give the bulk extract",
    ),
    "absent file": (
        "manifest.csv",
        replace(b"file.enrollments,bulk", b"file.enrollments,absent"),
        "enrollments.csv: is missing in",
    ),
}


@pytest.mark.parametrize("case", UNUSABLE)
def test_an_unusable_file_stops_the_reading_and_is_named(tmp_path: Path, case: str) -> None:
    file, bend, message = UNUSABLE[case]
    folder = Extract().write(tmp_path / "or")
    edit(folder / file, bend)
    with pytest.raises(UnusableRosterError) as caught:
        read(folder)
    assert str(caught.value).startswith(message)


def test_a_file_that_the_manifest_names_must_be_there(tmp_path: Path) -> None:
    folder = Extract().write(tmp_path / "or")
    (folder / "users.csv").unlink()
    with pytest.raises(UnusableRosterError, match=r"users\.csv: cannot be read: No such file"):
        read(folder)


def test_without_a_manifest_what_is_there_is_read_and_that_is_reported(tmp_path: Path) -> None:
    folder = Extract().write(tmp_path / "or")
    (folder / "manifest.csv").unlink()
    roster = read(folder)
    assert roster.problems[0].file == "manifest.csv"
    assert len(roster.users) == 4


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UnusableRosterError, match="nowhere: is not a folder"):
        read(tmp_path / "nowhere")
