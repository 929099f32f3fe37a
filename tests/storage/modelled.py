"""A district as plain records, and what is known of it when a change is judged.

The second opinion on what storage fetches: no statement, no join, one look at every record.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TypeVar

from schoolbell_server.domain.change import Change
from schoolbell_server.domain.kinds import AppType, Kind
from schoolbell_server.domain.world import (
    CalendarFacts,
    DeviceFacts,
    DisplayOptions,
    DistrictFacts,
    EnrollmentFacts,
    RelationshipFacts,
    StudentFacts,
    Subscription,
    UserFacts,
    World,
)
from schoolbell_storage.devices import DeviceRow
from schoolbell_storage.districts import DistrictRow
from schoolbell_storage.roster_layout import name_of
from schoolbell_storage.roster_records import (
    CalendarRecord,
    EnrollmentRecord,
    Record,
    RecordName,
    RecordType,
    RelationshipRecord,
    SchoolRecord,
    UserRecord,
)
from schoolbell_storage.settings_document import SettingsDocument
from schoolbell_storage.subscriptions import Owner

Wishes = dict[tuple[str, Kind], Subscription]
OneRecord = TypeVar("OneRecord", bound=Record)


@dataclass(frozen=True, kw_only=True)
class Model:
    """Everything that was written of a district; a write makes another model."""

    row: DistrictRow
    enabled: bool
    settings: SettingsDocument
    apps: dict[str, AppType]
    """Those that the installation is configured for."""
    roster: dict[RecordName, Record] = field(default_factory=dict)
    gone: frozenset[RecordName] = frozenset()
    """The records that the roster deactivated."""
    bars: frozenset[tuple[str, ...]] = frozenset()
    """The (student, guardian) whom the source bars."""
    options: dict[str, DisplayOptions] = field(default_factory=dict)
    devices: dict[str, DeviceRow] = field(default_factory=dict)
    wishes: dict[Owner, Wishes] = field(default_factory=dict)
    """Subscriptions of persons and of devices."""

    def with_records(self, records: Iterable[Record]) -> Model:
        """Return the district after these records were written; what was gone is back."""
        new = {name_of(one): one for one in records}
        relationships = [one for one in new.values() if isinstance(one, RelationshipRecord)]
        said = {(one.student_id, one.guardian_id): one.barred for one in relationships}
        lifted = {pair for pair, barred in said.items() if barred is False}
        return replace(
            self,
            roster=self.roster | new,
            gone=self.gone - new.keys(),
            bars=self.bars - lifted | {pair for pair, barred in said.items() if barred},
        )

    def without(self, name: RecordName) -> Model:
        """Return the district after a record was deactivated, with the bars that it carries."""
        if name in self.gone:
            return self
        carried = {pair for pair in self.bars if pair == name.ids}
        if name.record_type is RecordType.USER:
            carried = {pair for pair in self.bars if name.ids[0] in pair}
        return replace(self, gone=self.gone | {name}, bars=self.bars - carried)

    def with_devices(self, *devices: DeviceRow) -> Model:
        """Return the district with these devices as they are now."""
        return replace(self, devices=self.devices | {one.device_id: one for one in devices})

    def seen_by(self, guardian_id: str) -> list[str]:
        """Return the students whom somebody is tied to, however."""
        return self._students[guardian_id]

    def stays(self, student_id: str) -> list[EnrollmentRecord]:
        """Return a student's enrollments, also those that are gone."""
        return self._stays[student_id]

    def world(self, change: Change, facts_version: int) -> World:
        """Return what a change is judged by, and nothing else."""
        student_id = change.student_id
        account = self.user(student_id, student_id)
        stays = [_stay(one) for one in self._stays[student_id] if not self._is_gone(one)]
        relationships = [
            self._relationship(one, student_id) for one in self._relationships[student_id]
        ]
        student = StudentFacts(
            student=account,
            enrollments=tuple(stays),
            relationships=tuple(relationships),
            bars=self._bars(student_id),
        )
        named = {stay.calendar_id for stay in stays} | {change.calendar_id}
        return World(
            district=self.district(facts_version),
            calendars={
                one.calendar_id: self._calendar(one)
                for one in self._calendars
                if one.calendar_id in named and not self._is_gone(one)
            },
            students={student_id: student},
        )

    def district(self, facts_version: int) -> DistrictFacts:
        """Return the district's own facts."""
        return DistrictFacts(
            district_id=self.row.district_id,
            time_zone=self.row.time_zone,
            currency_code=self.row.currency_code,
            locale=self.row.locale,
            enabled=self.enabled,
            licensed_kinds=self.row.licensed_kinds,
            active_school_year=self.row.active_school_year,
            detail_level=self.settings.detail_level,
            adult_students=self.settings.adult_students,
            apps={name: self.apps[name] for name in self.row.app_ids if name in self.apps},
            kinds=self.settings.kinds,
            minimum_versions=self.settings.minimum_versions,
            default_subscriptions=self.settings.default_subscriptions,
            enrollment_grace=self.settings.enrollment_grace,
            facts_version=facts_version,
        )

    def user(self, user_id: str, student_id: str) -> UserFacts:
        """Return an account with its devices, and what they want of one student."""
        name = RecordName(RecordType.USER, (user_id,))
        record = self.roster[name]
        assert isinstance(record, UserRecord)
        return UserFacts(
            user_id=user_id,
            enabled=record.enabled,
            active=name not in self.gone,
            birth_date=record.birth_date,
            devices=tuple(self._device(one, student_id) for one in self._phones[user_id]),
            subscriptions={
                (owner.app_type, *name): wish
                for owner, wishes in self.wishes.items()
                if (owner.user_id, owner.device_id) == (user_id, "")
                for name, wish in wishes.items()
                if name[0] == student_id
            },
        )

    def _device(self, row: DeviceRow, student_id: str) -> DeviceFacts:
        wishes = self.wishes.get(owner_of(row), {})
        return DeviceFacts(
            device_id=row.device_id,
            user_id=row.user_id,
            app_id=row.app_id,
            platform=row.platform,
            os_version=row.os_version,
            app_version=row.app_version,
            stay_logged_in=row.stay_logged_in,
            muted=row.muted,
            detail_level=row.detail_level,
            locale=row.locale,
            retirement=row.retirement_reason,
            subscriptions={name: wish for name, wish in wishes.items() if name[0] == student_id},
        )

    def _bars(self, student_id: str) -> dict[str, tuple[str, ...]]:
        """Return who is barred from a student, and by whom."""
        return {person: ("sis",) for student, person in self.bars if student == student_id}

    def _relationship(self, record: RelationshipRecord, student_id: str) -> RelationshipFacts:
        return RelationshipFacts(
            guardian=self.user(record.guardian_id, student_id),
            relation=record.relation,
            portal_enabled=record.portal_enabled,
            adult_consent=record.adult_consent,
            start_date=record.start_date,
            end_date=record.end_date,
            active=not self._is_gone(record),
        )

    def _calendar(self, record: CalendarRecord) -> CalendarFacts:
        school = self.roster[RecordName(RecordType.SCHOOL, (record.school_id,))]
        assert isinstance(school, SchoolRecord)
        options = self.options.get(record.calendar_id)
        return CalendarFacts(
            calendar_id=record.calendar_id,
            school_id=record.school_id,
            school_year=record.school_year,
            start_date=record.start_date,
            end_date=record.end_date,
            time_zone=school.time_zone or self.row.time_zone,
            terms=record.terms,
            display_options=options or self.settings.default_display_options,
        )

    def _is_gone(self, record: Record) -> bool:
        return name_of(record) in self.gone

    def _all(self, kind: type[OneRecord]) -> list[OneRecord]:
        return [one for one in self.roster.values() if isinstance(one, kind)]

    @cached_property
    def _calendars(self) -> list[CalendarRecord]:
        return self._all(CalendarRecord)

    @cached_property
    def _stays(self) -> defaultdict[str, list[EnrollmentRecord]]:
        found: defaultdict[str, list[EnrollmentRecord]] = defaultdict(list)
        for one in sorted(self._all(EnrollmentRecord), key=lambda one: one.enrollment_id):
            found[one.student_id].append(one)
        return found

    @cached_property
    def _relationships(self) -> defaultdict[str, list[RelationshipRecord]]:
        found: defaultdict[str, list[RelationshipRecord]] = defaultdict(list)
        for one in sorted(self._all(RelationshipRecord), key=lambda one: one.guardian_id):
            found[one.student_id].append(one)
        return found

    @cached_property
    def _students(self) -> defaultdict[str, list[str]]:
        found: defaultdict[str, list[str]] = defaultdict(list)
        for one in self._all(RelationshipRecord):
            found[one.guardian_id].append(one.student_id)
        return found

    @cached_property
    def _phones(self) -> defaultdict[str, list[DeviceRow]]:
        found: defaultdict[str, list[DeviceRow]] = defaultdict(list)
        for device_id in sorted(self.devices):
            found[self.devices[device_id].user_id].append(self.devices[device_id])
        return found


