"""Pictures of every page for the documents, and what holds for every page in both schemes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from schoolbell_server.demo.stage import DISTRICT
from tests.console.conftest import PICTURED, Enter
from tests.console.every_page import every_page
from tests.console.happening import happen
from tests.console.world import World

D = f"/d/{DISTRICT}"
SQUEEZED = """
() => [...document.querySelectorAll("main :is(th, td, dt, dd, p, label, legend, h1, h2, a)")]
  .filter((one) => {
    const { width, height } = one.getBoundingClientRect();
    const line = parseFloat(getComputedStyle(one).fontSize) * 1.6;
    return one.innerText?.trim() && width < 48 && height > 3 * line;
  })
  .map((one) => one.innerText)
"""
"""Finds texts with room for a few letters a line only."""
_FOUND = {"resultTypes": ["violations"]}  # so that it does not describe all that is right
COLORS = {**_FOUND, "runOnly": ["color-contrast"]}
RULES = {
    **_FOUND,
    "runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
}


def test_every_page_looks_right(enter: Enter, played: World, pictures: Path) -> None:
    """Axe-core finds nothing in either scheme, and nothing is too wide; pictures on demand."""
    pictures.mkdir(exist_ok=True)
    page = enter()
    for name, path in every_page(played).items():
        page.set_viewport_size({"width": 1280, "height": 800})
        page.goto(played.origin + path)
        settle(page)
        if name == "live":
            let_happen(page, played, 16 if PICTURED else 2)
        if PICTURED:
            page.screenshot(path=pictures / f"{name}.png")
        unfold(page)
        check_states(page, name)


def test_every_page_fits_a_narrow_phone_in_spanish(enter: Enter, played: World) -> None:
    page = enter(locale="es-MX")
    for name, path in every_page(played).items():
        page.goto(played.origin + path)
        settle(page)
        unfold(page)
        expect(page.locator("html")).to_have_attribute("lang", "es")
        check_narrow(page, name)


def test_what_a_page_turns_into_is_as_accessible(enter: Enter, played: World) -> None:
    """Refusals, what is found, and forms that were sent back with what is wrong in them."""
    page, clerk = enter(path=f"{D}/push"), enter("clerk", f"{D}/why")
    page.get_by_text("More settings").click()
    page.get_by_label("Wait before sending, Grade").fill("61")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("A number from 0 to 60")).to_be_visible()
    check_states(page, "wrong number")
    page.goto(f"{played.origin}{D}/no-such-page")
    check_states(page, "no such page")
    clerk.get_by_label("Name or id").fill("Bake")
    clerk.get_by_role("button", name="Search").click()
    expect(clerk.get_by_role("link", name="Emma Baker")).to_be_visible()
    check_states(clerk, "found")
    clerk.goto(f"{played.origin}{D}/push")
    check_states(clerk, "no right")


def check_states(page: Page, name: str) -> None:
    """Check what axe-core finds in both schemes, and how wide a page is on a narrow phone."""
    assert not violations(page, RULES), name
    page.emulate_media(color_scheme="dark")  # which changes colors and nothing else
    assert not violations(page, COLORS), name
    page.emulate_media(color_scheme="light")
    check_narrow(page, name)


def check_narrow(page: Page, name: str) -> None:
    """Check that a page is no wider than a narrow phone."""
    page.set_viewport_size({"width": 320, "height": 640})
    wide = page.evaluate("document.documentElement.scrollWidth")
    assert wide <= 320, (name, wide)
    assert not page.evaluate(SQUEEZED), name


def let_happen(page: Page, played: World, seconds: int) -> None:
    """Let some seconds of school life pass while a page watches."""
    for second in range(seconds):
        happen(played, f"second-{second}", (3, 7, 12, 6, 2, 9, 14)[second % 7])
        page.wait_for_function(
            "count => kinds.values[1].filter((one) => one > 0).length > count", arg=second // 2
        )


def violations(page: Page, rules: dict[str, Any]) -> list[tuple[str, Any]]:
    """Return what axe-core finds: the rule, and where."""
    found = Axe().run(page, options=rules).response["violations"]
    return [(one["id"], [node["html"][:200] for node in one["nodes"]]) for one in found]


def unfold(page: Page) -> None:
    """Open whatever is folded, so that it is looked at too."""
    page.evaluate("for (const one of document.querySelectorAll('main details')) one.open = true")


def settle(page: Page) -> None:
    """Wait until a page shows what it is about to."""
    page.wait_for_load_state()
    expect(page.locator("[data-waiting]")).to_have_count(0)
