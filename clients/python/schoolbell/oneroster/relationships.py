"""Who belongs to which student, and who of them may see the student.

`agentSourcedIds` is a bare relation, filled on the student, on the guardian or on both: the
union counts, and of it only pairs of a student and a guardian, parent or relative. Portal
flag and bar come from the side file alone; without a line there a guardian has no portal.
A line of the side file makes anybody a guardian, such as a parent who is staff. Without the
file nothing is known of who may see whom, and the pairs provide nothing: they are not imported,
so that what is stored stays.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from schoolbell.oneroster.model import GUARDIAN_ROLES, STUDENT_ROLE, Relationship, User
from schoolbell.oneroster.people import People
from schoolbell.oneroster.problems import ProblemLog
from schoolbell.oneroster.side_file import Pair, read_side_file

_MOST_NAMED = 20


def read_relationships(
    people: People, side_file: Path | None, problems: ProblemLog
) -> dict[Pair, Relationship]:
    """Return the relationships of the extract, with what the side file knows of them."""
    pairs, staff_pairs = _agent_pairs(people, problems)
    if side_file is None:
        text = "none given: relationships, portal flags and bars stay as they are stored"
        problems.add("relationships.csv", None, None, text)
        _report_staff(staff_pairs, problems)
        return _bare(pairs, frozenset())
    side = read_side_file(side_file, people, problems)
    for _, guardian_id in side.lines:
        people.make_guardian(guardian_id)
    _report_staff(staff_pairs - side.lines.keys(), problems)
    bare = pairs - side.lines.keys()
    if bare:
        flags = "they are not portal-enabled" if side.is_whole else "their flags stay as stored"
        text = f"has no line for {len(bare)} pairs of users.csv; {flags}"
        problems.add(side_file.name, None, None, text)
    return _bare(bare, side.silence) | side.lines


def _bare(pairs: set[Pair], provided: frozenset[str]) -> dict[Pair, Relationship]:
    return {
        pair: Relationship(student_id=pair[0], guardian_id=pair[1], provided=provided)
        for pair in pairs
    }


def _agent_pairs(people: People, problems: ProblemLog) -> tuple[set[Pair], set[Pair]]:
    """Return the pairs of a student and a guardian, and those of a student and staff."""
    pairs: set[Pair] = set()
    staff_pairs: set[Pair] = set()
    for user_id, agents_of_rows in people.agents.items():
        user = people.users[user_id]
        for agents, agent_id in ((each, one) for each in agents_of_rows for one in each.ids):
            other = people.users.get(agent_id)
            if other is not None:
                pairs.update(_pairs_of(user, other))
            elif agent_id in people.staff:
                if STUDENT_ROLE in user.roles:
                    staff_pairs.add((user_id, agent_id))
            elif agent_id not in people.idle_ids:
                text = f"{agent_id!r} is not in users.csv"
                row = agents.row
                problems.add(row.file, row.line, "agentSourcedIds", text, is_bad=False)
    return pairs, staff_pairs


def _pairs_of(user: User, other: User) -> Iterable[Pair]:
    for student, guardian in ((user, other), (other, user)):
        apart = student.user_id != guardian.user_id
        if apart and STUDENT_ROLE in student.roles and guardian.roles & GUARDIAN_ROLES:
            yield student.user_id, guardian.user_id


def _report_staff(pairs: set[Pair], problems: ProblemLog) -> None:
    if pairs:
        named = ", ".join("/".join(pair) for pair in sorted(pairs)[:_MOST_NAMED])
        more = f" and {len(pairs) - _MOST_NAMED} more" if len(pairs) > _MOST_NAMED else ""
        text = (
            f"{len(pairs)} pairs of a student and an agent who is staff are no relationships "
            f"without a line in the side file: {named}{more}"
        )
        problems.add("users.csv", None, "agentSourcedIds", text)