def owner_of(row: DeviceRow) -> Owner:
    """Return a device as the owner of what it overrides."""
    return Owner(
        district_id=row.district_id,
        user_id=row.user_id,
        app_type=AppType.STUDENT if row.app_id == "pupil" else AppType.PARENT,
        device_id=row.device_id,
    )


def _stay(record: EnrollmentRecord) -> EnrollmentFacts:
    return EnrollmentFacts(
        enrollment_id=record.enrollment_id,
        calendar_id=record.calendar_id,
        start_date=record.start_date,
        end_date=record.end_date,
        portal_visible=record.portal_visible,
    )


def as_seen_by(world: World, change: Change) -> World:
    """Return what one change is judged by, of a world that was fetched for many."""
    student = world.students[change.student_id]
    named = {stay.calendar_id for stay in student.enrollments} | {change.calendar_id}
    return World(
        district=world.district,
        calendars={name: one for name, one in world.calendars.items() if name in named},
        students={change.student_id: _narrowed(student, change.student_id)},
    )


def _narrowed(student: StudentFacts, student_id: str) -> StudentFacts:
    relationships = [
        replace(relationship, guardian=_wanting(relationship.guardian, student_id))
        for relationship in student.relationships
    ]
    account = _wanting(student.student, student_id)
    return replace(student, student=account, relationships=tuple(relationships))


def _wanting(user: UserFacts, student_id: str) -> UserFacts:
    """Return an account that, with its devices, says what it wants of one student only."""
    return replace(
        user,
        subscriptions={
            name: wish for name, wish in user.subscriptions.items() if name[1] == student_id
        },
        devices=tuple(
            replace(
                device,
                subscriptions={
                    name: wish
                    for name, wish in device.subscriptions.items()
                    if name[0] == student_id
                },
            )
            for device in user.devices
        ),
    )
