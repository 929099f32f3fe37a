"""The people of an extract.

In 1.1 a row of users.csv has one role, and a person with two roles may have two rows under one
id; in 1.2 `roles.csv` gives any number, each with the days on which it counts. Roles add up.
Students and guardians are kept; everybody else only in case the side file makes them guardians.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from dataclasses import dataclass, replace

from schoolbell.oneroster.birth_dates import BirthDates
from schoolbell.oneroster.columns import (
    choice_column,
    date_column,
    end_column,
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
    """Everybody of users.csv, by id."""

    users: dict[str, User]
    """Students and guardians."""
    staff: dict[str, User]
    """Those who have other roles only."""
    idle_ids: frozenset[str]
    """Those who have no role today."""
    agents: dict[str, tuple[Agents, ...]]
    """Of students and guardians."""

    def make_guardian(self, user_id: str) -> None:
        """Count a person of any role as a guardian too."""
        user = self.users.get(user_id) or self.staff[user_id]
        if not user.roles & GUARDIAN_ROLES:
            self.users[user_id] = replace(user, roles=user.roles | {"guardian"})


def read_people(extract: Extract, today: dt.date, problems: ProblemLog) -> People:
    """Return everybody with a role on a day, with the birth dates that demographics give."""
    later_roles = _roles(extract, today, problems) if extract.has("roles") else None
    required = _USER_COLUMNS if later_roles is not None else (*_USER_COLUMNS, "role")
    reader = _UserReader(problems, later_roles, BirthDates(extract, problems))
    for row in extract.rows("users", required):
        reader.add(row)
    return reader.finish()


class _UserReader:
    """Builds the people from the rows of users.csv."""

    def __init__(
        self,
        problems: ProblemLog,
        later_roles: dict[str, set[str]] | None,
        birth_dates: BirthDates,
    ) -> None:
        self._problems = problems
        self._later_roles = later_roles
        self._birth_dates = birth_dates
        self._ids = id_column(problems, "sourcedId")
        self._role = choice_column(problems, "role", _ALL_ROLES)
        self._enabled = flag_column(problems, "enabledUser")
        self._found: dict[str, User] = {}
        self._agents: dict[str, tuple[Agents, ...]] = {}
        self._idle: set[str] = set()

    def add(self, row: Row) -> None:
        user_id, roles = self._ids.read(row), self._roles_of(row)
        if user_id is None or roles is None:
            return
        if not roles:
            self._idle.add(user_id)
            return
        user = self._user(user_id, row, frozenset(roles))
        before = self._found.get(user_id)
        if before is not None:
            user = self._added_up(row, before, user)
        self._found[user_id] = user
        agents = Agents(row, tuple(split_ids(row["agentSourcedIds"])))
        if agents.ids:
            self._agents[user_id] = (*self._agents.get(user_id, ()), agents)

    def finish(self) -> People:
        for column in (self._ids, self._role, self._enabled):
            column.check()
        users = {each: user for each, user in self._found.items() if user.roles & _TOLD_ROLES}
        self._problems.require_some("users.csv", self._found)
        return People(
            users=users,
            staff={each: user for each, user in self._found.items() if each not in users},
            idle_ids=frozenset(self._idle),
            agents={each: agents for each, agents in self._agents.items() if each in users},
        )

    def _roles_of(self, row: Row) -> set[str] | None:
        """Return a row's roles; None where they cannot be read."""
        if self._later_roles is not None:
            return self._later_roles.get(row["sourcedId"], set())
        role = self._role.read(row)
        return None if role is None else {role}

    def _added_up(self, row: Row, before: User, user: User) -> User:
        """Return a person of two rows: the first, with the roles of both; disabled by either."""
        if user.roles <= before.roles:
            text = f"{user.user_id!r} appears twice; the first row stands"
            self._problems.add(row.file, row.line, "sourcedId", text, is_bad=False)
            return before
        return replace(
            before,
            enabled=before.enabled and user.enabled,
            roles=before.roles | user.roles,
            provided=before.provided & user.provided,
        )

    def _user(self, user_id: str, row: Row, roles: frozenset[str]) -> User:
        given = row["preferredGivenName"] or row["givenName"]
        family = row["preferredFamilyName"] or row["familyName"]
        enabled, enabled_known = self._enabled.given(row)
        birth_date, birth_date_known = self._birth_dates.of(user_id)
        known = {
            "enabled": enabled_known,
            "given_name": "\ufffd" not in given,
            "family_name": "\ufffd" not in family,
            "birth_date": birth_date_known,
        }
        return User(
            user_id=user_id,
            enabled=enabled_known and enabled is not False,
            roles=roles,
            given_name=given,
            family_name=family,
            birth_date=birth_date,
            provided=frozenset(name for name, is_known in known.items() if is_known),
        )


def _roles(extract: Extract, today: dt.date, problems: ProblemLog) -> dict[str, set[str]]:
    """Return the roles that count on a day; one whose dates cannot be read does not."""
    users = id_column(problems, "userSourcedId")
    role = choice_column(problems, "role", _ALL_ROLES)
    begins, ends = date_column(problems, "beginDate"), end_column(problems, "endDate")
    roles: dict[str, set[str]] = defaultdict(set)
    for row in extract.rows("roles", ("userSourcedId", "role")):
        user_id, name = users.read(row), role.read(row)
        begin, end = begins.optional(row), ends.optional(row)
        is_known = (begins.is_empty(row) or begin) and (ends.is_empty(row) or end)
        if user_id is None or name is None or not is_known:
            continue
        if (begin or today) <= today <= (end or today):
            roles[user_id].add(name)
    for column in (users, role, begins, ends):
        column.check()
    return dict(roles)
