"""Read what an import may not lose."""

from __future__ import annotations

from schoolbell.v1 import roster_service_pb2
from schoolbell_server.contract.fields import ReportViolation
from schoolbell_server.rpc import field_reasons as reasons
from schoolbell_storage.roster_guards import (
    MAX_BIRTH_DATE_LOSS,
    MAX_DEACTIVATED,
    MAX_PORTAL_LOSS,
    Guards,
)

_DEFAULTS = Guards()


def read_guards(
    message: roster_service_pb2.ImportGuards, path: str, report: ReportViolation
) -> Guards:
    """Return guards; percentages from 0 to 100, each 5 where it is not set."""

    def percent(name: str) -> float:
        if not message.HasField(name):  # type: ignore[arg-type]
            return float(getattr(_DEFAULTS, name))
        value = float(getattr(message, name))
        if not 0 <= value <= 100:  # not a number is neither
            report(path + name, "must be from 0 to 100", reasons.OUT_OF_RANGE)
        return value

    return Guards(
        max_deactivated_percent=percent(MAX_DEACTIVATED),
        max_portal_loss_percent=percent(MAX_PORTAL_LOSS),
        max_birth_date_loss_percent=percent(MAX_BIRTH_DATE_LOSS),
        allow_bar_loss=message.allow_bar_loss,
    )
