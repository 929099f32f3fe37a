"""A feed is read line by line, and nothing in it stops what follows."""

from __future__ import annotations

import gzip
import hashlib
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schoolbell import feed
from schoolbell.feed import BadLine, Line

GOOD = b'{"key":{"source":"sis","changeId":"c1"},"studentId":"ana"}'
KEYLESS = b'{"studentId":"ana"}'


def read(path: Path, content: bytes) -> list[Line | BadLine]:
    path.write_bytes(content)
    return list(feed.read(path, "feed"))


def only_change(path: Path, content: bytes) -> Line:
    (line,) = read(path, content)
    assert isinstance(line, Line)
    return line


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return a name that says nothing of what is in the file."""
    return tmp_path / "day.txt"


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_plain_and_gzip_are_told_apart_by_content(path: Path, pack: type[bytes]) -> None:
    lines = read(path, pack(GOOD + b"\n" + GOOD + b"\n"))
    assert [line.number for line in lines] == [1, 2]


def test_every_kind_is_read(path: Path) -> None:
    arms = ("assignment", "grade", "attendance", "lunchBalance", "responsiveSchedule")
    lines = read(path, b"\n".join(b'{"%s":{}}' % arm.encode() for arm in arms))
    found = [line.change.WhichOneof("payload") for line in lines if isinstance(line, Line)]
    kinds = ["assignment", "grade", "attendance", "lunch_balance", "responsive_schedule"]
    assert found == kinds


def test_a_given_key_stands(path: Path) -> None:
    key = only_change(path, GOOD).change.key
    assert (key.source, key.change_id) == ("sis", "c1")


def test_a_line_without_a_key_is_named_by_its_hash(path: Path) -> None:
    key = only_change(path, KEYLESS).change.key
    assert (key.source, key.change_id) == ("feed", hashlib.sha256(KEYLESS).hexdigest())


@pytest.mark.parametrize(
    "content",
    [
        KEYLESS + b"\r\n",
        b"  " + KEYLESS,
        b"\xef\xbb\xbf" + KEYLESS,
        gzip.compress(b"\n" + KEYLESS),
    ],
    ids=["line end", "indent", "byte order mark", "gzip"],
)
def test_what_is_around_a_line_does_not_rename_it(path: Path, content: bytes) -> None:
    key = only_change(path, content).change.key
    assert key.change_id == hashlib.sha256(KEYLESS).hexdigest()


def test_empty_lines_are_skipped_and_counted(path: Path) -> None:
    assert [line.number for line in read(path, b"\n  \n" + GOOD + b"\n\n" + GOOD)] == [3, 5]


def test_one_bad_line_in_ten_thousand_spoils_nothing_else(path: Path) -> None:
    lines = [KEYLESS] * 10_000
    lines[6_543] = b'{"studentId":'
    found = read(path, b"\n".join(lines))
    assert [line.number for line in found if isinstance(line, BadLine)] == [6_544]
    assert len(found) == 10_000


BAD: dict[str, tuple[bytes, str]] = {
    "no JSON": (b"student ana", "is not JSON from column 1 on"),
    "no object": (b"5", "must be a JSON object in braces, not 5"),
    "unknown field": (b'{"student":"ana"}', 'has no field named "student"'),
    "two kinds": (b'{"grade":{},"assignment":{}}', "assignment and grade exclude each other"),
    "wrong type": (b'{"studentId":7}', "studentId"),
    "unknown word": (
        b'{"attendance":{"status":"LATE"}}',
        "attendance.status must be one of ATTENDANCE_STATUS_PRESENT",
    ),
    "bad time": (b'{"occurTime":"today"}', "occurTime"),
    "not UTF-8": (b'{"studentId":"\xe1"}', "is not UTF-8 at byte 15"),
    "deep": (b"[" * 60_000, "nested too deep"),
    "huge number": (b'{"studentId":' + b"9" * 5_000 + b"}", "too many digits"),
    "control characters": (b'{"\\u0007":1}', "\\u0007"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_line_is_told_by_number_and_reason(path: Path, case: str) -> None:
    line, reason = BAD[case]
    before, bad, after = read(path, b"\n".join([GOOD, line, GOOD]))
    assert isinstance(before, Line)
    assert isinstance(after, Line)
    assert isinstance(bad, BadLine)
    assert bad.number == 2
    assert reason in bad.text
    assert bad.text.isprintable()
    assert len(bad.text) <= 300


@pytest.mark.parametrize("size", [feed.reader.LONGEST_LINE + 1, 1_000_000, 2_097_153])
def test_an_overlong_line_is_one_bad_line(path: Path, size: int) -> None:
    bad, good = read(path, b"x" * size + b"\n" + GOOD)
    assert bad == BadLine(1, "is longer than 65536 bytes")
    assert good.number == 2


@pytest.mark.parametrize("cut", [2, 8, -1, -9])
def test_damaged_gzip_ends_the_feed_with_a_bad_line(path: Path, cut: int) -> None:
    *good, bad = read(path, gzip.compress(b"\n".join([GOOD] * 3))[:cut])
    assert all(isinstance(line, Line) for line in good)
    assert isinstance(bad, BadLine)
    assert "gzip data are damaged" in bad.text
    assert bad.number == len(good) + 1


def test_an_empty_feed_has_no_lines(path: Path) -> None:
    assert read(path, b"") == []


def test_counting_agrees_with_reading(path: Path) -> None:
    content = b"\n".join([GOOD, b"", b"bad", b"x" * 100_000, KEYLESS, b" "])
    assert len(read(path, content)) == feed.count(path) == 4


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_no_content_raises(content: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        numbers = [line.number for line in read(Path(folder) / "feed", content)]
    assert numbers == sorted(set(numbers))


CASES = Path(__file__).parent / "cases"
DIRTY: dict[str, tuple[int, dict[int, str]]] = {
    "array": (2, {1: "is not JSON", 2: "is not JSON"}),
    "big-int": (3, {1: "must be a number", 2: "too many digits"}),
    "bom": (2, {}),
    "crlf-blank": (2, {}),
    "deep": (2, {1: "is longer than 65536 bytes"}),
    "dup-key": (1, {1: 'has the field "studentId" twice'}),
    "latin1": (2, {1: "is not UTF-8 at byte 159"}),
    "lone-surrogate": (2, {1: "halves of characters"}),
    "money": (5, {4: "balance", 5: "balance"}),
    "nan": (4, {1: "NaN"}),
    "no-final-newline": (2, {}),
    "times": (11, dict.fromkeys((2, 3, 4, 5, 6, 8, 9, 10), "occurTime")),
    "unicode-ls": (2, {}),
    "unknown-field": (1, {1: "has no field named"}),
    "utf16": (2, {1: "is not UTF-8 at byte 1", 2: "is not JSON"}),
}
"""Of each file of `cases/`: how many lines it has, and which of them are bad for what."""


@pytest.mark.parametrize("case", DIRTY)
def test_a_dirty_feed_loses_only_its_bad_lines(case: str) -> None:
    total, bad = DIRTY[case]
    lines = list(feed.read(CASES / f"{case}.jsonl", "feed"))
    assert len(lines) == total
    found = {line.number: line.text for line in lines if isinstance(line, BadLine)}
    assert found.keys() == bad.keys()
    assert all(reason in found[number] for number, reason in bad.items())


def test_every_dirty_feed_is_tried() -> None:
    assert {path.stem for path in CASES.iterdir()} == set(DIRTY)
