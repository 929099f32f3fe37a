"""What overwhelms: forms of many fields, readers who never read, and lists without an end."""

from __future__ import annotations

import http.client
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlencode, urlsplit

from aiohttp import web
from playwright.sync_api import Page, expect

from schoolbell.v1 import access_service_pb2 as access
from schoolbell_console.app import make_app
from schoolbell_console.config import load
from schoolbell_console.pages.live import STREAMS, Streams
from schoolbell_server.demo.stage import DISTRICT
from tests.console.conftest import Enter
from tests.console.every_page import cookies
from tests.console.happening import grade, publish
from tests.console.world import World, until
from tests.service.ports import free_port

D = f"/d/{DISTRICT}"
LISTS = [
    f"{D}/undelivered?page=",
    f"{D}/why/person?id=s1001&page=",
    f"{D}/imports?page=",
    f"{D}/audit?page=",
    f"{D}/bars?page=",
    f"{D}/display?page=",
    f"{D}/display?calendars=",
    f"{D}/access?keys=",
    f"{D}/access?rights=",
]
FORM = "application/x-www-form-urlencoded"


def test_a_form_of_very_many_fields_or_of_another_sort_is_refused(
    enter: Enter, district: World
) -> None:
    page = enter(path=f"{D}/push")
    token = page.locator("main input[name=token]").get_attribute("value") or ""
    good = urlencode({"token": token, "language": "en", "next": "/"})
    for status, sort, body in (
        (303, FORM, good),
        (413, FORM, good + "&a=1" * 100_000),
        (413, FORM, good + "&" * 100_000),
        (413, FORM, good + "&b=" + "b" * 600_000),
        (400, f"{FORM}; charset=no-such", good),
        (400, f"{FORM}; charset=ascii", good + "&c=\u00e9"),
        (
            415,
            "multipart/form-data; boundary=x",
            '--x\r\nContent-Disposition: form-data; name="a"; '
            'filename="a"\r\n\r\n1\r\n' * 5000 + "--x--",
        ),
        (415, "text/plain", good),
        (415, "application/json", "{}"),
    ):
        assert sent(page, district, sort, body.encode()) == status, (sort, body[-40:])
    page.reload()
    expect(page.get_by_role("heading", level=1)).to_have_text("Push Notifications")


def test_a_reader_who_never_reads_is_let_go_and_one_session_has_so_many_streams(
    enter: Enter, played: World
) -> None:
    cookie = cookies(enter(path=f"{D}/push"))
    with console_here(played) as (port, streams):
        streams.tick, streams.patience = 0.001, 0.5
        with socket.socket() as reader:
            reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            reader.connect(("127.0.0.1", port))
            ask(reader, cookie)
            until(lambda: streams.open.total() == 1)
            until(lambda: streams.open.total() == 0)
        streams.tick, streams.patience = 1.0, 20.0
        readers = [socket.create_connection(("127.0.0.1", port), timeout=20) for _ in range(21)]
        for reader in readers:
            ask(reader, cookie)
        first = sorted(reader.recv(12) for reader in readers)
        assert first == [b"HTTP/1.1 200"] * 20 + [b"HTTP/1.1 503"]
        for reader in readers:
            reader.close()
        until(lambda: not streams.open)


def test_a_list_without_an_end_is_read_page_by_page(enter: Enter, played: World) -> None:
    publish(played, *(grade(f"page-{number}", 50, "s1017") for number in range(45)))
    page = enter("clerk", f"{D}/why/person?id=s1017")
    seen: list[str] = []
    while True:
        seen += page.locator("table .help").all_inner_texts()
        older = page.get_by_role("link", name="Older")
        if not older.count():
            break
        address = page.url
        older.click()
        page.wait_for_url(lambda url, before=address: url != before)
    names = [one.split(" \u00b7 ")[1] for one in seen if "page-" in one]
    assert sorted(names) == sorted(f"page-{number}" for number in range(45))
    rights = [
        access.ToolRight(
            grantee_type=access.GRANTEE_TYPE_USER,
            grantee_id=f"many-{number:04}",
            tool=access.TOOL_EXPLANATIONS,
            right=access.RIGHT_READ,
        )
        for number in range(150)
    ]
    for some in (rights[:75], rights[75:]):
        request = access.GrantRightsRequest(district_id=DISTRICT, rights=some)
        played.ask(access.ROLE_OPERATOR, "access", "GrantRights", request)
    administrator = enter(path=f"{D}/access")
    assert administrator.get_by_role("row").filter(has_text="many-").count() <= 100
    administrator.get_by_role("link", name="More", exact=True).click()
    expect(administrator.get_by_role("row").filter(has_text="many-0149")).to_be_visible()
    for some in (rights[:75], rights[75:]):
        taken = access.RevokeRightsRequest(district_id=DISTRICT, rights=some)
        played.ask(access.ROLE_OPERATOR, "access", "RevokeRights", taken)


def test_a_page_of_a_list_that_there_is_not_is_refused_politely(
    enter: Enter, district: World
) -> None:
    headers = {"Cookie": cookies(enter())}
    for path in LISTS:
        for token in ("nonsense", "%00", "A" * 4000, "%F0%9F%94%94", "-1"):
            connection = http.client.HTTPConnection(urlsplit(district.origin).netloc, timeout=20)
            connection.request("GET", path + token, headers=headers)
            answer = connection.getresponse()
            assert answer.status == 400, (path, token[:20])
            assert b"<h1>This could not be understood</h1>" in answer.read()
            connection.close()


def sent(page: Page, world: World, sort: str, body: bytes) -> int:
    """Return the status of a body that is sent to a form of a page that is signed in."""
    connection = http.client.HTTPConnection(urlsplit(world.origin).netloc, timeout=20)
    headers = {"Content-Type": sort, "Origin": world.origin, "Cookie": cookies(page)}
    try:
        connection.request("POST", "/choose", body, headers)
        return connection.getresponse().status
    finally:
        connection.close()


def ask(reader: socket.socket, cookie: str) -> None:
    """Ask for a stream."""
    lines = (f"GET {D}/live/events HTTP/1.1", "Host: localhost", f"Cookie: {cookie}", "", "")
    reader.sendall("\r\n".join(lines).encode())


@contextmanager
def console_here(world: World) -> Iterator[tuple[int, Streams]]:
    """Serve the console in this process while the context lasts: its port, and its streams."""
    app, port = make_app(load(world.console)), free_port()
    runner = web.AppRunner(app, shutdown_timeout=1.0)

    async def start() -> None:
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port).start()

    world.run(start())
    try:
        yield port, app[STREAMS]
    finally:
        world.run(runner.cleanup())
