"""The closed vocabularies of the domain; beside them stands a module for each kind of change.

Every member has the number of its namesake in the contract (`schoolbell.v1`), so that a
conversion is `int(member)`; `tests/unit/test_vocabulary.py` holds the two to each other.
"""

from __future__ import annotations

from enum import IntEnum, unique


@unique
class Kind(IntEnum):
    """What sort of thing changed."""

    ASSIGNMENT = 1
    GRADE = 2
    ATTENDANCE = 3
    LUNCH_BALANCE = 4
    RESPONSIVE_SCHEDULE = 5


@unique
class AppType(IntEnum):
    """The two sorts of app: the student's own and the parents'."""

    STUDENT = 1
    PARENT = 2


@unique
class Platform(IntEnum):
    """The operating system of a device."""

    IOS = 1
    ANDROID = 2


@unique
class Provider(IntEnum):
    """Who carries a push to the phone."""

    APNS = 1
    FCM = 2


@unique
class ProviderEnvironment(IntEnum):
    """Which of a provider's environments a device's token belongs to."""

    PRODUCTION = 1
    SANDBOX = 2


@unique
class AssignmentAction(IntEnum):
    """What a teacher did with an assignment."""

    ASSIGNED = 1
    SCORED = 2
    MISSING = 3
    DUE_DATE_MOVED = 4
    WITHDRAWN = 5
    CLEARED = 6


@unique
class AttendanceStatus(IntEnum):
    """An attendance mark; CLEARED takes a section's mark away."""

    PRESENT = 1
    ABSENT = 2
    TARDY = 3
    EARLY_LEAVE = 4
    CLEARED = 5


@unique
class AttendanceExcuse(IntEnum):
    """Whether the school accepts the reason of an attendance mark."""

    EXCUSED = 1
    UNEXCUSED = 2
    EXEMPT = 3
    UNDECIDED = 4


@unique
class ResponsiveScheduleAction(IntEnum):
    """What happened to a flexible period."""

    ADDED = 1
    MOVED = 2
    REMOVED = 3


@unique
class LimitTrigger(IntEnum):
    """When a limit fires: as the value falls below it, or at every changed value below it."""

    ON_CROSSING = 1
    WHILE_BELOW = 2


@unique
class DetailLevel(IntEnum):
    """How much a push may say: nobody's name and no value, or both."""

    GENERIC = 1
    DETAILED = 2


@unique
class AdultStudentRule(IntEnum):
    """Whether guardians are still told of a student who is 18."""

    FOLLOW_PORTAL_FLAG = 1
    STOP_AT_18 = 2


@unique
class DeliveryState(IntEnum):
    """Where a delivery stands. SENDING is derived from a lease and never stored."""

    PENDING = 1
    HELD = 2
    SENDING = 3
    ACCEPTED = 4
    DISPLAYED = 5
    OPENED = 6
    REJECTED = 7
    FAILED = 8
    UNCERTAIN = 9
    EXPIRED = 10
    CANCELLED = 11


@unique
class Outcome(IntEnum):
    """What became of one attempt: the taxonomy over every provider's reasons."""

    ACCEPTED = 1
    TOKEN_DEAD = 2
    TOKEN_OF_ANOTHER_APP = 3
    PAYLOAD_BAD = 4
    CREDENTIAL_BAD = 5
    THROTTLED_DEVICE = 6
    THROTTLED_PROJECT = 7
    PROVIDER_DOWN = 8
    ANSWER_LOST = 9
    """The request left and its answer was lost: the phone may have shown it."""
    NOT_SENT = 10
    """The request provably never reached the provider."""


@unique
class HoldCause(IntEnum):
    """Why a delivery is HELD."""

    WINDOW = 1
    CIRCUIT = 2


@unique
class CancelCause(IntEnum):
    """Why a delivery was cancelled."""

    GATE = 1
    SUPERSEDED = 2
    PERSON = 3
    USER_CHANGED = 4


@unique
class RetirementReason(IntEnum):
    """Why a device no longer receives anything."""

    UNREGISTERED = 1
    USER_CHANGED = 2
    TOKEN_DEAD = 3
    TOKEN_REPLACED = 4
    STALE = 5
    ERASED = 6


@unique
class Gate(IntEnum):
    """The sixteen eligibility rules; the number is fixed, the order of evaluation is by scope."""

    DISTRICT_ENABLED = 1
    KIND_LICENSED = 2
    TIMELY = 3
    ACTIVE_YEAR = 4
    CALENDAR_ENABLED = 5
    TOOL_SHOWN = 6
    ENROLLED = 7
    RELATED = 8
    ACCOUNT = 9
    DEVICE_USABLE = 10
    STAYS_LOGGED_IN = 11
    SUBSCRIBED = 12
    CONDITION = 13
    VALUE_CHANGED = 14
    NOT_ALREADY_TOLD = 15
    NEWEST = 16


@unique
class GateScope(IntEnum):
    """What a gate judges, and so where its refusal is recorded and counted."""

    CHANGE = 1
    APP = 2
    RECIPIENT = 3
    DEVICE = 4


@unique
class SubscriptionLevel(IntEnum):
    """Where a choice is stored; the nearest holds."""

    DEVICE = 1
    PERSON = 2
    DISTRICT = 3
    """Nobody chose: the district's default holds."""


@unique
class RefusalReason(IntEnum):
    """The cause within a gate."""

    DISTRICT_DISABLED = 1
    KIND_NOT_LICENSED = 2
    HISTORICAL = 3
    TOO_LATE = 4
    NO_ACTIVE_YEAR = 5
    CALENDAR_NOT_IN_ACTIVE_YEAR = 6
    CALENDAR_DISABLED = 7
    TERM_DISABLED = 8
    NO_TERM = 9
    TOOL_HIDDEN = 10
    NOT_ENROLLED = 11
    ENROLLMENT_ENDED = 12
    ENROLLMENT_NOT_VISIBLE = 13
    STUDENT_INACTIVE = 14
    NO_RELATIONSHIP = 15
    PORTAL_OFF = 16
    BARRED = 17
    RELATIONSHIP_ENDED = 18
    RELATIONSHIP_NOT_STARTED = 19
    ADULT_STUDENT = 20
    ACCOUNT_DISABLED = 21
    NO_DEVICE = 22
    WRONG_APP = 23
    APP_UNKNOWN = 24
    PLATFORM_TOO_OLD = 25
    APP_TOO_OLD = 26
    DEVICE_RETIRED = 27
    NOT_STAYING_LOGGED_IN = 28
    NOT_SUBSCRIBED = 29
    ACTION_NOT_CHOSEN = 30
    STATUS_NOT_CHOSEN = 31
    EXCUSE_NOT_CHOSEN = 32
    NOT_BELOW_LIMIT = 33
    NOT_CROSSING = 34
    NO_NUMBER = 35
    UNCHANGED = 36
    ALREADY_TOLD = 37
    OLDER_THAN_KNOWN = 38
    DEVICE_MUTED = 39


APP_PROVIDER = {Platform.IOS: Provider.APNS, Platform.ANDROID: Provider.FCM}
"""The provider that serves each platform."""

PROMPT_STATUSES = frozenset(
    {AttendanceStatus.ABSENT, AttendanceStatus.TARDY, AttendanceStatus.EARLY_LEAVE}
)
"""The marks that a family is told of without asking for them by name."""
