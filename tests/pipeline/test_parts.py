"""A large request is cut where no fact, and no key, is on both sides."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from schoolbell_server.acceptance.parts import parts
from schoolbell_server.acceptance.submission import Submission, Submitted
from schoolbell_server.domain.change import ChangeKey
from schoolbell_server.domain.fact_keys import all_keys
from tests.unit.domain.happenings import change, grade

SIZE = 3


def submission(students: list[int], keys: list[int]) -> Submission:
    """Return changes of the grades of these students, with keys of these numbers."""
    return Submission(
        district_id="maple",
        key_id="sis",
        changes=[
            Submitted(
                change=replace(
                    change(grade("55"), student_id=f"s{student}"),
                    key=ChangeKey(source="sis", change_id=str(key)),
                ),
                content=b"",
                fingerprint=str(number),
                foreign_currencies=lambda _: [],
            )
            for number, (student, key) in enumerate(zip(students, keys, strict=False))
        ],
    )


@given(st.lists(st.integers(0, 40), max_size=40), st.permutations(range(40)))
def test_the_parts_are_the_whole_and_share_nothing(students: list[int], keys: list[int]) -> None:
    whole = submission(students, keys)
    found = list(parts(whole, SIZE))
    assert [one for part in found for one in part.changes] == list(whole.changes)
    assert {(part.district_id, part.key_id) for part in found} == {("maple", "sis")}
    facts = [{key for one in part.changes for key in all_keys(one.change)} for part in found]
    assert sum(map(len, facts)) == len(set().union(*facts))
    assert all(len(part.changes) >= SIZE for part in found[:-1])


def test_what_shares_nothing_is_cut_evenly() -> None:
    found = parts(submission(list(range(8)), list(range(8))), SIZE)
    assert [len(part.changes) for part in found] == [3, 3, 2]


def test_a_repeated_key_stays_with_its_first() -> None:
    found = parts(submission([0, 1, 2, 3, 4, 5, 6], [0, 1, 2, 3, 0, 5, 6]), SIZE)
    assert [len(part.changes) for part in found] == [5, 2]
