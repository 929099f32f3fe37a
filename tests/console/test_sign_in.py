"""Sign-in at the district's identity provider, in a browser, from beginning to end."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from schoolbell.v1 import access_service_pb2 as access
from schoolbell_server.config import Config, IdentityConfig
from tests.console.sign_in_provider import CLIENT, SignInProvider, sign_in_provider
from tests.console.test_looks import violations
from tests.console.world import Loop, console_process, until
from tests.identity.provider import issuer
from tests.service.granting import GROUP, SETTINGS, WRITE, entries, grant, revoke, right
from tests.service.ports import free_port
from tests.service.whole import DISTRICT, Whole, whole

PUSH = f"/d/{DISTRICT}/push"
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}
OIDC = "/sign-in/oidc?next=/"
BUTTON = "Sign in with your school account"


@dataclass
class School:
    """A service, a provider that it trusts, and a console where people sign in there."""

    loop: Loop
    service: Whole
    provider: SignInProvider
    origin: str = ""

    def grant(self, *rights: access.ToolRight) -> None:
        """Grant rights as the operator."""

        async def ask() -> None:
            async with self.service.client() as operator:
                await grant(operator, *rights)

        self.loop.run(ask())

    def revoke(self, *rights: access.ToolRight) -> None:
        """Take rights away as the operator."""

        async def ask() -> None:
            async with self.service.client() as operator:
                await revoke(operator, *rights)

        self.loop.run(ask())

    def newest(self) -> access.AuditEntry:
        """Return the newest entry of the audit log."""

        async def ask() -> access.AuditEntry:
            async with self.service.client() as operator:
                return (await entries(operator))[0]

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
            group_claim="groups",
        )
        return replace(config, identity=IdentityConfig(issuers={"maple": trusted}))

    service = await stack.enter_async_context(whole(folder, adapt=adapt))
    await service.create_district()
    return School(loop, service, provider)


@pytest.fixture
def open_page(browser: Browser, school: School) -> Iterator[Callable[[], Page]]:
    """Return a function that opens a page of a browser where nobody is signed in."""
    contexts: list[BrowserContext] = []
    provider = school.provider
    provider.life, provider.renews, provider.groups, provider.id_claims = 600, True, [], {}

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
        return heading.is_visible()

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
    page.context.add_cookies(before)  # type: ignore[arg-type]
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
    for scheme in SCHEMES:
        context = browser.new_context(
            locale=locale,
            color_scheme=scheme,
            viewport={"width": 320, "height": 640},
            ignore_https_errors=True,
        )
        page = context.new_page()
        for why in ("", "ended", "left"):
            page.goto(f"{school.origin}/sign-in?why={why}")
            assert not violations(page, RULES)
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
