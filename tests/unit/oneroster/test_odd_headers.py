"""Headers, flags and tombstones as systems write them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from schoolbell.oneroster import Roster, UnusableRosterError, read
from tests.unit.oneroster.extracts import Extract, edit


def _texts(roster: Roster) -> list[str]:
    return [str(problem) for problem in roster.problems]


def _header(change: Callable[[str], str]) -> Callable[[bytes], bytes]:
    """Return what changes the first line of a file."""

    def changed(content: bytes) -> bytes:
        header, line_end, rest = content.decode().partition("\r\n")
        return f"{change(header)}{line_end}{rest}".encode()

    return changed


@pytest.mark.parametrize(
    "change",
    [
        str.lower,
        str.upper,
        lambda header: "\ufeff\ufeff" + header,
        lambda header: header.replace("sourcedId", "sourced\u200bId"),
        lambda header: "\r\n\r\n" + header,
        lambda header: header + ",metadata.a,metadata.A",
    ],
    ids=["lower", "upper", "marks", "zero width", "blank lines", "own columns"],
)
def test_a_column_is_known_whatever_its_case_and_unseen_marks(
    tmp_path: Path, change: Callable[[str], str]
) -> None:
    folder, plain = Extract().write(tmp_path / "or"), Extract().write(tmp_path / "plain")
    for file in folder.glob("*.csv"):
        edit(file, _header(change))
    found, sound = read(folder), read(plain)
    assert (found.users, found.enrollments) == (sound.users, sound.enrollments)
    assert found.problems == sound.problems


@pytest.mark.parametrize("column", ["Barred", "BARRED", "barred\u200b", " barred", "\ufeffbarred"])
@pytest.mark.parametrize("flag", ["Y", "t", "TRUE"])
def test_a_bar_stands_however_its_column_and_flag_are_written(
    tmp_path: Path, column: str, flag: str
) -> None:
    folder = Extract().write(tmp_path / "or")
    side = tmp_path / "relationships.csv"
    lines = f"studentSourcedId,guardianSourcedId,portal,{column}\r\nana,mia,y,{flag}\r\n"
    side.write_text(lines, encoding="utf-8")
    [line] = [one for one in read(folder, side).relationships if one.guardian_id == "mia"]
    assert line.barred
    assert line.portal_enabled


@pytest.mark.parametrize("column", ["bared", "is_barred", "Adult Consent", "portalEnabled"])
def test_a_column_of_the_side_file_that_is_misspelled_is_named(tmp_path: Path, column: str) -> None:
    folder = Extract().write(tmp_path / "or")
    side = tmp_path / "relationships.csv"
    side.write_text(f"studentSourcedId,guardianSourcedId,portal,{column}\nana,mia,true,true\n")
    assert any("is not read" in text for text in _texts(read(folder, side)))


def test_a_column_of_the_side_file_that_is_the_schools_own_is_no_problem(tmp_path: Path) -> None:
    folder = Extract().write(tmp_path / "or")
    side = tmp_path / "relationships.csv"
    side.write_text("studentSourcedId,guardianSourcedId,portal,primaryContact\nana,mia,1,true\n")
    assert not any("is not read" in text for text in _texts(read(folder, side)))


def test_what_refers_to_a_deleted_person_refuses_no_extract(tmp_path: Path) -> None:
    extract = Extract()
    extract.row("users", "ana")["status"] = "tobedeleted"
    found = read(extract.write(tmp_path / "or"))
    assert {one.student_id for one in found.enrollments} == {"ben"}
    assert sum("deleted in users.csv" in text for text in _texts(found)) == 3


@pytest.mark.parametrize(
    ("bend", "shown"),
    [
        (lambda content: content.replace(b",", b";"), "which reads 'sourcedId;status"),
        (lambda content: b"sep=,\r\n" + content, "which reads 'sep="),
        (lambda content: content.decode().encode("utf-16-le"), "is not UTF-8"),
        (lambda content: b"x" * 3_000_000, "longer than"),
    ],
    ids=["semicolons", "sep", "utf-16 without a mark", "a line without end"],
)
def test_a_header_that_is_none_is_shown(
    tmp_path: Path, bend: Callable[[bytes], bytes], shown: str
) -> None:
    folder = Extract().write(tmp_path / "or")
    edit(folder / "users.csv", bend)
    with pytest.raises(UnusableRosterError, match=r"users\.csv") as refused:
        read(folder)
    assert shown in str(refused.value)
