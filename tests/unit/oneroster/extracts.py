"""A small valid extract that tests bend."""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

Table = list[dict[str, str]]

MANIFEST = {
    "manifest.version": "1.0",
    "oneroster.version": "1.1",
    "file.orgs": "bulk",
    "file.academicSessions": "bulk",
    "file.classes": "bulk",
    "file.users": "bulk",
    "file.enrollments": "bulk",
    "file.demographics": "bulk",
}


def org(org_id: str, kind: str = "school") -> dict[str, str]:
    return {"sourcedId": org_id, "status": "", "name": org_id.upper(), "type": kind}


def session(
    session_id: str, start: str, end: str, kind: str = "semester", parent: str = "", year: str = ""
) -> dict[str, str]:
    return {
        "sourcedId": session_id,
        "status": "",
        "title": session_id.title(),
        "type": kind,
        "startDate": start,
        "endDate": end,
        "parentSourcedId": parent,
        "schoolYear": year or "2027",
    }


def school_class(class_id: str, school: str, terms: str) -> dict[str, str]:
    return {
        "sourcedId": class_id,
        "status": "",
        "schoolSourcedId": school,
        "termSourcedIds": terms,
    }


def user(user_id: str, role: str, agents: str = "", enabled: str = "true") -> dict[str, str]:
    return {
        "sourcedId": user_id,
        "status": "",
        "enabledUser": enabled,
        "role": role,
        "givenName": f"Given {user_id}",
        "familyName": f"Family {user_id}",
        "agentSourcedIds": agents,
    }


def enrollment(
    row_id: str, class_id: str, student: str, begin: str = "", end: str = "", role: str = "student"
) -> dict[str, str]:
    return {
        "sourcedId": row_id,
        "status": "",
        "classSourcedId": class_id,
        "userSourcedId": student,
        "role": role,
        "beginDate": begin,
        "endDate": end,
    }


def _tables() -> dict[str, Table]:
    return {
        "orgs": [org("d", "district"), org("high"), org("middle")],
        "academicSessions": [
            session("year", "2026-08-24", "2027-05-28", "schoolYear"),
            session("high-fall", "2026-08-24", "2026-12-18", parent="year"),
            session("high-spring", "2027-01-05", "2027-05-28", parent="year"),
            session("shared", "2026-09-01", "2027-05-01", "term", parent="year"),
        ],
        "classes": [
            school_class("art", "high", "high-fall"),
            school_class("bio", "high", "high-spring"),
            school_class("gym", "middle", "year"),
        ],
        "users": [
            user("ana", "student", "mia"),
            user("ben", "student"),
            user("mia", "guardian"),
            user("tom", "parent", "ben"),
            user("liz", "teacher"),
        ],
        "enrollments": [
            enrollment("1", "art", "ana", "2026-08-24", "2026-12-18"),
            enrollment("2", "bio", "ana", "2027-01-05", "2027-05-28"),
            enrollment("3", "gym", "ana", "2026-09-07", "2026-10-01"),
            enrollment("4", "gym", "ben"),
            enrollment("5", "gym", "liz", role="teacher"),
        ],
        "demographics": [{"sourcedId": "ana", "status": "", "birthDate": "2010-02-03"}],
    }


@dataclass
class Extract:
    """The tables of an extract; `write` puts them on disk."""

    tables: dict[str, Table] = field(default_factory=_tables)
    manifest: dict[str, str] = field(default_factory=lambda: dict(MANIFEST))

    def write(self, folder: Path) -> Path:
        folder.mkdir(exist_ok=True)
        properties = [{"propertyName": k, "value": v} for k, v in self.manifest.items()]
        for name, table in {**self.tables, "manifest": properties}.items():
            write_table(folder / f"{name}.csv", table)
        return folder

    def row(self, name: str, row_id: str) -> dict[str, str]:
        return next(row for row in self.tables[name] if row["sourcedId"] == row_id)


def write_table(path: Path, table: Table) -> Path:
    columns = list(dict.fromkeys(column for row in table for column in row))
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows(table)
    return path


def edit(path: Path, change: Callable[[bytes], bytes]) -> None:
    path.write_bytes(change(path.read_bytes()))
