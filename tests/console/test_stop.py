"""The page Stop a mistake: count, stop with a comment, and see it happen."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from google.protobuf.duration_pb2 import Duration
from google.protobuf.field_mask_pb2 import FieldMask
from playwright.sync_api import expect

from schoolbell.v1 import access_service_pb2 as access
from schoolbell.v1 import common_pb2, settings_service_pb2
from schoolbell_server.demo.stage import DISTRICT
from tests.console.conftest import Enter
from tests.console.happening import publish_grades
from tests.console.world import World

STOP = "/d/sample-district/stop"


def test_what_waits_is_counted_stopped_and_audited(enter: Enter, played: World) -> None:
    with held_grades(played):
        publish_grades(played, "mistake", 4)
        page = enter(path=STOP)
        page.get_by_label("Kind").select_option(label="Grade")
        page.get_by_label("School").select_option(label="Maple Valley High School")
        page.get_by_label("Written since").fill("2999-01-01T08:00")
        page.get_by_role("button", name="Count").click()
        expect(page.locator('[data-count="waiting"]')).to_have_text("0")
        page.get_by_label("Written since").fill("2026-01-01T08:00")
        page.get_by_role("button", name="Count").click()
        expect(page.locator('[data-count="waiting"]')).not_to_have_text("0")
        second = page.context.new_page()
        second.goto(page.url)
        waiting = int(page.locator('[data-count="waiting"]').inner_text())
        assert waiting >= 4
        expect(page.locator('[data-count="got"]')).not_to_have_text("0")
        page.get_by_text("Who already got it").click()
        expect(page.get_by_role("row").nth(1)).to_be_visible()
        page.get_by_label("Why?").fill("The list of another class <script>alert(1)</script>")
        page.get_by_role("button", name=f"Stop {waiting} deliveries").click()
        expect(page.get_by_role("status")).to_contain_text(f"{waiting} deliveries are stopped")
        expect(page.locator('[data-count="waiting"]')).to_have_text("0")
        expect(page.get_by_role("button", name="Nothing waits")).to_be_disabled()
        second.get_by_label("Why?").fill("Once more, from another tab")
        second.locator("main button.danger").click()
        expect(second.get_by_role("status")).to_contain_text("Nothing was waiting any more.")


def test_nothing_is_stopped_without_a_comment(enter: Enter, played: World) -> None:
    page = enter(path=f"{STOP}?kind=2")
    expect(page.get_by_label("Why?")).to_have_attribute("required", "")
    page.goto(f"{played.origin}{STOP}")
    expect(page.get_by_label("Why?")).to_have_count(0)


def test_who_may_only_read_cannot_stop(enter: Enter, played: World) -> None:
    page = enter("reader", STOP)
    expect(page.get_by_text("You have no right to this page")).to_be_visible()


@contextmanager
def held_grades(world: World) -> Iterator[None]:
    """Let grades wait for ten minutes while the context lasts."""
    kinds = [
        settings_service_pb2.KindSettings(kind=common_pb2.KIND_GRADE, hold=Duration(seconds=600))
    ]
    _save(world, kinds)
    try:
        yield
    finally:
        _save(world, [])


def _save(world: World, kinds: list[settings_service_pb2.KindSettings]) -> None:
    request = settings_service_pb2.UpdateSettingsRequest(
        district_id=DISTRICT,
        settings=settings_service_pb2.Settings(kind_settings=kinds),
        update_mask=FieldMask(paths=["kind_settings"]),
    )
    world.ask(access.ROLE_ADMINISTRATOR, "settings", "UpdateSettings", request)
