"""A browser, a running district, and pages that are signed in."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from schoolbell import AsyncClient
from schoolbell.v1 import access_service_pb2 as access
from schoolbell_server.demo.day import publish
from schoolbell_server.demo.settled import settled
from tests.console import happening
from tests.console.world import ANN, World, world

PICTURED = bool(os.environ.get("PICTURES"))
"""Whether the screenshots of the documents are to be made."""
CHROMIUM = "/usr/bin/chromium"


@pytest.fixture(scope="session")
def district(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Return the running district."""
    with world(tmp_path_factory.mktemp("console")) as found:
        read, write = access.RIGHT_READ, access.RIGHT_WRITE
        found.keys["reader"] = found.person(
            "reader", (access.TOOL_PUSH_NOTIFICATIONS, read), (access.TOOL_DISPLAY_OPTIONS, read)
        )
        found.keys["second"] = found.person("second", (access.TOOL_PUSH_NOTIFICATIONS, write))
        found.keys["clerk"] = found.person("clerk", (access.TOOL_EXPLANATIONS, read))
        found.keys["monitor"] = found.stage.keys[access.ROLE_MONITOR]
        found.keys["operator"] = found.stage.keys[access.ROLE_OPERATOR]
        yield found


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Return a headless Chromium."""
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield found
        found.close()


Enter = Callable[..., Page]


@pytest.fixture
def enter(browser: Browser, district: World) -> Iterator[Enter]:
    """Return a function that opens a page which is signed in; it fails on any error of the page."""
    contexts: list[BrowserContext] = []
    errors: list[str] = []

    def opened(name: str = ANN, path: str = "/", **options: Any) -> Page:
        context = browser.new_context(**({"locale": "en-US"} | options))
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(20_000)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda said: errors.append(said.text) if is_wrong(said) else None)
        page.goto(f"{district.origin}/sign-in?next={path}")
        page.get_by_label("API key").or_(page.get_by_label("Clave de API")).fill(
            district.keys[name]
        )
        page.locator("main form button").click()
        page.wait_for_load_state()
        return page

    yield opened
    for context in contexts:
        context.close()
    assert not errors


def is_wrong(message: Any) -> bool:
    """Return whether a browser complains: of a policy, or of a script."""
    return message.type == "error" and "Failed to load resource" not in message.text


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of the screenshots: with PICTURES=1 that of the documents."""
    if PICTURED:
        return Path(__file__).resolve().parents[2] / "docs" / "console"
    return tmp_path_factory.mktemp("pictures")


@pytest.fixture(scope="session")
def played(district: World) -> World:
    """Return the district after its school day, everything delivered."""
    district.run(_play(district))
    happening.publish(district, happening.grade("picture", 58.5, "s1023", "Algebra II"))
    return district


async def _play(found: World) -> None:
    await publish(found.stage, found.changes)
    async with AsyncClient(found.stage.connection(access.ROLE_MONITOR)) as monitor:
        await settled(monitor)
