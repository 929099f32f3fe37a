"""What others try: foreign forms, stolen cookies, links used twice, and hostile names."""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote, urlencode, urlsplit

from click.testing import CliRunner
from playwright.sync_api import Browser, Page, expect

from schoolbell.v1 import access_service_pb2 as access
from schoolbell.v1 import roster_pb2, roster_service_pb2
from schoolbell_console.main import main
from schoolbell_console.pages import ROUTES
from schoolbell_server.demo.stage import DISTRICT
from tests.console.conftest import Enter
from tests.console.every_page import every_page
from tests.console.happening import SOURCE, grade, publish
from tests.console.world import ANN, World

D = f"/d/{DISTRICT}"
FORMS = [
    route.path.format(district=DISTRICT) for route in ROUTES if route.method not in ("GET", "HEAD")
]
DANGEROUS = "iframe, img, main script, [onload], [onerror]"
HOSTILE = [
    "<script>document.title='broken'</script>",
    "<img src=x onerror=\"document.title='broken'\">",
    "\"><svg onload=document.title='broken'>",
    "'-document.title='broken'-'",
    "{{ 7 * 7 }} ${7 * 7} {% raw %}",
    "javascript:document.title='broken'",
    "</title></textarea></style><iframe src=//example.org>",
    "\u202egnirts\u202c \u2066isolate",
    "e\u0301" * 40 + "\u200b\ufeff",
    "A" * 1000,
    "👩‍👩‍👧‍👦" * 30,
]


def test_a_form_of_another_origin_or_without_a_token_is_refused(
    enter: Enter, district: World
) -> None:
    page = enter(path=f"{D}/push")
    cookie = "; ".join(f"{one['name']}={one['value']}" for one in page.context.cookies())
    token = page.locator("main input[name=token]").get_attribute("value") or ""
    own, other = district.origin, "https://evil.example"
    assert f"{D}/push" in FORMS and "/sign-out" in FORMS
    for path in FORMS:
        for origin in ({"Origin": other}, {"Origin": "null"}, {}):
            assert posted(district, path, {"Cookie": cookie, **origin}, token) == 403, path
        for wrong in ("", "0" * 64):
            assert posted(district, path, {"Cookie": cookie, "Origin": own}, wrong) == 403, path
        stranger = 403 if path == "/sign-in" else 303  # to the page for signing in
        assert posted(district, path, {"Origin": own}, "0" * 64) == stranger, path
    page.reload()
    expect(page.get_by_role("heading", level=1)).to_have_text("Push Notifications")


def test_every_answer_has_the_strict_headers(district: World) -> None:
    for path in ("/", "/sign-in", "/static/console.css", "/no-such-page", f"{D}/push"):
        connection = http.client.HTTPConnection(urlsplit(district.origin).netloc, timeout=20)
        connection.request("GET", path)
        answer = connection.getresponse()
        answer.read()
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy and "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        connection.close()


def test_a_link_signs_in_once(browser: Browser, district: World) -> None:
    link = district.link()
    for expected in ("Push Notifications", "Sign in to the console"):
        context = browser.new_context(locale="en-US")
        page = context.new_page()
        page.goto(link)
        expect(page.get_by_role("heading", level=1)).to_have_text(expected)
        assert district.keys[ANN] not in page.content()
        context.close()


def test_a_copied_cookie_is_of_no_use_after_signing_out(enter: Enter, district: World) -> None:
    page = enter(path=f"{D}/push")
    cookies = page.context.cookies()
    assert all(one.get("httpOnly") and one.get("sameSite") == "Lax" for one in cookies)
    page.locator(".account summary").click()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("status")).to_have_text("You are signed out.")
    page.context.add_cookies(cookies)
    page.goto(f"{district.origin}{D}/push")
    expect(page.get_by_role("heading", level=1)).to_have_text("Sign in to the console")


def test_a_key_that_is_refused_and_another_site_after_signing_in(
    browser: Browser, district: World
) -> None:
    context = browser.new_context(locale="en-US")
    page = context.new_page()
    page.goto(f"{district.origin}/sign-in?next={quote('https://evil.example/')}")
    page.get_by_label("API key").fill("sb_wrong")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert").first).to_contain_text("does not know this key")
    page.goto(f"{district.origin}/sign-in?next={quote('//evil.example/')}")
    page.get_by_label("API key").fill(district.keys[ANN])
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Push Notifications")
    assert page.url.startswith(district.origin)
    context.close()


