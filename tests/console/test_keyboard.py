"""By keyboard alone: from signing in to what is saved, and out again."""

from __future__ import annotations

from playwright.sync_api import Browser, Page, expect

from tests.console.conftest import Enter
from tests.console.every_page import every_page
from tests.console.test_looks import settle, unfold
from tests.console.world import ANN, World

_MOST = 60
WATCH_FOCUS = """
() => {
  const all = "a[href], button, input, select, textarea, summary, [tabindex]";
  const offered = () => [...document.querySelectorAll(all)].filter((one) =>
    one.checkVisibility() && !one.disabled && one.tabIndex >= 0 && one.type !== "hidden");
  const seen = new Set();
  window.unseen = [];
  document.activeElement?.blur();
  addEventListener("focusin", ({ target }) => {
    seen.add(target.outerHTML);
    const { outlineStyle, outlineWidth } = getComputedStyle(target);
    if (outlineStyle === "none" || outlineWidth === "0px") unseen.push(target.outerHTML);
  });
  const had = (one) => seen.has(one.outerHTML);
  const isSeen = (one) => had(one) ||
    (one.type === "radio" && [...one.form.elements[one.name]].some(had));
  window.missed = () => offered().filter((one) => !isSeen(one)).map((one) => one.outerHTML);
  return offered().length;
}
"""
"""Notes what has the focus, and whether it shows; `missed()` is what never had it.

Of a group of radio buttons one has it; the arrows go through the others."""
ONLY_BY_MOUSE = """
() => [...document.querySelectorAll("main *")]
  .filter((one) => getComputedStyle(one).cursor === "pointer" &&
    !one.closest("a[href], button, input, select, textarea, summary, label"))
  .map((one) => one.outerHTML.slice(0, 200))
"""
"""Finds what looks as if it could be clicked and is nothing that a keyboard operates."""


def test_the_settings_are_reached_saved_and_left_by_keyboard(
    browser: Browser, district: World
) -> None:
    context = browser.new_context(locale="en-US", viewport={"width": 1280, "height": 800})
    page = context.new_page()
    page.goto(f"{district.origin}/sign-in?next=/d/sample-district/data")
    tab_to(page, "key")
    page.keyboard.type(district.keys[ANN])
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_contain_text("data")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()
    page.reload()
    tab_to_text(page, "Push Notifications")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Push Notifications")
    tab_to(page, "enabled")
    page.keyboard.press("Space")
    expect(page.locator("#enabled")).not_to_be_checked()
    tab_to_text(page, "More settings")
    page.keyboard.press("Enter")
    tab_to(page, "hold-2")
    tab_to_text(page, "Save")
    page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_have_text("Saved. Push notifications are off.")
    tab_to(page, "enabled")
    page.keyboard.press("Space")
    page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_have_text("Saved. Push notifications are on.")
    tab_to_text(page, "principal")
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Sign out")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Sign out")).to_be_hidden()
    page.keyboard.press("Enter")
    tab_to_text(page, "Dark")
    page.keyboard.press("Enter")
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    tab_to_text(page, "principal")
    page.keyboard.press("Enter")
    tab_to_text(page, "Español")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Notificaciones push")
    context.close()


def test_whatever_a_page_offers_is_reached_by_tab_and_shows_that_it_is(
    enter: Enter, played: World
) -> None:
    """Each is a native element or named as one, so that Enter and Space do what a click does."""
    page = enter()
    for name, path in every_page(played).items():
        page.goto(played.origin + path)
        settle(page)
        unfold(page)
        if name == "live":  # whose rows change while they are gone through
            page.get_by_role("button", name="Pause").press("Enter")
        count = int(page.evaluate(WATCH_FOCUS))
        parts = 7 * page.locator("main input[type^=date]").count()  # month, day and so on
        for _ in range(count + parts + 5):
            page.keyboard.press("Tab")
        assert page.evaluate("missed()") == [], name
        assert page.evaluate("unseen") == [], name
        assert page.evaluate(ONLY_BY_MOUSE) == [], name


def tab_to(page: Page, name: str) -> None:
    """Press Tab until the element of an id has the focus."""
    _tab(page, f"document.activeElement.id === {name!r}")


def tab_to_text(page: Page, text: str) -> None:
    """Press Tab until the focus is on what says a text."""
    _tab(page, f"document.activeElement.textContent.trim() === {text!r}")


def _tab(page: Page, is_there: str) -> None:
    for _ in range(_MOST):
        page.keyboard.press("Tab")
        if page.evaluate(is_there):
            return
    raise AssertionError(f"the focus never comes to where {is_there}")
