"""The students and guardians of an extract.

In 1.1 a user has one role; in 1.2 `roles.csv` gives any number. Staff are left out.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from dataclasses import dataclass

from schoolbell.oneroster.columns import (
    choice_column,
    date_column,
    flag_column,
    id_column,
)
from schoolbell.oneroster.extract import Extract
from schoolbell.oneroster.model import GUARDIAN_ROLES, STUDENT_ROLE, User
from schoolbell.oneroster.problems import ProblemLog
from schoolbell.oneroster.table import Row, split_ids

_USER_COLUMNS = ("enabledUser", "givenName", "familyName", "agentSourcedIds")
_STAFF_ROLES = frozenset(
    {
        "administrator",
        "aide",
        "counselor",
        "districtadministrator",
        "principal",
        "proctor",
        "siteadministrator",
        "systemadministrator",
        "teacher",
    }
)
_TOLD_ROLES = GUARDIAN_ROLES | {STUDENT_ROLE}
_ALL_ROLES = _TOLD_ROLES | _STAFF_ROLES


@dataclass(frozen=True, slots=True)
class Agents:
    """What a user's row says of the people behind the user."""

    row: Row
    ids: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class People:
    """Students and guardians by id, their agents, and the ids of everybody else."""

    users: dict[str, User]
    agents: dict[str, Agents]
    staff_ids: frozenset[str]


def read_people(extract: Extract, problems: ProblemLog) -> People:
    """Return everybody, with the birth dates that demographics give."""
    later_roles = _roles(extract, problems) if extract.has("roles") else None
    required = _USER_COLUMNS if later_roles is not None else (*_USER_COLUMNS, "role")
    reader = _UserReader(problems, later_roles, _birth_dates(extract, problems))
    for row in extract.rows("users", required):
        reader.add(row)
    return reader.finish()


class _UserReader:
    """Builds the people from the rows of users.csv."""

    def __init__(
        self,
        problems: ProblemLog,
        later_roles: dict[str, set[str]] | None,
        birth_dates: dict[str, dt.date],
    ) -> None:
        self._problems = problems
        self._later_roles = later_roles
        self._birth_dates = birth_dates
        self._ids = id_column(problems, "sourcedId")
        self._role = choice_column(problems, "role", _ALL_ROLES)
        self._enabled = flag_column(problems, "enabledUser")
        self._users: dict[str, User] = {}
        self._agents: dict[str, Agents] = {}
        self._staff: set[str] = set()

    def add(self, row: Row) -> None:
        user_id, roles = self._ids.read(row), self._roles_of(row)
        if user_id is None or not roles:
            return
        if user_id in self._users or user_id in self._staff:
            text = f"{user_id!r} appears twice; the first row stands"
            self._problems.add(row.file, row.line, "sourcedId", text)
        elif told := roles & _TOLD_ROLES:
            self._users[user_id] = self._user(user_id, row, frozenset(told))
            self._agents[user_id] = Agents(row, tuple(split_ids(row["agentSourcedIds"])))
        else:
            self._staff.add(user_id)

    def finish(self) -> People:
        for column in (self._ids, self._role, self._enabled):
            column.check()
        return People(users=self._users, agents=self._agents, staff_ids=frozenset(self._staff))

    def _roles_of(self, row: Row) -> set[str]:
        if self._later_roles is not None:
            return self._later_roles.get(row["sourcedId"], set())
        role = self._role.read(row)
        return set() if role is None else {role}

    def _user(self, user_id: str, row: Row, roles: frozenset[str]) -> User:
        return User(
            user_id=user_id,
            enabled=not row["enabledUser"] or bool(self._enabled.read(row)),
            roles=roles,
            given_name=row["preferredGivenName"] or row["givenName"],
            family_name=row["preferredFamilyName"] or row["familyName"],
            birth_date=self._birth_dates.get(user_id),
        )


def _roles(extract: Extract, problems: ProblemLog) -> dict[str, set[str]]:
    users = id_column(problems, "userSourcedId")
    role = choice_column(problems, "role", _ALL_ROLES)
    roles: dict[str, set[str]] = defaultdict(set)
    for row in extract.rows("roles", ("userSourcedId", "role")):
        user_id, name = users.read(row), role.read(row)
        if user_id is not None and name is not None:
            roles[user_id].add(name)
    users.check()
    role.check()
    return dict(roles)


def _birth_dates(extract: Extract, problems: ProblemLog) -> dict[str, dt.date]:
    if not extract.has("demographics"):
        return {}
    ids, dates = id_column(problems, "sourcedId"), date_column(problems, "birthDate")
    found: dict[str, dt.date] = {}
    for row in extract.rows("demographics", ("birthDate",)):
        user_id, birth_date = ids.read(row), dates.optional(row)
        if user_id is not None and birth_date is not None:
            found[user_id] = birth_date
    ids.check()
    dates.check()
    return found
