"""Pictures of every page for the documents, and what holds for every page in both schemes."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.console.conftest import Enter
from tests.console.happening import happen
from tests.console.world import World

D = "/d/sample-district"
PAGES = {
    "push": f"{D}/push",
    "live": f"{D}/live",
    "why": f"{D}/why",
    "stop": f"{D}/stop?kind=3",
    "undelivered": f"{D}/undelivered",
    "display": f"{D}/display",
    "imports": f"{D}/imports",
    "import": f"{D}/import?id=first",
    "access": f"{D}/access",
    "audit": f"{D}/audit",
    "data": f"{D}/data?id=g5001",
    "person": f"{D}/person/of?id=g5001",
    "why-person": f"{D}/why/person?id=s1001",
}
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
_RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}


def test_every_page_has_its_picture(enter: Enter, played: World, pictures: Path) -> None:
    pictures.mkdir(exist_ok=True)
    page = enter(viewport={"width": 1280, "height": 800})
    for name, path in PAGES.items():
        page.goto(played.origin + path)
        settle(page)
        if name == "live":
            let_happen(page, played)
        page.screenshot(path=pictures / f"{name}.png")


def test_axe_finds_nothing_in_either_scheme(enter: Enter, played: World) -> None:
    page = enter()
    for name, path in PAGES.items():
        page.goto(played.origin + path)
        settle(page)
        unfold(page)
        for scheme in SCHEMES:
            page.emulate_media(color_scheme=scheme)
            found = violations(page)
            assert not found, (name, scheme, found)


@pytest.mark.parametrize("language", ["en-US", "es-MX"])
def test_nothing_is_wider_than_a_narrow_phone(enter: Enter, played: World, language: str) -> None:
    page = enter(viewport={"width": 320, "height": 640}, locale=language)
    for name, path in PAGES.items():
        page.goto(played.origin + path)
        settle(page)
        unfold(page)
        wide = page.evaluate("document.documentElement.scrollWidth")
        assert wide <= 320, (name, wide)
        expect(page.locator("html")).to_have_attribute("lang", language[:2])


def violations(page: Page) -> list[tuple[str, Any]]:
    """Return what axe-core finds: the rule, and where."""
    found = Axe().run(page, options=_RULES).response["violations"]
    return [(one["id"], [node["html"][:200] for node in one["nodes"]]) for one in found]


def unfold(page: Page) -> None:
    """Open whatever is folded, so that it is looked at too."""
    page.evaluate("for (const one of document.querySelectorAll('main details')) one.open = true")


def settle(page: Page) -> None:
    """Wait until a page shows what it is about to."""
    page.wait_for_load_state()
    expect(page.locator("[data-waiting]")).to_have_count(0)


def let_happen(page: Page, played: World) -> None:
    """Let some seconds of school life pass while a page watches."""
    for second in range(24):
        happen(played, f"second-{second}", (3, 7, 12, 6, 2, 9, 14)[second % 7])
        page.wait_for_function(
            "count => kinds.values[1].filter((one) => one > 0).length > count", arg=second // 2
        )
