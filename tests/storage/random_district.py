"""Districts at random: schools, families, phones, and what each phone wants."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass, replace
from random import Random

from schoolbell_server.domain.kinds import (
    AdultStudentRule,
    AppType,
    DetailLevel,
    Kind,
    Platform,
    RetirementReason,
)
from schoolbell_server.domain.world import DisplayOptions, KindSettings, MinimumVersion, Term
from schoolbell_storage.devices import DeviceRow, retired
from schoolbell_storage.roster_records import (
    CalendarRecord,
    EnrollmentRecord,
    Record,
    RecordType,
    RelationshipRecord,
    SchoolRecord,
    UserRecord,
)
from schoolbell_storage.settings_document import SettingsDocument
from schoolbell_storage.subscriptions import Owner
from tests.storage.modelled import Model, Wishes, owner_of
from tests.storage.phones import device
from tests.storage.rosters import district
from tests.unit.domain.districts import subscription

NOW = dt.datetime(2026, 9, 15, 17, tzinfo=dt.UTC)
TODAY = NOW.date()
APPS = {"pupil": AppType.STUDENT, "family": AppType.PARENT}
SCHOOLS = [f"school{number}" for number in range(6)]
_YEARS = (2026, 2027, 2027, 2027)


@dataclass(frozen=True, slots=True)
class Founder:
    """Makes districts, and other values of what they have, from one source of chance."""

    random: Random

    def district(self, district_id: str, students: int) -> Model:
        """Return a district; its students, calendars and people are named as any other's are."""
        model = Model(
            row=district(
                district_id,
                licensed_kinds=frozenset(Kind),
                app_ids=(*APPS, "unconfigured"),
                active_school_year=2027,
            ),
            enabled=True,
            settings=self.settings(),
            apps=APPS,
        )
        model = model.with_records([*self._schools(), *self._families(students)])
        people = [name.ids[0] for name in model.roster if name.record_type is RecordType.USER]
        phones = [self.phone(model, one) for one in people if self.rarely(0.15)]
        model = replace(model.with_devices(*phones), options=dict(self._options()))
        owners = [owner_of(one) for one in phones if self.rarely(0.4)]
        owners += [replace(owner_of(one), device_id="") for one in phones if self.rarely(0.7)]
        return replace(model, wishes={one: self.wishes(model, one) for one in owners})

    def rarely(self, chance: float = 0.1) -> bool:
        return self.random.random() < chance

    def day(self) -> dt.date:
        return TODAY + dt.timedelta(days=self.random.randint(-40, 40))

    def _schools(self) -> Iterator[Record]:
        for school_id in SCHOOLS:
            yield self.again(SchoolRecord(school_id=school_id))
            for year in set(_YEARS):
                blank = CalendarRecord(
                    calendar_id=f"{school_id}:{year}",
                    school_id=school_id,
                    school_year=year,
                    start_date=TODAY,
                    end_date=TODAY,
                )
                yield self.again(blank)

    def _families(self, students: int) -> Iterator[Record]:
        """Yield families of up to three children, some tied to the neighbours' children too."""
        made = 0
        while made < students:
            children = [
                f"s{made + number:04}"
                for number in range(min(self.random.randint(1, 3), students - made))
            ]
            guardians = [f"g{made + number:04}" for number in range(self.random.randint(0, 3))]
            made += len(children)
            for user_id in (*children, *guardians):
                yield self.again(UserRecord(user_id=user_id))
            neighbour = f"s{self.random.randrange(made):04}"
            seen = {*children, neighbour} if self.rarely() else set(children)
            for student_id in sorted(seen):
                for guardian_id in guardians:
                    blank = RelationshipRecord(student_id=student_id, guardian_id=guardian_id)
                    yield self.again(blank)
            for student_id in children:
                yield from self._stays(student_id)

    def _stays(self, student_id: str) -> Iterator[Record]:
        for number in range(self.random.choice((0, 1, 1, 1, 2, 3))):
            yield self.again(
                EnrollmentRecord(
                    enrollment_id=f"{student_id}e{number}",
                    student_id=student_id,
                    calendar_id="",
                    start_date=TODAY,
                )
            )

    def again(self, record: Record) -> Record:
        """Return a record of the same name, with other values."""
        choice, day = self.random.choice, self.day
        match record:
            case SchoolRecord():
                zone = choice(("", "", "America/Denver", "Pacific/Auckland"))
                return replace(record, time_zone=zone, display_name=str(self.random.random()))
            case CalendarRecord():
                terms = tuple(
                    Term(term_id=name, name=name.upper(), start_date=day(), end_date=day())
                    for name in ("fall", "q1", "q2")
                    if self.rarely(0.2)
                )
                return replace(record, start_date=day(), end_date=day(), terms=terms)
            case UserRecord():
                birth = choice((None, dt.date(2008, 9, self.random.randint(1, 28))))
                return replace(record, enabled=not self.rarely(), birth_date=birth)
            case RelationshipRecord():
                return replace(
                    record,
                    relation=choice(("mother", "father", "")),
                    portal_enabled=not self.rarely(),
                    barred=self.rarely(),
                    adult_consent=self.rarely(0.5),
                    start_date=choice((None, None, None, day())),
                    end_date=choice((None, None, None, day())),
                )
            case EnrollmentRecord():
                return replace(
                    record,
                    calendar_id=f"{choice(SCHOOLS)}:{choice(_YEARS)}",
                    start_date=min(day(), day(), day()),
                    end_date=choice((None, None, None, day())),
                    portal_visible=not self.rarely(),
                )

    def _options(self) -> Iterator[tuple[str, DisplayOptions]]:
        for school_id in SCHOOLS:
            for year in set(_YEARS):
                if self.rarely(0.5):
                    yield f"{school_id}:{year}", self.options(inherited=False)

    def options(self, *, inherited: bool) -> DisplayOptions:
        kinds = list(Kind)
        return DisplayOptions(
            enabled=not self.rarely(),
            disabled_term_ids=frozenset(self.random.sample(["fall", "q1", "q2"], k=1)),
            app_kinds={app: frozenset(self.random.sample(kinds, k=4)) for app in AppType},
            inherited=inherited,
        )

    def settings(self) -> SettingsDocument:
        random = self.random
        return SettingsDocument(
            detail_level=random.choice(list(DetailLevel)),
            kinds={random.choice(list(Kind)): KindSettings(hold=dt.timedelta(minutes=3))},
            adult_students=random.choice(list(AdultStudentRule)),
            minimum_versions={
                ("family", random.choice(list(Platform))): MinimumVersion(os_version="17")
            },
            default_subscriptions={
                (app, kind): replace(subscription(random, kind), limit_time=None)
                for app in AppType
                for kind in Kind
                if self.rarely(0.5)
            },
            default_display_options=self.options(inherited=True),
            enrollment_grace=dt.timedelta(days=random.choice((0, 14))),
        )

    def phone(self, model: Model, user_id: str) -> DeviceRow:
        pupil = user_id.startswith("s") and not self.rarely()
        row = device(
            f"{model.row.district_id}-{len(model.devices):04}-{self.random.randrange(10**9):09}",
            district_id=model.row.district_id,
            user_id=user_id,
            app_id="unconfigured" if self.rarely() else "pupil" if pupil else "family",
            platform=self.random.choice(list(Platform)),
            os_version=self.random.choice(("", "9", "18.2")),
            stay_logged_in=not self.rarely(),
            muted=self.rarely(),
            detail_level=self.random.choice(list(DetailLevel)),
        )
        return retired(row, RetirementReason.STALE, NOW) if self.rarely() else row

    def wishes(self, model: Model, owner: Owner) -> Wishes:
        """Return what is wanted of a person's students, and of somebody else's."""
        students = [*model.seen_by(owner.user_id), "s0000"]
        return {
            (student_id, kind): subscription(self.random, kind)
            for student_id in students
            for kind in Kind
            if self.rarely(0.6)
        } or {(students[0], Kind.GRADE): subscription(self.random, Kind.GRADE)}
