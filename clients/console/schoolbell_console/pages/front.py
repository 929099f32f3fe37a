"""The way in: the first page of who is signed in, and what a person sets for the browser."""

from __future__ import annotations

from urllib.parse import urlsplit

from aiohttp import web

from schoolbell.errors import SchoolbellError
from schoolbell_console.districts import first_district, in_district
from schoolbell_console.guards import sign_in_again
from schoolbell_console.menu import places
from schoolbell_console.services import SERVICES
from schoolbell_console.session import SESSION
from schoolbell_console.texts import LANGUAGES
from schoolbell_console.visit import THEMES, Visit, look_of

_YEAR = 365 * 24 * 3600  # seconds


def local(address: str) -> str:
    """Return an address of this console, and no other: `/` in place of anything else."""
    # Browsers drop control characters and read a backslash as a slash.
    if any(letter <= " " or letter == "\\" for letter in address):
        return "/"
    parts = urlsplit(address)
    is_here = not parts.scheme and not parts.netloc and address.startswith("/")
    return address if is_here and not address.startswith("//") else "/"


async def begin(request: web.Request) -> web.StreamResponse:
    """Go to the first district; without one, say so."""
    session = request.get(SESSION)
    if session is None:
        return sign_in_again(request)
    client = request.app[SERVICES].calls.client(session.credential)
    if district_id := await first_district(client):
        raise web.HTTPSeeOther(f"/d/{district_id}")
    return look_of(request).page("trouble.html", {"name": "no-district", "values": {}})


async def first_page(visit: Visit) -> web.StreamResponse:
    """Go to the first page of a district that the person may see."""
    for group in places(visit.can).values():
        raise web.HTTPSeeOther(visit.url(group[0].name))
    return visit.page("no_right.html", 403, place="none")


async def choose(request: web.Request) -> web.StreamResponse:
    """Keep a language or a theme in a cookie, and go back."""
    form = await request.post()
    response = web.Response(status=303, headers={"Location": local(str(form.get("next", "/")))})
    for name, known in (("language", tuple(LANGUAGES)), ("theme", THEMES)):
        if (value := str(form.get(name, ""))) in known:
            secure = request.app[SERVICES].config.is_secure
            response.set_cookie(
                name, value, max_age=_YEAR, httponly=True, secure=secure, samesite="Lax"
            )
    return response


async def is_answering(request: web.Request) -> web.StreamResponse:
    """Tell a page's script whether the service answers, so that the page comes back by itself."""
    session = request.get(SESSION)
    if session is None:
        return web.Response(status=401)
    client = request.app[SERVICES].calls.client(session.credential)
    try:
        await first_district(client)
    except SchoolbellError:
        return web.Response(status=503)
    return web.Response(status=204)


ROUTES = [
    web.get("/", begin),
    web.get("/d/{district}", in_district(first_page)),
    web.post("/choose", choose),
    web.get("/answering", is_answering),
]
