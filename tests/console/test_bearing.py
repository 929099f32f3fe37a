"""What a page bears: a service that goes and comes back, and a thousand updates a second."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager

import psutil
from playwright.sync_api import Page, expect

from tests.console.conftest import Enter
from tests.console.happening import publish_grades
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


@contextmanager
def stopped(world: World) -> Iterator[None]:
    """Stop the server's process, as a machine that hangs does, while the context lasts."""
    config = str(world.stage.folder / "schoolbell.toml")
    children = psutil.Process().children(recursive=True)
    (server,) = [one for one in children if "serve" in one.cmdline() and config in one.cmdline()]
    os.kill(server.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(server.pid, signal.SIGCONT)


def heap(page: Page) -> int:
    """Return how much a page's scripts hold, in bytes, once nothing more can be let go."""
    session = page.context.new_cdp_session(page)
    session.send("HeapProfiler.collectGarbage")
    size = int(session.send("Runtime.getHeapUsage")["usedSize"])
    session.detach()
    return size
