"""Display options between the contract and the domain."""

from __future__ import annotations

from schoolbell.v1 import common_pb2, settings_service_pb2
from schoolbell_server.contract.conditions import read_members
from schoolbell_server.contract.fields import ReportViolation, read_id
from schoolbell_server.domain.kinds import AppType, Kind
from schoolbell_server.domain.world import DisplayOptions
from schoolbell_server.rpc import field_reasons as reasons

SETTABLE = frozenset({"enabled", "disabled_term_ids", "student_app_kinds", "parent_app_kinds"})
"""The fields that an update may change."""

MOST_TERMS = 100


def read_display_options(
    message: settings_service_pb2.DisplayOptions, path: str, report: ReportViolation
) -> DisplayOptions:
    """Return display options as a calendar stores them; `path` ends with a dot."""
    terms = message.disabled_term_ids
    if len(terms) > MOST_TERMS:
        report(
            f"{path}disabled_term_ids", f"must have at most {MOST_TERMS} values", reasons.TOO_LONG
        )
    for index, term_id in enumerate(terms):
        read_id(term_id, f"{path}disabled_term_ids[{index}]", report)
    if len(set(terms)) != len(terms):
        report(f"{path}disabled_term_ids", "must name each at most once", reasons.DUPLICATE)
    return DisplayOptions(
        enabled=message.enabled,
        disabled_term_ids=frozenset(terms),
        app_kinds={
            AppType.STUDENT: read_members(
                message.student_app_kinds, Kind, f"{path}student_app_kinds", report
            ),
            AppType.PARENT: read_members(
                message.parent_app_kinds, Kind, f"{path}parent_app_kinds", report
            ),
        },
        inherited=False,
    )


def write_display_options(options: DisplayOptions) -> settings_service_pb2.DisplayOptions:
    """Return display options as a message, without calendar and etag."""
    return settings_service_pb2.DisplayOptions(
        enabled=options.enabled,
        disabled_term_ids=sorted(options.disabled_term_ids),
        student_app_kinds=_kinds(options, AppType.STUDENT),
        parent_app_kinds=_kinds(options, AppType.PARENT),
        inherited=options.inherited,
    )


def _kinds(options: DisplayOptions, app: AppType) -> list[common_pb2.Kind.ValueType]:
    return [common_pb2.Kind.ValueType(kind) for kind in sorted(options.app_kinds.get(app, ()))]
