"""The page Why?: from a name to the rules that a change met, then and now."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.console.conftest import Enter
from tests.console.happening import grade, publish
from tests.console.world import World

WHY = "/d/sample-district/why"
UNTOLD = ("s1023", "g5028")
"""A student, and a grandmother without the portal flag."""


def test_a_name_leads_to_the_rules_that_a_change_met(enter: Enter, played: World) -> None:
    publish(played, grade("why-quiz", 48))
    page = enter("clerk")
    expect(page).to_have_url(f"{played.origin}{WHY}")
    page.get_by_label("Name or id").fill("Bake")
    page.get_by_role("button", name="Search").click()
    expect(page.get_by_role("link", name="Emma Baker")).to_be_visible()
    assert "Bake" not in page.url
    page.reload()
    expect(page.get_by_label("Name or id")).to_have_value("Bake")
    page.get_by_role("link", name="Emma Baker").click()
    expect(page.get_by_role("heading", name="Guardians")).to_be_visible()
    row = page.get_by_role("row").filter(has_text="why-quiz")
    expect(row).to_contain_text("48%")
    page.get_by_role("link", name="Robert Baker").click()
    row = page.get_by_role("row").filter(has_text="why-quiz")
    row.get_by_role("link").click()
    expect(page.get_by_role("heading", name="Grade")).to_be_visible()
    related = page.get_by_role("row").filter(has_text="The person may see the student")
    expect(related).to_contain_text("Passed")
    expect(related).to_contain_text("Passes")
    expect(page.get_by_role("button", name="Print")).to_be_visible()
    page.emulate_media(media="print")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    expect(related).to_be_visible()
    for shown_only in (page.get_by_role("navigation").first, page.locator("header.bar")):
        expect(shown_only).to_be_hidden()
    assert page.locator("main details.more:not([open])").count() == 0


def test_who_was_not_told_reads_what_would_change_it(enter: Enter, played: World) -> None:
    publish(played, grade("why-untold", 51, UNTOLD[0]))
    page = enter("clerk", f"{WHY}/person?id={UNTOLD[1]}")
    row = page.get_by_role("row").filter(has_text="why-untold")
    expect(row).to_contain_text("Not told")
    row.get_by_role("link").click()
    advice = page.locator("section").filter(has_text="What would change the answer")
    expect(advice.first).to_contain_text("Tick Portal")
    stopped = page.get_by_role("row").filter(has_text="The person may see the student")
    expect(stopped).to_contain_text("Stopped here")
    expect(stopped).to_contain_text("Stops")


def test_the_summary_is_in_the_language_of_the_reader(enter: Enter, played: World) -> None:
    publish(played, grade("why-spanish", 49))
    address = f"{WHY}/change?source=maple-sis&id=why-spanish"
    english = enter("clerk", address.replace("&", "%26"))
    expect(english.locator(".answer").first).to_contain_text("Accepted on")
    spanish = enter("clerk", address.replace("&", "%26"), locale="es-MX")
    expect(spanish.locator(".answer").first).not_to_contain_text("Accepted on")


def test_nobody_is_found_politely(enter: Enter, played: World) -> None:
    page = enter("clerk", WHY)
    page.get_by_label("Name or id").fill("Zzyzx")
    page.get_by_role("button", name="Search").click()
    expect(page.get_by_text("Nobody was found")).to_be_visible()
