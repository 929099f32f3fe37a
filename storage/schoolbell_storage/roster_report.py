"""What an import did, as the document that is stored and answered."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from schoolbell_storage.codec import to_json
from schoolbell_storage.roster_checks import Problem, ProblemCode, Severity
from schoolbell_storage.roster_guards import Counts, RecordCounts
from schoolbell_storage.roster_records import RecordName, RecordType


@dataclass(frozen=True, slots=True)
class ImportRefusal:
    """Why an import as a whole was refused: the name of an error reason, and its metadata."""

    reason: str
    metadata: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportReport:
    """What an import did, or would do."""

    counts: Counts = field(default_factory=dict)
    problem_total: int = 0
    problems: Sequence[Problem] = ()
    portal_relationships: int = 0
    refusal: ImportRefusal | None = None


def encode_report(report: ImportReport) -> str:
    """Return a report as JSON text."""
    refusal = report.refusal
    return to_json(
        {
            "counts": [
                [kind, count.created, count.updated, count.unchanged, count.deactivated]
                for kind, count in sorted(report.counts.items())
            ],
            "problem_total": report.problem_total,
            "problems": [_problem(problem) for problem in report.problems],
            "portal_relationships": report.portal_relationships,
            "refusal": None if refusal is None else [refusal.reason, dict(refusal.metadata)],
        }
    )


def _problem(problem: Problem) -> list[object]:
    name = None if problem.name is None else [problem.name.record_type, *problem.name.ids]
    return [
        problem.record_index,
        name,
        problem.field,
        problem.description,
        problem.code,
        problem.severity,
    ]


def decode_report(text: str) -> ImportReport:
    """Return the report that `encode_report` wrote."""
    document: dict[str, Any] = json.loads(text)
    refusal = document["refusal"]
    return ImportReport(
        counts={
            RecordType(kind): RecordCounts(created, updated, unchanged, deactivated)
            for kind, created, updated, unchanged, deactivated in document["counts"]
        },
        problem_total=document["problem_total"],
        problems=[
            Problem(
                record_index=index,
                name=None if name is None else RecordName(RecordType(name[0]), tuple(name[1:])),
                field=path,
                description=description,
                code=ProblemCode(code),
                severity=Severity(severity),
            )
            for index, name, path, description, code, severity in document["problems"]
        ],
        portal_relationships=document["portal_relationships"],
        refusal=None if refusal is None else ImportRefusal(refusal[0], refusal[1]),
    )
