"""Sign-in at the district's identity provider, in a browser, from beginning to end."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from schoolbell.v1 import access_service_pb2 as access
from schoolbell_server.config import Config, IdentityConfig
from tests.console.sign_in_provider import CLIENT, SignInProvider, sign_in_provider
from tests.console.test_looks import COLORS, RULES, violations
from tests.console.world import Loop, console_process, until
from tests.identity.provider import issuer
from tests.service.granting import (
    GROUP,
    READ,
    SETTINGS,
    WRITE,
    add_district,
    entries,
    grant,
    revoke,
    right,
)
from tests.service.ports import free_port
from tests.service.whole import DISTRICT, Whole, whole

PUSH = f"/d/{DISTRICT}/push"
OAK, ELM = "oak", "elm"
OIDC = "/sign-in/oidc?next=/"
SAVED = "schoolbell.v1.SettingsService/UpdateSettings"
BUTTON = "Sign in with your school account"


@dataclass
class School:
    """A service, a provider that it trusts, and a console where people sign in there."""

    loop: Loop
    service: Whole
    provider: SignInProvider
    origin: str = ""

    def grant(self, *rights: access.ToolRight, district_id: str = DISTRICT) -> None:
        """Grant rights as the operator."""

        async def ask() -> None:
            async with self.service.client() as operator:
                await grant(operator, *rights, district_id=district_id)

        self.loop.run(ask())

    def revoke(self, *rights: access.ToolRight) -> None:
        """Take rights away as the operator."""

        async def ask() -> None:
            async with self.service.client() as operator:
                await revoke(operator, *rights)

        self.loop.run(ask())

    def newest(self, district_id: str = DISTRICT) -> access.AuditEntry:
        """Return the newest entry of a district's audit log."""

        async def ask() -> access.AuditEntry:
            async with self.service.client() as operator:
                return (await entries(operator, district_id))[0]

        return self.loop.run(ask())


@pytest.fixture(scope="module")
def school(tmp_path_factory: pytest.TempPathFactory) -> Iterator[School]:
    """Return a running school with one person who may save, and a group that may."""
    folder, loop, stack = tmp_path_factory.mktemp("school"), Loop(), AsyncExitStack()
    try:
        found = loop.run(_start(folder, loop, stack))
        found.grant(right("ada", SETTINGS, WRITE), right("office", SETTINGS, WRITE, GROUP))
        port = free_port()
        found.origin = f"http://localhost:{port}"
        server = found.service.server
        assert server is not None
        text = (
            f'[console]\norigin = "{found.origin}"\nlisten = "127.0.0.1:{port}"\n'
            f"cookie_key_file = {json.dumps(str(folder / 'cookie.key'))}\n"
            f'[server]\ntarget = "localhost:{server.port}"\n'
            f"ca_file = {json.dumps(str(folder / 'data' / 'tls' / 'ca.pem'))}\n"
            f'[oidc]\nissuer = "{found.provider.issuer}"\nclient_id = "{CLIENT}"\n'
            f"ca_file = {json.dumps(str(folder / 'provider-ca.pem'))}\n"
        )
        (folder / "console.toml").write_text(text, encoding="utf-8")
        with console_process(folder / "console.toml", found.origin):
            yield found
    finally:
        loop.run(stack.aclose())
        loop.close()


async def _start(folder: Path, loop: Loop, stack: AsyncExitStack) -> School:
    provider = await stack.enter_async_context(sign_in_provider(folder))

    def adapt(config: Config) -> Config:
        trusted = issuer(
            issuer=provider.issuer,
            jwks_url=provider.url,
            ca_file=folder / "provider-ca.pem",
            districts=(DISTRICT, OAK, ELM),
            district_claim="districts",
            group_claim="groups",
        )
        return replace(config, identity=IdentityConfig(issuers={"maple": trusted}))

    service = await stack.enter_async_context(whole(folder, adapt=adapt))
    await service.create_district()
    for other in (OAK, ELM):
        await add_district(service, other)
    return School(loop, service, provider)


@pytest.fixture
def open_page(browser: Browser, school: School) -> Iterator[Callable[[], Page]]:
    """Return a function that opens a page of a browser where nobody is signed in."""
    contexts: list[BrowserContext] = []
    provider = school.provider
    provider.life, provider.renews, provider.groups, provider.id_claims = 600, True, [], {}
    provider.districts = [DISTRICT]

    def opened() -> Page:
        context = browser.new_context(locale="en-US", ignore_https_errors=True)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(20_000)
        return page

    yield opened
    for context in contexts:
        context.close()


