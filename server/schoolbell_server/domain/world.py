"""What is known of a district when a change is judged: plain values, fetched set-based.

Date ranges are inclusive and an absent end is open. Nothing here reads a clock.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from schoolbell_server.domain.condition import Condition
from schoolbell_server.domain.kinds import (
    AdultStudentRule,
    AppType,
    DetailLevel,
    Kind,
    Platform,
    RetirementReason,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscription:
    """Whether a kind is wanted for a student, and on which condition (None: every change)."""

    enabled: bool
    condition: Condition | None = None
    limit_time: datetime | None = None
    """When it was last enabled or its limit last changed; None for a district default."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KindSettings:
    """A district's choices for a kind; no time to live means the kind's own rule."""

    time_to_live: timedelta | None = None
    hold: timedelta = timedelta(0)


_OWN_RULES = KindSettings()


@dataclass(frozen=True, slots=True, kw_only=True)
class MinimumVersion:
    """The oldest OS and app that are served, as dotted numbers; '' is no minimum."""

    os_version: str = ""
    app_version: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DistrictChoices:
    """What an administrator chooses that decides who is told; each default stands here alone."""

    detail_level: DetailLevel = DetailLevel.GENERIC
    adult_students: AdultStudentRule = AdultStudentRule.FOLLOW_PORTAL_FLAG
    kinds: Mapping[Kind, KindSettings] = field(default_factory=dict)
    minimum_versions: Mapping[tuple[str, Platform], MinimumVersion] = field(default_factory=dict)
    default_subscriptions: Mapping[tuple[AppType, Kind], Subscription] = field(default_factory=dict)
    enrollment_grace: timedelta = timedelta(days=14)
    """How long after an enrollment's end grades and assignments are still told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DistrictFacts(DistrictChoices):
    """A district's switch, licences and choices."""

    district_id: str
    time_zone: str
    currency_code: str = "USD"
    locale: str = "en"
    enabled: bool = False
    licensed_kinds: frozenset[Kind] = frozenset()
    active_school_year: int | None = None
    apps: Mapping[str, AppType] = field(default_factory=dict)
    """The district's apps by app_id; a device of any other app is not served."""
    facts_version: int = 0

    def settings_of(self, kind: Kind) -> KindSettings:
        """Return the choices for a kind; without any, its own rules."""
        return self.kinds.get(kind, _OWN_RULES)


@dataclass(frozen=True, slots=True, kw_only=True)
class DisplayOptions:
    """What a calendar shows in which app."""

    enabled: bool = True
    disabled_term_ids: frozenset[str] = frozenset()
    app_kinds: Mapping[AppType, frozenset[Kind]] = field(
        default_factory=lambda: {app: frozenset(Kind) for app in AppType}
    )
    inherited: bool = True
    """True where the calendar stores nothing of its own and the district's default holds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Term:
    """A part of a school year."""

    term_id: str
    name: str
    start_date: date
    end_date: date


@dataclass(frozen=True, slots=True, kw_only=True)
class CalendarFacts:
    """A school's calendar of one school year (named by the year in which it ends)."""

    calendar_id: str
    school_id: str
    school_year: int
    start_date: date
    end_date: date
    time_zone: str
    """The school's own zone, else the district's."""
    terms: tuple[Term, ...] = ()
    display_options: DisplayOptions = DisplayOptions()


@dataclass(frozen=True, slots=True, kw_only=True)
class EnrollmentFacts:
    """A student's stay in a calendar."""

    enrollment_id: str
    calendar_id: str
    start_date: date
    end_date: date | None = None
    portal_visible: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceFacts:
    """An installed app of one user, with what its user wants."""

    device_id: str
    user_id: str
    app_id: str
    platform: Platform
    os_version: str = ""
    app_version: str = ""
    stay_logged_in: bool = False
    muted: bool = False
    """Its user silenced it as a whole."""
    detail_level: DetailLevel = DetailLevel.DETAILED
    """The most this device wants in a push; the district's level caps it."""
    locale: str = ""
    retirement: RetirementReason | None = None
    subscriptions: Mapping[tuple[str, Kind], Subscription] = field(default_factory=dict)
    """What it overrides, by (student_id, kind); where it does not, its user's choice holds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UserFacts:
    """An account of a student or guardian, with every device it ever registered."""

    user_id: str
    enabled: bool = True
    active: bool = True
    """False once the roster deactivated the account."""
    birth_date: date | None = None
    devices: tuple[DeviceFacts, ...] = ()
    subscriptions: Mapping[tuple[AppType, str, Kind], Subscription] = field(default_factory=dict)
    """What the person chose for all devices of an app type, by (app type, student_id, kind); where
    nothing is, the district's default holds."""
    known: bool = True
    """False for the stand-in of an id that names no account."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RelationshipFacts:
    """A guardian's relationship to the student."""

    guardian: UserFacts
    relation: str = ""
    portal_enabled: bool = False
    adult_consent: bool = False
    """A student of age has agreed that this guardian is still told."""
    start_date: date | None = None
    end_date: date | None = None
    active: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class StudentFacts:
    """A student with everybody who might be told of a change."""

    student: UserFacts
    enrollments: tuple[EnrollmentFacts, ...] = ()
    relationships: tuple[RelationshipFacts, ...] = ()
    bars: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Who set the bars of a person, related or not, by user_id: the sources, and '' for the
    district, which comes first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """The facts for a batch of changes of one district."""

    district: DistrictFacts
    calendars: Mapping[str, CalendarFacts] = field(default_factory=dict)
    students: Mapping[str, StudentFacts] = field(default_factory=dict)
    users: Mapping[str, UserFacts] = field(default_factory=dict)
    """Accounts asked about by name in an explanation, who may be nobody's relation."""

    def zone_of(self, calendar_id: str | None) -> str:
        """Return the zone of a calendar's school, else of the district."""
        calendar = self.calendars.get(calendar_id or "")
        return self.district.time_zone if calendar is None else calendar.time_zone
