"""Sessions: tabs, deep links, the back button, restarts, the console's own TLS, many districts."""

from __future__ import annotations

import http.client
import json
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import quote, urlsplit

import pytest
from cryptography import x509
from playwright.sync_api import Browser, Page, expect

from schoolbell.v1 import access_service_pb2 as access
from schoolbell.v1 import district_service_pb2 as districts
from schoolbell_console.links import make_link
from schoolbell_console.seals import read_seals
from schoolbell_sandbox.certificates import Authority
from schoolbell_server.demo.stage import DISTRICT
from tests.console.conftest import Enter
from tests.console.happening import SOURCE, grade, publish
from tests.console.world import ANN, World, serving, until

D = f"/d/{DISTRICT}"
OTHER = "oak-hollow"
SIGN_IN = "Sign in to the console"


def test_two_tabs_of_a_session_keep_each_its_own_form(enter: Enter, district: World) -> None:
    first = enter(path=f"{D}/push")
    second = first.context.new_page()
    second.goto(f"{district.origin}{D}/access")
    first.get_by_text("More settings").click()
    first.get_by_label("Days to keep deliveries").fill("45")
    second.get_by_text("Grant a right").click()
    second.get_by_label("Id", exact=True).fill("tab-two")
    second.get_by_role("button", name="Grant", exact=True).click()
    expect(second.get_by_role("row").filter(has_text="tab-two")).to_be_visible()
    expect(first.get_by_label("Days to keep deliveries")).to_have_value("45")
    first.get_by_role("button", name="Save", exact=True).click()
    expect(first.get_by_role("status")).to_contain_text("Saved")
    third = first.context.new_page()
    third.goto(f"{district.origin}{D}/push")
    for page, days in ((first, "46"), (third, "47")):
        page.get_by_text("More settings").click()
        page.get_by_label("Days to keep deliveries").fill(days)
        page.get_by_role("button", name="Save", exact=True).click()
    expect(third.get_by_role("alert").filter(has_text="Somebody saved before you")).to_be_visible()


def test_a_form_of_a_tab_that_was_signed_out_in_another_asks_to_sign_in(
    enter: Enter, district: World
) -> None:
    first = enter(path=f"{D}/push")
    second = first.context.new_page()
    second.goto(f"{district.origin}{D}/push")
    sign_out(second)
    before = entry_count(district)
    first.get_by_label("Enable Push Notifications").uncheck()
    first.get_by_role("button", name="Save", exact=True).click()
    expect(first.get_by_text("Your session has ended")).to_be_visible()
    assert entry_count(district) == before
    second.goto(f"{district.origin}/sign-in")
    sign_in(first, district)
    expect(first).to_have_url(f"{district.origin}{D}/push")
    expect(first.get_by_label("Enable Push Notifications")).to_be_checked()
    sign_in(second, district)  # whose form is from before the other tab signed in
    expect(second.get_by_role("heading", level=1)).to_have_text("Push Notifications")


def test_a_deep_link_is_gone_to_after_signing_in(played: World, open_page: Page) -> None:
    publish(played, grade("deep", 61))
    for path in (
        f"{D}/why/change?source={SOURCE}&id=deep",
        f"{D}/audit?person={quote('a b&c')}&method=",
        f"{D}/stop?kind=2&start=2026-01-05T08%3A00",
    ):
        open_page.context.clear_cookies()
        open_page.goto(played.origin + path)
        expect(open_page.get_by_role("heading", level=1)).to_have_text(SIGN_IN)
        sign_in(open_page, played)
        expect(open_page).to_have_url(played.origin + path)


def test_the_back_button_goes_back_and_shows_nothing_after_signing_out(
    enter: Enter, played: World
) -> None:
    page = enter("clerk", f"{D}/why/person?id=s1001")
    name = page.get_by_role("heading", level=1).inner_text()
    page.get_by_role("link", name="Devices of a person").last.click()
    expect(page.get_by_role("heading", name="Phones")).to_be_visible()
    page.go_back()
    expect(page.get_by_role("heading", level=1)).to_have_text(name)
    page.go_forward()
    expect(page.get_by_role("heading", name="Phones")).to_be_visible()
    sign_out(page)
    for _ in range(2):
        page.go_back()
        expect(page.get_by_role("heading", level=1)).to_have_text(SIGN_IN)
        assert name not in page.content()


