"""Reads OneRoster CSV extracts (1.1, and 1.2 where it differs in roles).

The standard says neither who may see a student in the portal nor who is barred by a court;
a side file, `relationships.csv`, does:

    studentSourcedId,guardianSourcedId,portal[,relation,barred,adultConsent,startDate,endDate]
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
from schoolbell.oneroster.problems import Problem, UnusableRosterError
from schoolbell.oneroster.reader import EndDates, read
from schoolbell.oneroster.records import to_proto

__all__ = [
    "Calendar",
    "EndDates",
    "Enrollment",
    "Problem",
    "Relationship",
    "Roster",
    "School",
    "Term",
    "UnusableRosterError",
    "User",
    "read",
    "to_proto",
]