def enter(page: Page, school: School, user: str, path: str = PUSH) -> None:
    """Go to a page, and sign in at the provider on the way."""
    page.goto(f"{school.origin}{path}")
    page.get_by_role("link", name=BUTTON).click()
    page.get_by_label("Name").fill(user)
    page.get_by_role("button", name="Go on").click()


def test_a_person_signs_in_saves_and_is_named(
    open_page: Callable[[], Page], school: School
) -> None:
    page = open_page()
    enter(page, school, "ada")
    expect(page).to_have_url(f"{school.origin}{PUSH}")
    asked = school.provider.asked_for
    assert asked["response_type"] == "code" and asked["code_challenge_method"] == "S256"
    assert min(len(asked[name]) for name in ("state", "nonce", "code_challenge")) >= 43
    page.get_by_label("Enable Push Notifications").uncheck()
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("status")).to_contain_text("Saved")
    expect(page.get_by_text("Last changed by ada")).to_be_visible()
    entry = school.newest()
    assert (entry.principal.id, entry.principal.acting_user_id) == ("ada", "ada")


def test_rights_of_a_group_and_their_end(open_page: Callable[[], Page], school: School) -> None:
    page = open_page()
    school.provider.groups = ["office"]
    enter(page, school, "bob")
    expect(page.get_by_label("Enable Push Notifications")).to_be_enabled()
    school.revoke(right("office", SETTINGS, access.RIGHT_READ, GROUP))
    page.reload()
    expect(page.get_by_text("You have no right to this page")).to_be_visible()
    school.grant(right("office", SETTINGS, WRITE, GROUP))


def test_an_administrator_of_several_districts_has_in_each_its_own_rights(
    open_page: Callable[[], Page], school: School
) -> None:
    provider, page = school.provider, open_page()
    provider.districts, provider.groups = [DISTRICT, OAK], ["office"]  # whose right is of DISTRICT
    school.grant(right("eve", SETTINGS, READ), district_id=OAK)
    provider.life = 20  # every request renews, so that what the provider says next is heard next
    enter(page, school, "eve")
    expect(page.get_by_label("Enable Push Notifications")).to_be_enabled()
    switch_district(page, "Maple County", OAK)
    expect(page).to_have_url(f"{school.origin}/d/{OAK}/push")
    expect(page.get_by_text("You may see these settings and not change them.")).to_be_visible()
    expect(page.get_by_role("button", name="Save")).to_have_count(0)
    school.grant(right("eve", SETTINGS, WRITE), district_id=OAK)
    before = school.newest()
    page.reload()
    page.get_by_label("Enable Push Notifications").check()
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("status")).to_contain_text("Saved")
    entry = school.newest(OAK)
    assert (entry.method, entry.principal.acting_user_id) == (SAVED, "eve")
    assert school.newest() == before
    page.goto(f"{school.origin}/d/{ELM}/push")
    expect(page.get_by_role("heading", level=1)).to_have_text("There is no such page")
    page.goto(f"{school.origin}/d/{OAK}/push")
    switch_district(page, OAK, "Maple County")
    expect(page.get_by_label("Enable Push Notifications")).to_be_enabled()
    provider.districts = [DISTRICT]
    page.goto(f"{school.origin}/d/{OAK}/push")
    expect(page.get_by_role("heading", level=1)).to_have_text("There is no such page")
    page.goto(f"{school.origin}{PUSH}")
    expect(page.locator(".pick-one")).to_be_visible()


def switch_district(page: Page, before: str, after: str) -> None:
    """Choose another district by the menu, with the keyboard alone."""
    page.locator(".pick summary", has_text=before).focus()
    page.keyboard.press("Enter")
    link = page.get_by_role("link", name=after)
    expect(link).to_be_visible()
    for _ in range(3):
        page.keyboard.press("Tab")
        if link.evaluate("one => one === document.activeElement"):
            break
    page.keyboard.press("Enter")
    expect(page.locator(".pick summary", has_text=after)).to_be_visible()


def test_a_session_is_renewed_before_its_token_ends(
    open_page: Callable[[], Page], school: School
) -> None:
    page, provider = open_page(), school.provider
    provider.life = 20  # less than the console's margin: every request renews
    enter(page, school, "ada")
    expect(page.get_by_label("Enable Push Notifications")).to_be_visible()
    before = provider.renewed
    other = page.context.new_page()
    for one in (page, other):
        one.goto(f"{school.origin}{PUSH}")
        expect(one.get_by_label("Enable Push Notifications")).to_be_visible()
    assert provider.renewed > before
    provider.refresh_tokens.clear()
    page.reload()
    expect(page.get_by_text("Your session has ended")).to_be_visible()


