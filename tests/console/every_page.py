"""The addresses of every page of the sample district, and pages as programs ask for them."""

from __future__ import annotations

import http.client
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from urllib.parse import urlsplit

from playwright.sync_api import Page

from schoolbell.v1 import access_service_pb2 as access
from schoolbell.v1.status_service_pb2 import ListDeliveriesRequest
from schoolbell_server.demo.stage import DISTRICT
from tests.console.world import World

_D = f"/d/{DISTRICT}"
_PATIENCE = 60.0  # seconds
_PAGES = {
    "push": f"{_D}/push",
    "live": f"{_D}/live",
    "why": f"{_D}/why",
    "stop": f"{_D}/stop?kind=3",
    "undelivered": f"{_D}/undelivered",
    "display": f"{_D}/display",
    "calendar": f"{_D}/display/calendar?id=maple-high:2027",
    "defaults": f"{_D}/push/defaults",
    "bars": f"{_D}/bars",
    "imports": f"{_D}/imports",
    "import": f"{_D}/import?id=first",
    "access": f"{_D}/access",
    "audit": f"{_D}/audit",
    "data": f"{_D}/data?id=g5001",
    "find": f"{_D}/person",
    "person": f"{_D}/person/of?id=g5001",
    "why-change": f"{_D}/why/change?source=maple-sis&id=picture&person=g5028",
    "why-person": f"{_D}/why/person?id=s1001",
}


@dataclass(frozen=True)
class Answer:
    """What a console answers to one request."""

    status: int
    location: str
    text: str


def every_page(world: World) -> dict[str, str]:
    """Return the path of every page by its name, once the sample day was played."""
    request = ListDeliveriesRequest(district_id=DISTRICT, page_size=1)
    answer = world.ask(access.ROLE_ADMINISTRATOR, "status", "ListDeliveries", request)
    return {**_PAGES, "delivery": f"{_D}/delivery?id={answer.deliveries[0].delivery_id}"}


def cookies(page: Page) -> str:
    """Return the cookies of a page as a header."""
    return "; ".join(f"{one['name']}={one['value']}" for one in page.context.cookies())


def fetched(world: World, path: str, cookie: str = "") -> Answer:
    """Return the answer to a request as a browser sends it, in English."""
    connection = http.client.HTTPConnection(urlsplit(world.origin).netloc, timeout=_PATIENCE)
    try:
        connection.request("GET", path, headers={"Cookie": cookie, "Accept-Language": "en"})
        found = connection.getresponse()
        return Answer(found.status, found.headers.get("Location", ""), found.read().decode())
    finally:
        connection.close()


def all_fetched(world: World, paths: Iterable[str], cookie: str) -> list[Answer]:
    """Return the answers to requests, some of which are sent at once."""
    with ThreadPoolExecutor(8) as pool:
        return list(pool.map(lambda path: fetched(world, path, cookie), paths))
