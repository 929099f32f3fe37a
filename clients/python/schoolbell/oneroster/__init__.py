"""Reads OneRoster CSV extracts (1.1, and 1.2 where it differs in roles).

The standard says neither who may see a student in the portal nor who is barred by a court;
a side file, `relationships.csv`, does:

    studentSourcedId,guardianSourcedId,portal[,relation,barred,adultConsent,startDate,endDate]

What an extract does not provide, or provides unreadably, does not empty what is stored.
"""

from schoolbell.oneroster.model import (
    Calendar,
    Enrollment,
    Relationship,
    Roster,
    School,
    Term,
    User,
)
from schoolbell.oneroster.problems import (
    MOST_BAD_ROWS_PERCENT,
    Problem,
    UnusableRosterError,
)
from schoolbell.oneroster.reader import EndDates, read
from schoolbell.oneroster.records import ProvidedRecord, provided_records, to_proto

__all__ = [
    "MOST_BAD_ROWS_PERCENT",
    "Calendar",
    "EndDates",
    "Enrollment",
    "Problem",
    "ProvidedRecord",
    "Relationship",
    "Roster",
    "School",
    "Term",
    "UnusableRosterError",
    "User",
    "provided_records",
    "read",
    "to_proto",
]