def test_a_session_without_renewal_ends_with_its_token(
    open_page: Callable[[], Page], school: School
) -> None:
    page, provider = open_page(), school.provider
    provider.renews, provider.life = False, 2
    enter(page, school, "ada")
    heading = page.get_by_role("heading", name="Sign in to the console")

    def is_asked_again() -> bool:
        page.goto(f"{school.origin}{PUSH}")
        return bool(heading.is_visible())

    until(is_asked_again)


def test_signing_out_takes_the_refresh_token_back(
    open_page: Callable[[], Page], school: School
) -> None:
    page, provider = open_page(), school.provider
    enter(page, school, "ada")
    provider.revoked.clear()
    before = page.context.cookies()
    page.locator("summary", has_text="ada").click()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_text("You are signed out.")).to_be_visible()
    assert provider.revoked == ["ada"]
    page.context.add_cookies(before)
    page.goto(f"{school.origin}{PUSH}")
    expect(page.get_by_role("heading", name="Sign in to the console")).to_be_visible()
    page.goto(f"{school.origin}/sign-in?why=left")
    page.get_by_role("link", name="Sign out of your school account too").click()
    expect(page.get_by_text("You are signed out.")).to_be_visible()
    assert provider.left == 1


@pytest.mark.parametrize(
    "claims",
    [
        {"nonce": "another"},
        {"aud": "another"},
        {"iss": "https://localhost:1"},
        {"exp": 1},
        {"at_hash": "another"},
        {"azp": "another"},
        {"nonce": 7},
    ],
)
def test_an_id_token_that_is_not_for_this_sign_in_lets_nobody_in(
    open_page: Callable[[], Page], school: School, claims: dict[str, Any]
) -> None:
    page = open_page()
    school.provider.id_claims = claims
    enter(page, school, "ada")
    expect(page.get_by_role("alert")).to_contain_text("Please begin again")
    page.goto(f"{school.origin}{PUSH}")
    expect(page.get_by_role("heading", name="Sign in to the console")).to_be_visible()


def test_an_answer_that_nobody_asked_for_lets_nobody_in(
    open_page: Callable[[], Page], school: School
) -> None:
    page = open_page()
    school.provider.codes["stolen"] = {"user": "ada"}
    page.goto(f"{school.origin}/sign-in/oidc/return?code=stolen&state=made-up")
    expect(page.get_by_role("alert")).to_contain_text("Please begin again")
    enter(page, school, "stranger")
    expect(page.get_by_role("alert")).to_contain_text("did not let you in")
    page.goto(f"{school.origin}/sign-in/oidc?next=https://elsewhere.example/")
    page.get_by_label("Name").fill("ada")
    page.get_by_role("button", name="Go on").click()
    expect(page).to_have_url(f"{school.origin}{PUSH}")


@pytest.mark.parametrize("locale", ["en-US", "es-MX"])
def test_the_page_for_signing_in_is_for_everybody(
    browser: Browser, school: School, pictures: Path, locale: str
) -> None:
    for scheme in ("light", "dark"):
        context = browser.new_context(
            locale=locale,
            color_scheme=scheme,
            viewport={"width": 320, "height": 640},
            ignore_https_errors=True,
        )
        page = context.new_page()
        for why in ("", "ended", "left"):
            page.goto(f"{school.origin}/sign-in?why={why}")
            assert not violations(page, RULES if scheme == "light" else COLORS)
            assert page.evaluate("document.documentElement.scrollWidth") <= 320
        page.goto(f"{school.origin}/sign-in")
        page.set_viewport_size({"width": 1280, "height": 800})
        if (locale, scheme) == ("en-US", "light"):
            page.screenshot(path=pictures / "sign-in.png")
        page.keyboard.press("Tab")
        for _ in range(4):  # what is before it: the way past the menu, and the bar
            if page.evaluate("document.activeElement.getAttribute('href')") == OIDC:
                break
            page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        page.wait_for_url(f"{school.provider.issuer}/**")
        context.close()


def test_a_person_of_very_many_groups_signs_in(
    open_page: Callable[[], Page], school: School
) -> None:
    page = open_page()
    school.provider.groups = [f"group-of-the-district-{number}" for number in range(150)]
    enter(page, school, "ada")
    expect(page.get_by_label("Enable Push Notifications")).to_be_visible()
    page.reload()
    expect(page.get_by_label("Enable Push Notifications")).to_be_visible()