def test_after_a_save_the_back_button_sends_nothing_again(enter: Enter, district: World) -> None:
    page = enter(path=f"{D}/push")
    page.get_by_text("More settings").click()
    page.get_by_label("Days to keep changes").fill("310")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_role("status")).to_contain_text("Saved")
    before = entry_count(district)
    page.go_back()
    expect(page.get_by_role("heading", level=1)).to_have_text("Push Notifications")
    page.go_forward()
    expect(page.get_by_role("heading", level=1)).to_have_text("Push Notifications")
    assert entry_count(district) == before


def test_a_restart_keeps_who_is_signed_in_and_who_signed_out(
    enter: Enter, browser: Browser, district: World
) -> None:
    with another_console(district, "other.toml"):
        port = int(district.origin.rpartition(":")[2])
        seals = read_seals(district.console.with_suffix(".key"))
        staying, leaving = enter(path=f"{D}/push"), enter(path=f"{D}/push")
        copied = leaving.context.cookies()
        sign_out(leaving)
        link, late = (make_link(seals, district.origin, district.keys[ANN]) for _ in range(2))
        used = browser.new_context(locale="en-US").new_page()
        used.goto(link)
        expect(used.get_by_role("heading", level=1)).to_have_text("Push Notifications")
        used.context.close()
    with another_console(district, "other.toml", port=port):
        staying.reload()
        expect(staying.get_by_role("heading", level=1)).to_have_text("Push Notifications")
        leaving.context.add_cookies(copied)
        leaving.goto(f"{district.origin}{D}/push")
        expect(leaving.get_by_role("heading", level=1)).to_have_text(SIGN_IN)
        for address, heading in ((link, SIGN_IN), (late, "Push Notifications")):
            leaving.goto(address)
            expect(leaving.get_by_role("heading", level=1)).to_have_text(heading)


