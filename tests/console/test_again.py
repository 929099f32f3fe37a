"""What failed is sent again by its reason, from the page Undelivered."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from schoolbell.v1 import access_service_pb2 as access
from tests.console.world import Loop, console_process, until
from tests.service.following import following
from tests.service.granting import READ, SETTINGS, administrator, right
from tests.service.ports import free_port
from tests.service.scene import FATHER, MOTHER, STUDENT, grade, phone, populate, publish, register
from tests.service.test_dead_letters import ACCEPTED, DOWN, FAILED, LOST, THRICE, UNCERTAIN, suffer
from tests.service.whole import DISTRICT, Whole, whole

PAGE = f"/d/{DISTRICT}/undelivered"
READING = right("reader", SETTINGS, READ)


@dataclass
class Failing:
    """A service some of whose deliveries failed, and its console."""

    loop: Loop
    service: Whole
    origin: str


@pytest.fixture
def failing(tmp_path: Path) -> Iterator[Failing]:
    """Return a service where one delivery failed and one may have arrived."""
    loop, stack = Loop(), AsyncExitStack()
    try:
        service = loop.run(_start(tmp_path, stack))
        assert service.server is not None
        origin = f"http://localhost:{free_port()}"
        config = tmp_path / "console.toml"
        config.write_text(
            f'[console]\norigin = "{origin}"\nlisten = "127.0.0.1:{origin.rpartition(":")[2]}"\n'
            f"cookie_key_file = {json.dumps(str(tmp_path / 'cookie.key'))}\n"
            f'[server]\ntarget = "localhost:{service.server.port}"\n'
            f"ca_file = {json.dumps(str(tmp_path / 'data' / 'tls' / 'ca.pem'))}\n",
            encoding="utf-8",
        )
        with console_process(config, origin):
            yield Failing(loop, service, origin)
    finally:
        loop.run(stack.aclose())
        loop.close()


async def _start(folder: Path, stack: AsyncExitStack) -> Whole:
    service = await stack.enter_async_context(whole(folder, delivery=THRICE))
    await populate(service)
    await register(service, phone(MOTHER), phone(FATHER), phone(STUDENT))
    suffer(service, MOTHER, DOWN)
    suffer(service, FATHER, LOST, times=1)
    suffer(service, FATHER, DOWN)
    async with following(service) as followed:
        await publish(service, grade("g1", 80))
        await followed.until_states(ACCEPTED, FAILED, UNCERTAIN)
    return service


def test_what_failed_is_sent_again_by_its_reason(failing: Failing, browser: Browser) -> None:
    page = browser.new_context(locale="en-US").new_page()
    sign_in(page, failing, failing.service.key(access.ROLE_ADMINISTRATOR))
    failed, uncertain = row(page, "Failed"), row(page, "Uncertain")
    expect(failed).to_contain_text("the provider is down")
    expect(uncertain).to_contain_text("May arrive twice.")
    failed.get_by_role("link").click()
    deliveries = page.locator("section").filter(has=page.get_by_role("heading", name="Deliveries"))
    expect(deliveries.get_by_role("row")).to_have_count(2)
    expect(deliveries).to_contain_text(MOTHER)
    failing.loop.run(restore(failing.service))
    row(page, "Failed").get_by_role("button", name="Send again").click()
    expect(page.get_by_role("status")).to_have_text("One delivery is sent again.")
    until(lambda: counted(page, "Failed") == 0)
    expect(row(page, "Uncertain")).to_have_count(1)
    row(page, "Uncertain").get_by_role("button", name="Send again").click()
    expect(page.get_by_role("status")).to_have_text("One delivery is sent again.")
    page.context.close()
    page = browser.new_context(locale="es-MX").new_page()
    sign_in(page, failing, failing.loop.run(administrator(failing.service, "reader", READING)))
    expect(page.get_by_role("heading", level=1)).to_have_text("No entregadas")
    expect(page.locator("main").get_by_role("button")).to_have_count(0)
    page.context.close()


async def restore(service: Whole) -> None:
    """Let the phones be reached again."""
    service.sandbox.faults.clear()


def counted(page: Page, state: str) -> int:
    """Return how many groups of a state there are, looked at anew."""
    page.goto(page.url.partition("?")[0])
    return int(row(page, state).count())


def sign_in(page: Page, failing: Failing, key: str) -> None:
    """Sign in with a key, and go to the page."""
    page.goto(f"{failing.origin}/sign-in?next={PAGE}")
    page.locator("#key").fill(key)
    page.locator("main form button").click()


def row(page: Page, state: str) -> Locator:
    """Return the group of a state."""
    return page.locator("section").first.get_by_role("row").filter(has_text=state)
