"""What an operator should correct, kept as long as it lasts: logged once, and shown in every status.

Texts name settings, never paths: administrators of districts read them too.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Collection
from dataclasses import dataclass

from schoolbell.v1 import status_pb2
from schoolbell_server.observability.log import get_logger

_logger = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Notice:
    """Something that is wrong, and since when."""

    text: str
    app_id: str
    """The app that it concerns; '' for every district."""
    code: status_pb2.WarningCode.ValueType
    setting: str
    since: dt.datetime


class Notices:
    """Those of one server, by the setting or file that they are about."""

    def __init__(self, clock: Callable[[], dt.datetime]) -> None:
        self._clock = clock
        self._notices: dict[str, Notice] = {}

    def report(
        self,
        setting: str,
        text: str,
        app_id: str = "",
        code: status_pb2.WarningCode.ValueType = status_pb2.WARNING_CODE_CREDENTIAL_INVALID,
    ) -> None:
        """Say what is wrong with something; '' says that nothing is, or not any more."""
        before = self._notices.get(setting)
        if text == (before.text if before else ""):
            return
        ids = {"setting": setting, **({"app_id": app_id} if app_id else {})}
        if text:
            _logger.warning("warning", extra={**ids, "warning": text})
            since = before.since if before else self._clock()
            self._notices[setting] = Notice(text, app_id, code, setting.partition(" ")[0], since)
        else:
            _logger.info("warning over", extra=ids)
            del self._notices[setting]

    def report_file(self, app_id: str, setting: str, problem: str) -> None:
        """Say what is wrong with a credential file that was put in place of a good one."""
        text = (
            f"{setting}: the file {problem}. What it held before stays in use." if problem else ""
        )
        self.report(setting, text, app_id)

    def of(self, app_ids: Collection[str]) -> list[Notice]:
        """Return those that concern some apps, or everybody."""
        return [one for one in self._notices.values() if not one.app_id or one.app_id in app_ids]