def test_the_console_speaks_tls_itself_and_its_cookies_are_secure(
    enter: Enter, district: World
) -> None:
    authority = Authority.create()
    pem = authority.server()
    folder = district.console.parent
    (folder / "own.pem").write_bytes(pem.certificate)
    (folder / "own-key.pem").write_bytes(pem.key)
    files = (
        (name, json.dumps(str(folder / file)))
        for name, file in (("certificate_file", "own.pem"), ("key_file", "own-key.pem"))
    )
    tls = "[tls]\n" + "".join(f"{name} = {file}\n" for name, file in files)
    with another_console(district, "secure.toml", more=tls):
        page = enter(path=f"{D}/push", ignore_https_errors=True)
        expect(page.get_by_role("heading", level=1)).to_have_text("Push Notifications")
        page.locator(".account summary").click()
        page.get_by_role("button", name="Dark").click()
        expect(page.locator("html")).to_have_attribute("data-theme", "dark")
        cookies = {str(one["name"]): one for one in page.context.cookies()}
        assert cookies.keys() == {"__Host-schoolbell", "theme"}
        assert all(one.get("secure") and one.get("httpOnly") for one in cookies.values())
        place = urlsplit(district.origin)
        context = ssl.create_default_context(cadata=authority.pem.certificate.decode())
        secure = http.client.HTTPSConnection(place.netloc, timeout=20, context=context)
        secure.request("GET", "/sign-in")
        assert secure.getresponse().headers["Strict-Transport-Security"]
        secure.close()
        with socket.create_connection((str(place.hostname), place.port or 0), timeout=20) as plain:
            plain.sendall(b"GET /sign-in HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert not plain.recv(1000).startswith(b"HTTP/")
        assert district.link().startswith("https://")
        renew_certificate(district, authority, page)


def test_one_of_several_districts_is_chosen(enter: Enter, district: World) -> None:
    with second_district(district):
        both = access.ApiKey(
            display_name="both", role=access.ROLE_MONITOR, district_ids=[DISTRICT, OTHER]
        )
        district.keys["both"] = district.key(both)
        for name, place in (("both", "live"), ("operator", "push")):
            page = enter(name, f"{D}/{place}", viewport={"width": 320, "height": 640})
            page.locator(".pick summary", has_text="Sample District").click()
            assert page.evaluate("document.documentElement.scrollWidth") <= 320
            page.get_by_role("link", name="Oak Hollow").click()
            expect(page).to_have_url(f"{district.origin}/d/{OTHER}/{place}")
            expect(page.locator(".pick summary", has_text="Oak Hollow")).to_be_visible()
        expect(page.get_by_label("Enable Push Notifications")).not_to_be_checked()
        alone = enter(path=f"{D}/push")
        expect(alone.locator(".pick-one")).to_have_text("Sample District")
        alone.goto(f"{district.origin}/d/{OTHER}/push")
        expect(alone.get_by_role("heading", level=1)).to_have_text("There is no such page")


@pytest.fixture
def open_page(browser: Browser) -> Iterator[Page]:
    """Return a page where nobody is signed in."""
    context = browser.new_context(locale="en-US")
    yield context.new_page()
    context.close()


def sign_in(page: Page, world: World, name: str = ANN) -> None:
    """Sign in on the page that asks for it."""
    page.get_by_label("API key").fill(world.keys[name])
    page.get_by_role("button", name="Sign in").click()


def sign_out(page: Page) -> None:
    """Sign out by the menu of a page."""
    page.locator(".account summary").click()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("status")).to_have_text("You are signed out.")


def entry_count(world: World) -> int:
    """Return how many entries the audit log has."""
    request = access.VerifyAuditLogRequest(district_id=DISTRICT)
    return int(world.ask(access.ROLE_OPERATOR, "access", "VerifyAuditLog", request).entry_count)


def renew_certificate(world: World, authority: Authority, page: Page) -> None:
    """Renew the certificate of a console: half of the pair changes nothing, the whole all."""
    folder, log = world.console.parent, world.console.with_suffix(".log")
    place = urlsplit(world.origin)
    address = (str(place.hostname), place.port or 0)
    before, renewed = ssl.get_server_certificate(address), authority.server()
    (folder / "own.pem").write_bytes(renewed.certificate)
    until(lambda: b"the certificate in use stays in use" in log.read_bytes())
    assert ssl.get_server_certificate(address) == before
    (folder / "own-key.pem").write_bytes(renewed.key)
    until(lambda: ssl.get_server_certificate(address) != before)
    now = x509.load_pem_x509_certificate(ssl.get_server_certificate(address).encode())
    assert now == x509.load_pem_x509_certificates(renewed.certificate)[0]
    page.reload()
    expect(page.get_by_role("heading", level=1)).to_have_text("Push Notifications")


@contextmanager
def another_console(
    world: World, name: str, *, port: int | None = None, more: str = ""
) -> Iterator[None]:
    """Serve another console to a world, which becomes its own while the context lasts."""
    old = (world.origin, world.console)
    try:
        with serving(world, old[1].with_name(name), port=port, more=more):
            yield
    finally:
        world.origin, world.console = old


@contextmanager
def second_district(world: World) -> Iterator[None]:
    """Let there be another district while the context lasts."""
    create = districts.CreateDistrictRequest(
        district_id=OTHER,
        district=districts.District(display_name="Oak Hollow", time_zone="America/Denver"),
    )
    world.ask(access.ROLE_OPERATOR, "districts", "CreateDistrict", create)
    try:
        yield
    finally:
        delete = districts.DeleteDistrictRequest(district_id=OTHER, confirm_district_id=OTHER)
        world.ask(access.ROLE_OPERATOR, "districts", "DeleteDistrict", delete)