def test_a_hostile_name_changes_nothing(enter: Enter, played: World) -> None:
    page = enter("clerk", f"{D}/why", viewport={"width": 320, "height": 640})
    scripts = check(page)
    for number, name in enumerate(HOSTILE):
        rename(played, "g5003", name)
        publish(played, grade(f"hostile-{number}", 70, "s1002", name))
        for path in (
            f"{D}/why/person?id=g5003",
            f"{D}/why/change?source={SOURCE}&id=hostile-{number}",
        ):
            page.goto(played.origin + path)
            assert check(page) == scripts, name


def test_hostile_words_stay_in_their_place_on_every_page(enter: Enter, played: World) -> None:
    words = " ".join(HOSTILE)[:1000]
    rename(played, "g5003", words)
    bar = roster_service_pb2.SetBarRequest(
        district_id=DISTRICT, student_id="s1002", guardian_id="g5003", barred=True, comment=words
    )
    played.ask(access.ROLE_ADMINISTRATOR, "roster", "SetBar", bar)
    played.key(access.ApiKey(display_name=words[:100], role=access.ROLE_MONITOR))
    page = enter(viewport={"width": 320, "height": 640})
    own = {**every_page(played), "person": f"{D}/person/of?id=g5003", "data": f"{D}/data?id=g5003"}
    for name, path in {**own, "why-person": f"{D}/why/person?id=g5003"}.items():
        page.goto(played.origin + path)
        assert page.title().endswith("· Schoolbell"), name
        assert page.evaluate("document.documentElement.scrollWidth") <= 320, name
        assert page.locator(DANGEROUS).count() == 0, name
    bar.barred, bar.comment = False, "The test ends"
    played.ask(access.ROLE_ADMINISTRATOR, "roster", "SetBar", bar)


def test_no_name_of_a_person_is_in_a_log(enter: Enter, played: World) -> None:
    rename(played, "g5003", "Zebedee")
    page = enter("clerk", f"{D}/why")
    page.get_by_label("Name or id").fill("Zebedee")
    page.get_by_role("button", name="Search").click()
    page.get_by_role("link", name="Zebedee").click()
    page.goto(f"{played.origin}{D}/delivery?id=Zebedee")
    said = b"".join(one.read_bytes() for one in logs(played))
    assert b"Zebedee" not in said


def test_a_configuration_that_cannot_work_is_refused_in_a_sentence(tmp_path: Path) -> None:
    file = tmp_path / "console.toml"
    for text, said in (
        ('[console]\norigin = "http://console.example"', "must be https"),
        ('[console]\norigin = "https://a.example"\nidle_minutes = "5"', "idle_minutes"),
        ('[console]\norigin = "https://a.example"\ncolor = 1', "console.color is not a setting"),
        ("[console]", "origin"),
        ("nonsense", "is not TOML"),
    ):
        file.write_text(text)
        found = CliRunner().invoke(main, ["serve", "--config", str(file)])
        assert found.exit_code == 1
        assert said in found.output and "Traceback" not in found.output
    file.write_text(
        '[console]\norigin = "https://a.example"\nspent_file = "/dev/null/spent"\n'
        f"cookie_key_file = {json.dumps(str(tmp_path / 'cookie.key'))}"
    )
    command = [sys.executable, "-m", "schoolbell_console", "serve", "--config", str(file)]
    served = subprocess.run(command, capture_output=True, text=True, check=False)
    assert served.returncode == 1
    assert "console.spent_file" in served.stderr and "Traceback" not in served.stderr


def posted(world: World, path: str, headers: Mapping[str, str], token: str) -> int:
    """Return the status of a form that is sent without a browser."""
    connection = http.client.HTTPConnection(urlsplit(world.origin).netloc, timeout=20)
    body = urlencode({"token": token, "next": "/", "key": "sb_x"})
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    connection.request("POST", path, body, {**form, **headers})
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer.status


def rename(world: World, user_id: str, name: str) -> None:
    """Give a person another name."""
    user = roster_pb2.User(
        user_id=user_id, enabled=True, names=roster_pb2.PersonNames(given_name=name)
    )
    request = roster_service_pb2.UpsertRecordsRequest(
        district_id=DISTRICT, source=SOURCE, records=[roster_pb2.RosterRecord(user=user)]
    )
    world.ask(access.ROLE_PUBLISHER, "roster", "UpsertRecords", request)


def check(page: Page) -> int:
    """Return how many elements of danger a page has; it is titled and shaped as it should be."""
    expect(page).to_have_title("Why? · Schoolbell")
    assert page.evaluate("document.documentElement.scrollWidth") <= 320
    assert page.locator(DANGEROUS).count() == 0
    return int(page.locator("script").count())


def logs(world: World) -> list[Path]:
    """Return the logs of the console."""
    return list(world.console.parent.glob("console*.log"))
