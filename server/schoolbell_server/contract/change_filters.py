"""The one filter of changes: as a query for lists, as a test for streams."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

from schoolbell.v1 import change_pb2
from schoolbell_server.contract.fields import ReportViolation
from schoolbell_server.contract.filters import check_counts, read_bound, read_members, within
from schoolbell_server.domain.kinds import Kind
from schoolbell_storage.changes import ChangeQuery

Test = Callable[[change_pb2.ChangeSummary], bool]


def read_change_filter(
    message: change_pb2.ChangeFilter,
    district_ids: Collection[str] | None,
    path: str,
    report: ReportViolation,
) -> ChangeQuery:
    """Return the filter as a query over these districts (None: all of them)."""
    check_counts(message, ("sources", "student_ids", "kinds"), path, report)
    return ChangeQuery(
        district_ids=district_ids,
        sources=list(message.sources),
        student_ids=list(message.student_ids),
        kinds=read_members(Kind, message.kinds, f"{path}.kinds", report),
        start_time=read_bound(message, "start_accept_time", path, report),
        end_time=read_bound(message, "end_accept_time", path, report),
    )


@dataclass(frozen=True, slots=True)
class ChangeTest:
    """The filter as a test of a summary."""

    query: ChangeQuery

    def __call__(self, one: change_pb2.ChangeSummary) -> bool:
        """Return whether a change is meant."""
        query = self.query
        return (
            (not query.sources or one.change_key.source in query.sources)
            and (not query.student_ids or one.student_id in query.student_ids)
            and (not query.kinds or int(one.kind) in query.kinds)
            and within(one.accept_time, query.start_time, query.end_time)
        )
