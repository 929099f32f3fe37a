"""The sample district's roster as OneRoster 1.1 CSV, with the side file of relationships."""

from __future__ import annotations

import csv
import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from schoolbell_server.sample.people import HIGH, MIDDLE, People

SCHOOLS = {HIGH: "Maple High School", MIDDLE: "Maple Middle School"}
SUBJECTS = ("Algebra", "Biology", "English", "History", "Spanish", "Art")
_HALF_YEAR = dt.timedelta(days=150)
_AGE = dt.timedelta(days=15 * 365)
_OF_AGE = dt.timedelta(days=19 * 365)


def school_year(today: dt.date) -> int:
    """Return the school year that covers a day, named by the year in which it ends."""
    return (today + _HALF_YEAR).year


def section(school: str, subject: str) -> str:
    """Return the id of a school's section of a subject."""
    return f"{school}-{subject.lower()}"


def write_roster(folder: Path, everybody: People, today: dt.date) -> None:
    """Write the CSV files of a bulk extract."""
    folder.mkdir(parents=True, exist_ok=True)
    start, end = today - _HALF_YEAR, today + _HALF_YEAR
    year = end.year
    _write(folder, "manifest", _manifest())
    _write(
        folder,
        "orgs",
        [{"sourcedId": "district", "name": "Maple District", "type": "district"}]
        + [
            {"sourcedId": key, "name": name, "type": "school", "parentSourcedId": "district"}
            for key, name in SCHOOLS.items()
        ],
    )
    sessions = [("year", "schoolYear", start, end, "")]
    sessions += [("term-1", "term", start, end, "year")]
    _write(
        folder,
        "academicSessions",
        [
            {
                "sourcedId": key,
                "title": key,
                "type": kind,
                "startDate": first.isoformat(),
                "endDate": last.isoformat(),
                "parentSourcedId": parent,
                "schoolYear": str(year),
            }
            for key, kind, first, last, parent in sessions
        ],
    )
    _write(folder, "courses", [_course(subject) for subject in SUBJECTS])
    _write(folder, "classes", [_class(key, one) for key in SCHOOLS for one in SUBJECTS])
    _write(folder, "users", _users(everybody))
    _write(folder, "enrollments", _enrollments(everybody, start, end))
    _write(folder, "demographics", _demographics(everybody, today))


def write_relationships(path: Path, everybody: People) -> None:
    """Write what OneRoster cannot say: portal flags and bars."""
    rows = [
        {
            "studentSourcedId": tie.student_id,
            "guardianSourcedId": tie.guardian_id,
            "relation": tie.relation,
            "portal": _flag(tie.portal),
            "barred": _flag(tie.barred),
        }
        for tie in everybody.ties
    ]
    _write(path.parent, path.stem, rows)


def _manifest() -> list[dict[str, str]]:
    facts = {"manifest.version": "1.0", "oneroster.version": "1.1"}
    facts |= {f"file.{name}": "bulk" for name in _HEADERS if name not in _BESIDE}
    return [{"propertyName": name, "value": value} for name, value in facts.items()]


def _course(subject: str) -> dict[str, str]:
    return {"sourcedId": subject.lower(), "title": subject, "orgSourcedId": "district"}


def _class(school: str, subject: str) -> dict[str, str]:
    return {
        "sourcedId": section(school, subject),
        "title": subject,
        "courseSourcedId": subject.lower(),
        "classType": "scheduled",
        "schoolSourcedId": school,
        "termSourcedIds": "term-1",
    }


def _users(everybody: People) -> list[dict[str, str]]:
    of_student: dict[str, list[str]] = {}
    for tie in everybody.ties:
        of_student.setdefault(tie.student_id, []).append(tie.guardian_id)
        of_student.setdefault(tie.guardian_id, []).append(tie.student_id)
    school_of = {
        one.user_id: school for school, found in everybody.students.items() for one in found
    }
    students = [one for found in everybody.students.values() for one in found]
    return [
        {
            "sourcedId": one.user_id,
            "enabledUser": "true",
            "orgSourcedIds": school_of.get(one.user_id, "district"),
            "role": "student" if one.user_id in school_of else "guardian",
            "username": one.user_id,
            "givenName": one.given_name,
            "familyName": one.family_name,
            "agentSourcedIds": ",".join(of_student.get(one.user_id, [])),
        }
        for one in [*students, *everybody.guardians]
    ]


def _enrollments(everybody: People, start: dt.date, end: dt.date) -> list[dict[str, str]]:
    attending = [
        (school, one.user_id) for school, found in everybody.students.items() for one in found
    ]
    attending.append((HIGH, everybody.in_both_schools))
    return [
        {
            "sourcedId": f"{user_id}-{section(school, subject)}",
            "classSourcedId": section(school, subject),
            "schoolSourcedId": school,
            "userSourcedId": user_id,
            "role": "student",
            "beginDate": start.isoformat(),
            "endDate": end.isoformat(),
        }
        for school, user_id in attending
        for subject in SUBJECTS
    ]


def _demographics(everybody: People, today: dt.date) -> list[dict[str, str]]:
    return [
        {
            "sourcedId": one.user_id,
            "birthDate": (
                today - (_OF_AGE if one.user_id == everybody.of_age else _AGE)
            ).isoformat(),
        }
        for found in everybody.students.values()
        for one in found
    ]


_BESIDE = ("manifest", "relationships")
_HEADERS: Mapping[str, str] = {
    "manifest": "propertyName,value",
    "orgs": "sourcedId,status,dateLastModified,name,type,identifier,parentSourcedId",
    "academicSessions": (
        "sourcedId,status,dateLastModified,title,type,startDate,endDate,parentSourcedId,schoolYear"
    ),
    "courses": (
        "sourcedId,status,dateLastModified,schoolYearSourcedId,title,courseCode,grades,"
        "orgSourcedId,subjects,subjectCodes"
    ),
    "classes": (
        "sourcedId,status,dateLastModified,title,grades,courseSourcedId,classCode,classType,"
        "location,schoolSourcedId,termSourcedIds,subjects,subjectCodes,periods"
    ),
    "users": (
        "sourcedId,status,dateLastModified,enabledUser,orgSourcedIds,role,username,userIds,"
        "givenName,familyName,middleName,identifier,email,sms,phone,agentSourcedIds,grades,password"
    ),
    "enrollments": (
        "sourcedId,status,dateLastModified,classSourcedId,schoolSourcedId,userSourcedId,role,"
        "primary,beginDate,endDate"
    ),
    "demographics": "sourcedId,status,dateLastModified,birthDate",
    "relationships": "studentSourcedId,guardianSourcedId,relation,portal,barred",
}


def _write(folder: Path, name: str, rows: Iterable[Mapping[str, str]]) -> None:
    header: Sequence[str] = _HEADERS[name].split(",")
    with (folder / f"{name}.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, header, restval="")
        writer.writeheader()
        writer.writerows(rows)


def _flag(value: bool) -> str:
    return "true" if value else "false"
