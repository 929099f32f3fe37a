"""What is wrong with the service is said in plain words: encryption is off, or links broke."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from schoolbell.v1 import access_service_pb2 as access
from schoolbell_server.gateways.app_config import AndroidConfig, AppConfig
from tests.console.world import Loop, console_process
from tests.service.ports import free_port
from tests.service.whole import DISTRICT, Whole, whole


@pytest.fixture
def broken(tmp_path: Path) -> Iterator[tuple[str, str]]:
    """Return the origin of the console of a service without TLS and Google, and a key for it."""
    loop, stack = Loop(), AsyncExitStack()
    try:
        service = loop.run(_start(tmp_path, stack))
        assert service.server is not None
        origin = f"http://localhost:{free_port()}"
        config = tmp_path / "console.toml"
        config.write_text(
            f'[console]\norigin = "{origin}"\nlisten = "127.0.0.1:{origin.rpartition(":")[2]}"\n'
            f"cookie_key_file = {json.dumps(str(tmp_path / 'cookie.key'))}\n"
            f'[server]\ntarget = "localhost:{service.server.port}"\nplaintext = true\n',
            encoding="utf-8",
        )
        with console_process(config, origin):
            yield origin, service.key(access.ROLE_ADMINISTRATOR)
    finally:
        loop.run(stack.aclose())
        loop.close()


async def _start(folder: Path, stack: AsyncExitStack) -> Whole:
    service = await stack.enter_async_context(whole(folder))
    await service.create_district()
    await service.stop()
    config, nobody = service.config, f"https://localhost:{free_port()}"
    service.config = replace(
        config,
        server=replace(config.server, plaintext=True),
        apps={name: _without_google(app, nobody) for name, app in config.apps.items()},
    )
    await service.start()
    return service


def _without_google(app: AppConfig, nobody: str) -> AppConfig:
    android = app.android
    assert isinstance(android, AndroidConfig)
    return replace(app, android=replace(android, endpoint=nobody))


def test_encryption_that_is_off_and_a_link_that_broke_are_said_with_what_to_do(
    browser: Browser, broken: tuple[str, str]
) -> None:
    origin, key = broken
    for locale, off, advice in (
        ("en-US", "Push communication is not encrypted.", "Ask your network administrator"),
        ("es-MX", "La comunicación push no está cifrada.", "Pida a su administrador de red"),
    ):
        page = browser.new_context(locale=locale).new_page()
        page.goto(f"{origin}/sign-in?next=/d/{DISTRICT}/push")
        page.locator("#key").fill(key)
        page.locator("main form button").click()
        expect(page.get_by_text(off)).to_be_visible()
        link = page.get_by_role("row").filter(has_text="Google").first
        expect(link).to_contain_text(advice)
        page.context.close()
