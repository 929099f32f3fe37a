"""SettingsService over a real connection: the portal page and the calendars' display options."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import grpc
from google.protobuf.duration_pb2 import Duration
from google.protobuf.field_mask_pb2 import FieldMask
from google.type.money_pb2 import Money

from schoolbell.v1 import change_pb2, common_pb2, status_pb2, subscription_pb2
from schoolbell.v1 import settings_service_pb2 as messages
from schoolbell.v1.settings_service_pb2_grpc import SettingsServiceStub
from schoolbell_server.security.api_key import Right, Role, Tool
from tests.service.district_server import Service, refused, serving
from tests.service.middleware_server import DISTRICT
from tests.service.paging import pages
from tests.storage.rosters import school, write

GET = messages.GetSettingsRequest(district_id=DISTRICT)
DAY = 86_400
EVERY_KIND = [kind for kind in common_pb2.Kind.values() if kind]

TARDY = change_pb2.ATTENDANCE_STATUS_TARDY
UNSPECIFIED = change_pb2.ATTENDANCE_EXCUSE_UNSPECIFIED


async def get(service: Service) -> messages.Settings:
    page: messages.Settings = (await service.settings.GetSettings(GET)).settings
    return page


async def update(
    service: Service, *paths: str, settings: messages.Settings | None = None, **fields: Any
) -> messages.Settings:
    request = messages.UpdateSettingsRequest(
        district_id=DISTRICT,
        settings=settings or messages.Settings(**fields),
        update_mask=FieldMask(paths=paths),
    )
    page: messages.Settings = (await service.settings.UpdateSettings(request)).settings
    return page


async def test_a_new_district_starts_switched_off_with_every_default(tmp_path: Path) -> None:
    async with serving(tmp_path) as service:
        await service.add_district()
        page = await get(service)
    assert not page.enabled
    assert page.detail_level == common_pb2.DETAIL_LEVEL_GENERIC
    assert page.adult_student_rule == messages.ADULT_STUDENT_RULE_FOLLOW_PORTAL_FLAG
    assert page.retention.deliveries.seconds == 90 * DAY
    assert page.enrollment_grace.seconds == 14 * DAY
    assert page.default_display_options.enabled
    assert list(page.default_display_options.parent_app_kinds) == EVERY_KIND
    assert not page.default_subscriptions
    assert not page.HasField("update_time")


async def test_the_page_shows_the_state_of_the_service(tmp_path: Path) -> None:
    async with serving(tmp_path) as service:
        await service.add_district()
        page = await get(service)
        saved = await update(service, enabled=True)
    for shown in (page, saved):
        assert shown.service_status == status_pb2.SERVICE_STATUS_ACTIVE
        assert shown.connectivity == status_pb2.CONNECTIVITY_CONNECTED
        assert [warning.code for warning in shown.warnings] == [status_pb2.WARNING_CODE_PLAINTEXT]


async def test_the_switch_is_set_and_cleared(tmp_path: Path) -> None:
    async with serving(tmp_path) as service:
        await service.add_district()
        version = await service.facts_version()
        assert (await update(service, enabled=True)).enabled
        assert await service.facts_version() == version + 1
        assert (await get(service)).updater.acting_user_id == "ada"
        service.clock.pass_seconds(1)
        assert not (await update(service, "enabled")).enabled
        assert not (await get(service)).enabled
        entry = (await service.audit())[0]
    assert (entry.actor.principal.acting_user_id, entry.target) == ("ada", "settings")
    assert (entry.before, entry.after) == ({"enabled": True}, {"enabled": False})
    assert entry.action == "schoolbell.v1.SettingsService/UpdateSettings"


async def test_false_without_a_mask_switches_off(tmp_path: Path) -> None:
    async with serving(tmp_path) as service:
        await service.add_district()
        assert (await update(service, enabled=True)).enabled
        service.clock.pass_seconds(1)
        assert not (await update(service, enabled=False)).enabled
        assert not (await get(service)).enabled
        entry = (await service.audit())[0]
        assert (entry.before, entry.after) == ({"enabled": True}, {"enabled": False})
        await update(service, enabled=True)
        detailed = common_pb2.DETAIL_LEVEL_DETAILED
        assert (await update(service, detail_level=detailed)).enabled


async def test_a_star_is_every_field_that_may_be_set(tmp_path: Path) -> None:
    async with serving(tmp_path) as service:
        await service.add_district()
        before = await get(service)
        await update(
            service,
            enabled=True,
            detail_level=common_pb2.DETAIL_LEVEL_DETAILED,
            enrollment_grace=Duration(seconds=DAY),
            kind_settings=[messages.KindSettings(kind=common_pb2.KIND_GRADE)],
        )
        after = await update(service, "*", enabled=False, detail_level=before.detail_level)
        assert (after.enabled, list(after.kind_settings)) == (False, [])
        assert after.enrollment_grace == before.enrollment_grace
        with refused("INVALID_FIELD") as refusal:
            await update(service, "*", "enabled", enabled=True)
        assert set(refusal.fields) == {"update_mask.paths[0]"}


async def test_a_default_that_does_not_say_whether_calendars_are_shown_shows_them(
    tmp_path: Path,
) -> None:
    options = messages.DisplayOptions(parent_app_kinds=EVERY_KIND)
    async with serving(tmp_path) as service:
        await service.add_district()
        for mask in ((), ("*",), ("default_display_options",)):
            page = await update(service, *mask, default_display_options=options)
            assert page.default_display_options.enabled
        off = messages.DisplayOptions(enabled=False, parent_app_kinds=EVERY_KIND)
        page = await update(service, default_display_options=off)
        assert not page.default_display_options.enabled


async def test_what_was_set_is_answered(tmp_path: Path) -> None:
    asked = messages.Settings(
        enabled=True,
        detail_level=common_pb2.DETAIL_LEVEL_DETAILED,
        adult_student_rule=messages.ADULT_STUDENT_RULE_STOP_AT_18,
        enrollment_grace=Duration(seconds=0),
        kind_settings=[
            messages.KindSettings(
                kind=common_pb2.KIND_GRADE,
                time_to_live=Duration(seconds=3600),
                hold=Duration(seconds=60),
            )
        ],
        retention=messages.Retention(
            changes=Duration(seconds=30 * DAY),
            deliveries=Duration(seconds=DAY),
        ),
        minimum_versions=[
            messages.MinimumVersion(
                app_id="maple-parent", platform=common_pb2.PLATFORM_IOS, os_version="15.2"
            )
        ],
        default_subscriptions=[
            messages.DefaultSubscription(
                app_type=common_pb2.APP_TYPE_PARENT,
                kind=common_pb2.KIND_LUNCH_BALANCE,
                condition=subscription_pb2.Condition(
                    lunch_balance=subscription_pb2.LunchBalanceCondition(
                        below_balance=Money(currency_code="USD", units=7, nanos=500_000_000),
                        limit_trigger=subscription_pb2.LIMIT_TRIGGER_WHILE_BELOW,
                    )
                ),
            ),
            messages.DefaultSubscription(
                app_type=common_pb2.APP_TYPE_PARENT,
                kind=common_pb2.KIND_RESPONSIVE_SCHEDULE,
            ),
        ],
        default_display_options=messages.DisplayOptions(
            enabled=True, parent_app_kinds=[common_pb2.KIND_GRADE]
        ),
    )
    async with serving(tmp_path) as service:
        await service.add_district()
        await update(service, "enrollment_grace", settings=asked)
        await update(service, settings=asked)
        page = await get(service)
    for name in ("service_status", "connectivity", "warnings", "update_time", "updater", "etag"):
        page.ClearField(name)
    assert page == asked


async def test_a_part_of_a_message_can_be_masked(tmp_path: Path) -> None:
    async with serving(tmp_path) as service:
        await service.add_district()
        days = messages.Retention(changes=Duration(seconds=DAY), deliveries=Duration(seconds=DAY))
        page = await update(service, "retention.changes", retention=days)
    assert page.retention.changes.seconds == DAY
    assert page.retention.deliveries.seconds == 90 * DAY


async def test_an_enum_that_is_not_given_leaves_it_standing(tmp_path: Path) -> None:
    async with serving(tmp_path) as service:
        await service.add_district()
        await update(service, adult_student_rule=messages.ADULT_STUDENT_RULE_STOP_AT_18)
        page = await update(service, "adult_student_rule", "detail_level")
    assert page.adult_student_rule == messages.ADULT_STUDENT_RULE_STOP_AT_18


async def test_a_retried_update_is_fine_and_a_lost_one_is_refused(tmp_path: Path) -> None:
    async with serving(tmp_path) as service:
        await service.add_district()
        old = (await get(service)).etag
        first = await update(service, enabled=True, etag=old)
        version = await service.facts_version()
        assert await update(service, enabled=True, etag=old) == first
        assert await service.facts_version() == version
        detailed = common_pb2.DETAIL_LEVEL_DETAILED
        with refused("ETAG_MISMATCH") as refusal:
            await update(service, detail_level=detailed, etag=old)
        assert refusal.metadata == {"etag": first.etag}
        await update(service, detail_level=detailed, etag=first.etag)


async def test_every_bad_setting_is_named_in_one_pass(tmp_path: Path) -> None:
    grade = messages.KindSettings(kind=common_pb2.KIND_GRADE)
    bad = messages.Settings(
        enrollment_grace=Duration(seconds=3600),
        kind_settings=[
            grade,
            grade,
            messages.KindSettings(
                kind=common_pb2.KIND_ATTENDANCE,
                hold=Duration(seconds=3601),
                time_to_live=Duration(),
            ),
            messages.KindSettings(),
        ],
        retention=messages.Retention(changes=Duration(seconds=DAY - 1)),
        minimum_versions=[
            messages.MinimumVersion(app_id="", os_version="fifteen"),
        ],
        default_subscriptions=[
            messages.DefaultSubscription(
                app_type=common_pb2.APP_TYPE_PARENT,
                kind=common_pb2.KIND_ATTENDANCE,
                condition=subscription_pb2.Condition(
                    grade=subscription_pb2.GradeCondition(below_percent=140)
                ),
            ),
            messages.DefaultSubscription(
                kind=common_pb2.KIND_LUNCH_BALANCE,
                condition=subscription_pb2.Condition(
                    lunch_balance=subscription_pb2.LunchBalanceCondition(
                        below_balance=Money(currency_code="EUR", units=1)
                    )
                ),
            ),
            messages.DefaultSubscription(
                app_type=common_pb2.APP_TYPE_STUDENT,
                kind=common_pb2.KIND_ATTENDANCE,
                condition=subscription_pb2.Condition(
                    attendance=subscription_pb2.AttendanceCondition(
                        statuses=[TARDY, TARDY], excuses=[UNSPECIFIED]
                    )
                ),
            ),
        ],
        default_display_options=messages.DisplayOptions(calendar_id="x", disabled_term_ids=["y"]),
    )
    async with serving(tmp_path) as service:
        await service.add_district()
        with refused("INVALID_FIELD") as refusal:
            await update(service, settings=bad)
        assert (await get(service)).updater.acting_user_id == ""
    assert set(refusal.fields) == {
        "settings.enrollment_grace",
        "settings.kind_settings[1].kind",
        "settings.kind_settings[2].hold",
        "settings.kind_settings[2].time_to_live",
        "settings.kind_settings[3].kind",
        "settings.retention.changes",
        "settings.minimum_versions[0].app_id",
        "settings.minimum_versions[0].os_version",
        "settings.minimum_versions[0].platform",
        "settings.default_subscriptions[0].condition.grade",
        "settings.default_subscriptions[0].condition.grade.below_percent",
        "settings.default_subscriptions[1].app_type",
        "settings.default_subscriptions[1].condition.lunch_balance.below_balance.currency_code",
        "settings.default_subscriptions[2].condition.attendance.statuses",
        "settings.default_subscriptions[2].condition.attendance.excuses",
        "settings.default_display_options.calendar_id",
        "settings.default_display_options.disabled_term_ids",
    }


async def test_unknown_paths_and_districts_are_refused(tmp_path: Path) -> None:
    async with serving(tmp_path) as service:
        with refused("DISTRICT_NOT_FOUND"):
            await get(service)
        with refused("DISTRICT_NOT_FOUND"):
            await update(service, enabled=True)
        await service.add_district()
        with refused("INVALID_FIELD") as refusal:
            await update(service, "enabled", "kinds.hold", "warnings", enabled=True)
        assert set(refusal.fields) == {"update_mask.paths[1]"}
        assert (await update(service, "enabled", "warnings", enabled=True)).enabled


async def test_reading_the_page_needs_the_right_and_saving_it_the_right_to_write(
    tmp_path: Path,
) -> None:
    async with serving(tmp_path) as service:
        await service.add_district()
        reader = service.keys.new(Role.ADMINISTRATOR, rights={Tool.PUSH_NOTIFICATIONS: Right.READ})
        stranger = service.keys.new(Role.ADMINISTRATOR, rights={Tool.ACCESS: Right.WRITE})
        await service.stub(SettingsServiceStub, reader).GetSettings(GET)
        with refused("PERMISSION_DENIED") as refusal:
            await service.stub(SettingsServiceStub, reader).UpdateSettings(
                messages.UpdateSettingsRequest(
                    district_id=DISTRICT, settings=messages.Settings(enabled=True)
                )
            )
        assert refusal.code is grpc.StatusCode.PERMISSION_DENIED
        assert (refusal.metadata["tool"], refusal.metadata["right"]) == (
            "PUSH_NOTIFICATIONS",
            "WRITE",
        )
        with refused("PERMISSION_DENIED"):
            await service.stub(SettingsServiceStub, stranger).GetSettings(GET)
        assert not (await get(service)).enabled


async def show(
    service: Service, *calendar_ids: str, mask: tuple[str, ...] = (), **fields: Any
) -> list[messages.DisplayOptions]:
    request = messages.UpdateDisplayOptionsRequest(
        district_id=DISTRICT,
        calendar_ids=calendar_ids,
        display_options=messages.DisplayOptions(**fields),
        update_mask=FieldMask(paths=mask),
    )
    return list((await service.settings.UpdateDisplayOptions(request)).display_options)


async def shown(service: Service, calendar_id: str) -> messages.DisplayOptions:
    request = messages.GetDisplayOptionsRequest(district_id=DISTRICT, calendar_id=calendar_id)
    options: messages.DisplayOptions = (
        await service.settings.GetDisplayOptions(request)
    ).display_options
    return options


async def add_calendars(service: Service, *names: str) -> None:
    await service.add_district()
    await write(service.storage, [record for name in names for record in school(name)])


async def test_a_calendar_inherits_the_default_until_it_has_its_own(tmp_path: Path) -> None:
    async with serving(tmp_path) as service:
        await add_calendars(service, "north", "south")
        assert (await shown(service, "north:2027")).inherited
        version = await service.facts_version()
        hidden = await show(service, "north:2027", mask=("student_app_kinds",))
        assert await service.facts_version() == version + 1
        await update(
            service,
            "default_display_options.enabled",
            default_display_options=messages.DisplayOptions(),
        )
        own, inherited = await shown(service, "north:2027"), await shown(service, "south:2027")
    assert hidden[0].calendar_id == "north:2027"
    assert (own.enabled, own.inherited, list(own.student_app_kinds)) == (True, False, [])
    assert list(own.parent_app_kinds) == EVERY_KIND
    assert (inherited.enabled, inherited.inherited) == (False, True)


async def test_many_calendars_change_together_or_not_at_all(tmp_path: Path) -> None:
    async with serving(tmp_path) as service:
        await add_calendars(service, "north", "south")
        before = await service.facts_version()
        with refused("CALENDAR_NOT_FOUND") as refusal:
            await show(service, "north:2027", "west:2027", mask=("enabled",))
        assert refusal.metadata == {"calendar_id": "west:2027"}
        assert (await shown(service, "north:2027")).enabled
        assert await service.facts_version() == before
        service.clock.pass_seconds(1)
        changed = await show(service, "south:2027", "north:2027", mask=("enabled",))
        entries = await service.audit()
    assert [one.calendar_id for one in changed] == ["south:2027", "north:2027"]
    assert not any(one.enabled for one in changed)
    assert {entry.target for entry in entries[:2]} == {
        "calendars/north:2027",
        "calendars/south:2027",
    }
    assert entries[0].before == {"enabled": True, "inherited": True}
    assert entries[0].after == {"enabled": False, "inherited": False}


async def test_one_etag_guards_all_calendars_that_look_alike(tmp_path: Path) -> None:
    async with serving(tmp_path) as service:
        await add_calendars(service, "north", "south", "east")
        seen = (await shown(service, "north:2027")).etag
        both = ("north:2027", "south:2027")
        first = await show(service, *both, mask=("enabled",), etag=seen)
        assert await show(service, *both, mask=("enabled",), etag=seen) == first
        with refused("ETAG_MISMATCH"):
            await show(service, "east:2027", "north:2027", disabled_term_ids=["T1"], etag=seen)
        assert not (await shown(service, "east:2027")).disabled_term_ids


async def test_what_display_options_cannot_be_is_refused(tmp_path: Path) -> None:
    async with serving(tmp_path) as service:
        await add_calendars(service, "north")
        with refused("INVALID_FIELD") as refusal:
            await show(
                service,
                "north:2027",
                "north:2027",
                calendar_id="north:2027",
                disabled_term_ids=["T1", "T1"],
                parent_app_kinds=[common_pb2.KIND_GRADE, common_pb2.KIND_GRADE],
            )
        assert set(refusal.fields) == {
            "calendar_ids",
            "display_options.calendar_id",
            "display_options.disabled_term_ids",
            "display_options.parent_app_kinds",
        }
        for names in ((), tuple(str(number) for number in range(1001))):
            with refused("INVALID_FIELD") as refusal:
                await show(service, *names, enabled=True)
            assert set(refusal.fields) == {"calendar_ids"}
        with refused("CALENDAR_NOT_FOUND"):
            await shown(service, "west:2027")


async def test_display_options_are_paged_by_calendar(tmp_path: Path) -> None:
    async with serving(tmp_path) as service:
        await add_calendars(service, "a", "b", "c")
        request = messages.ListDisplayOptionsRequest(
            district_id=DISTRICT, school_year=2027, page_size=2
        )
        seen = [
            one.calendar_id
            async for page in pages(service.settings.ListDisplayOptions, request)
            for one in page.display_options
        ]
        request = messages.ListDisplayOptionsRequest(district_id=DISTRICT, school_year=2026)
        assert not (await service.settings.ListDisplayOptions(request)).display_options
    assert seen == ["a:2027", "b:2027", "c:2027"]


async def reset(service: Service, *calendar_ids: str) -> list[messages.DisplayOptions]:
    request = messages.ResetDisplayOptionsRequest(district_id=DISTRICT, calendar_ids=calendar_ids)
    return list((await service.settings.ResetDisplayOptions(request)).display_options)


async def test_false_without_a_mask_hides_a_calendar(tmp_path: Path) -> None:
    async with serving(tmp_path) as service:
        await add_calendars(service, "north")
        (hidden,) = await show(service, "north:2027", enabled=False)
        assert (hidden.enabled, list(hidden.parent_app_kinds)) == (False, EVERY_KIND)
        (again,) = await show(service, "north:2027", enabled=True)
        assert again.enabled
        fields = {"enabled": True, "disabled_term_ids": ["q1"], "parent_app_kinds": EVERY_KIND}
        (whole,) = await show(service, "north:2027", mask=("*",), **fields)
        assert (list(whole.student_app_kinds), list(whole.parent_app_kinds)) == ([], EVERY_KIND)
        assert list(whole.disabled_term_ids) == ["q1"]


async def test_a_reset_calendar_follows_the_default_again(tmp_path: Path) -> None:
    async with serving(tmp_path) as service:
        await add_calendars(service, "north", "south", "west")
        inherited = await shown(service, "north:2027")
        await show(service, "north:2027", "south:2027", enabled=False)
        version = await service.facts_version()
        service.clock.pass_seconds(1)
        both = await reset(service, "west:2027", "north:2027")
        assert [one.calendar_id for one in both] == ["west:2027", "north:2027"]
        assert all(one.inherited and one.enabled for one in both)
        assert await shown(service, "north:2027") == inherited
        assert not (await shown(service, "south:2027")).enabled
        assert await service.facts_version() == version + 1
        entries = [
            one for one in await service.audit() if one.action.endswith("ResetDisplayOptions")
        ]
        assert [(one.target, one.actor.principal.name) for one in entries] == [
            ("calendars/north:2027", "ada")
        ]
        assert entries[0].before == {"enabled": False, "inherited": False}
        assert entries[0].after == {"enabled": True, "inherited": True}
        assert await reset(service, "north:2027") == [inherited]
        assert await service.facts_version() == version + 1
        again = [one for one in await service.audit() if one.action.endswith("ResetDisplayOptions")]
        assert again == entries


async def test_calendars_are_reset_all_or_none(tmp_path: Path) -> None:
    async with serving(tmp_path) as service:
        await add_calendars(service, "north")
        await show(service, "north:2027", enabled=False)
        with refused("CALENDAR_NOT_FOUND") as refusal:
            await reset(service, "north:2027", "nowhere")
        assert refusal.metadata == {"calendar_id": "nowhere"}
        assert not (await shown(service, "north:2027")).inherited
        for bad, field in (
            ([], "calendar_ids"),
            (["a", "a"], "calendar_ids"),
            (["a"] + [f"c{number}" for number in range(1000)], "calendar_ids"),
            (["\0"], "calendar_ids[0]"),
        ):
            with refused("INVALID_FIELD") as refusal:
                await reset(service, *bad)
            assert set(refusal.fields) == {field}
