"""What a page bears: a service that goes and comes back, and a thousand updates a second."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from tests.console.conftest import Enter
from tests.console.every_page import all_fetched, cookies, every_page
from tests.console.happening import publish_grades
from tests.console.outages import killed, stopped
from tests.console.world import World

D = "/d/sample-district"
MEASURE = """
async (act) => {
  const frames = [];
  let last = performance.now();
  let going = true;
  const watch = () => {
    const now = performance.now();
    frames.push(now - last);
    last = now;
    if (going) setTimeout(watch, 0);
  };
  watch();
  for (let step = 0; step < 20; step += 1) {
    if (act) window.receive(step);
    await new Promise((go) => setTimeout(go, 50));
  }
  going = false;
  return Math.max(...frames.slice(1));
}
"""
RECEIVE = """
() => {
  const kinds = ["assignment", "grade", "attendance", "lunch-balance"];
  let number = 0;
  window.receive = (step) => {
    const rows = Array.from({ length: 40 }, () => ({
      id: `delivery-${(number += 1)}`, time: "8:00:00", kind: "grade", kind_text: "Grade",
      state: "accepted", state_text: "Accepted", student: "s1", user: "g1", provider: "Apple",
    }));
    const each = Object.fromEntries(kinds.map((kind) => [kind, 250 + (step % 7)]));
    const data = JSON.stringify({
      away: false, kinds: each, providers: { apns: 500, fcm: 500 }, outcomes: { accepted: 1000 },
      latency: [12, 40], rows, state: null,
    });
    source.onmessage({ data });
  };
}
"""


def test_a_thousand_updates_a_second_do_not_freeze_the_page_or_fill_its_heap(
    enter: Enter, played: World
) -> None:
    """What a second sums up comes twenty times as often as it ever does."""
    page = enter(path=f"{D}/live")
    expect(page.locator("#rows tr").first).to_be_visible()
    page.evaluate(RECEIVE)
    idle = page.evaluate(MEASURE, False)
    busy = page.evaluate(MEASURE, True)
    assert busy < 20 * max(idle, 16), (busy, idle)
    page.evaluate("for (let step = 0; step < 300; step += 1) receive(step)")
    before = heap(page)
    page.evaluate("for (let step = 0; step < 1000; step += 1) receive(step)")
    assert heap(page) < before * 1.25 + 1_000_000


def test_the_pages_say_that_the_service_is_gone_and_come_back(enter: Enter, played: World) -> None:
    live, push, late = enter(path=f"{D}/live"), enter(path=f"{D}/push"), enter(path=f"{D}/push")
    expect(live.locator("#rows tr").first).to_be_visible()
    with stopped(played):
        late.goto(f"{played.origin}{D}/push", wait_until="commit", timeout=60_000)
        expect(late.locator("[data-come-back]")).to_be_visible(timeout=60_000)
        expect(push.get_by_role("alert").first).to_be_visible(timeout=60_000)
    expect(late.get_by_role("heading", level=1)).to_have_text("Push Notifications", timeout=60_000)
    expect(push.locator("#away")).to_be_hidden(timeout=60_000)
    publish_grades(played, "back", 2)
    expect(live.locator('[data-outcome="accepted"]')).not_to_have_text("0", timeout=60_000)
    expect(live.locator('[data-note="lost"]')).to_be_hidden(timeout=60_000)


def test_a_server_that_is_killed_and_started_again_is_told_and_found_again(
    enter: Enter, played: World
) -> None:
    live, push, late = enter(path=f"{D}/live"), enter(path=f"{D}/push"), enter(path=f"{D}/push")
    expect(live.locator("#rows tr").first).to_be_visible()
    paths = every_page(played).values()
    with killed(played):
        expect(live.locator('[data-note="lost"]')).to_be_visible(timeout=60_000)
        expect(push.locator("#away")).to_be_visible(timeout=60_000)
        late.reload()
        expect(late.locator("[data-come-back]")).to_be_visible(timeout=60_000)
        for path, answer in zip(paths, all_fetched(played, paths, cookies(late)), strict=True):
            assert answer.status in (503, 504) and "data-come-back" in answer.text, path
    for page in (push, late):
        expect(page.locator("#away")).to_be_hidden(timeout=60_000)
        expect(page.get_by_label("Enable Push Notifications")).to_be_checked(timeout=60_000)
    expect(live.locator('[data-note="lost"]')).to_be_hidden(timeout=60_000)
    publish_grades(played, "risen", 2)
    expect(live.locator("#rows tr").filter(has_text="Accepted").first).to_be_visible()
    expect(live.locator('[data-outcome="accepted"]')).not_to_have_text("0", timeout=60_000)


def heap(page: Page) -> int:
    """Return how much a page's scripts hold, in bytes, once nothing more can be let go."""
    session = page.context.new_cdp_session(page)
    session.send("HeapProfiler.collectGarbage")
    size = int(session.send("Runtime.getHeapUsage")["usedSize"])
    session.detach()
    return size
