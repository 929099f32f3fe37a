"""Blank in the status log what was of a person; every update keeps its place."""

from __future__ import annotations

from dataclasses import replace

from schoolbell.v1.status_service_pb2 import WatchStatusResponse
from schoolbell_storage.status_log import LogEntry


def blanked(entry: LogEntry, user_id: str) -> LogEntry | None:
    """Return an entry in which the updates of a person are empty; None if there are none."""
    if user_id.encode() not in entry.updates:
        return None  # most entries are somebody else's, and need not be taken apart
    logged = WatchStatusResponse.FromString(entry.updates)
    found = False
    for delivery in logged.deliveries:
        if user_id in (delivery.user_id, delivery.student_id):
            delivery.Clear()
            found = True
        elif user_id == delivery.cancellation.principal.acting_user_id:
            delivery.cancellation.principal.ClearField("acting_user_id")
            found = True
    for change in logged.changes:
        if change.student_id == user_id:
            change.Clear()
            found = True
    return replace(entry, updates=logged.SerializeToString()) if found else None
