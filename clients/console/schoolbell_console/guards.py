"""What stands before every page: headers, sessions, the origin of forms, and errors in words."""

from __future__ import annotations

import asyncio
import logging
import traceback
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from pathlib import Path

from aiohttp import web
from multidict import MultiDictProxy

from schoolbell import InvalidKeyError, SchoolbellError
from schoolbell.errors import Unauthenticated
from schoolbell_console.services import SERVICES
from schoolbell_console.session import ENDED, RENEW, SESSION
from schoolbell_console.trouble import status_of, trouble_of
from schoolbell_console.visit import look_of

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_logger = logging.getLogger("schoolbell_console")
_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
    )
)
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
_SAFE = frozenset({"GET", "HEAD"})
_ENTRANCE = "/sign-in"
_MOST_FIELDS = 5000
_SLOWEST_FORM = 30.0  # seconds


async def add_headers(request: web.Request, response: web.StreamResponse) -> None:
    """Put the headers of security on every response, and a session that has aged anew."""
    services = request.app[SERVICES]
    response.headers.update(_HEADERS)
    if services.config.is_secure:
        response.headers["Strict-Transport-Security"] = "max-age=31536000"
    if not _is_static(request):
        response.headers["Cache-Control"] = "no-store"
    session = request.get(SESSION)
    if session is not None and request.get(RENEW):
        services.sessions.write(response, session)


def _is_static(request: web.Request) -> bool:
    return request.path.startswith("/static/")


@web.middleware
async def errors_in_words(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer every error as a page that says what to do."""
    try:
        return await handler(request)
    except Unauthenticated:
        return sign_in_again(request)
    except SchoolbellError as error:
        return _trouble(request, *trouble_of(error), status_of(error))
    except web.HTTPException as error:
        if error.status < HTTPStatus.BAD_REQUEST:
            raise
        name = "not-found" if error.status == HTTPStatus.NOT_FOUND else "bad-request"
        name = "forbidden" if error.status == HTTPStatus.FORBIDDEN else name
        return _trouble(request, name, {}, error.status)
    except InvalidKeyError:
        return sign_in_again(request)
    except (ConnectionError, TimeoutError):
        raise
    except Exception as error:  # noqa: BLE001 - a page must not answer with a trace
        # Not the text of the error: it might quote what a person wrote.
        places = traceback.extract_tb(error.__traceback__)
        _logger.error(
            "a page failed: %s at %s",
            type(error).__name__,
            " < ".join(f"{Path(one.filename).name}:{one.lineno}" for one in reversed(places[-8:])),
        )
        return _trouble(request, "fault", {}, HTTPStatus.INTERNAL_SERVER_ERROR)


def sign_in_again(request: web.Request) -> web.Response:
    """End the session and show the page for signing in, which comes back here."""
    ended = request.get(SESSION) or request.get(ENDED)
    query = {"next": _here(request)}
    if ended or request.method not in _SAFE:
        query["why"] = "ended"
    address = request.app.router["entrance"].url_for().with_query(query)
    response = web.Response(status=HTTPStatus.SEE_OTHER, headers={"Location": str(address)})
    if ended:
        request.app[SERVICES].sessions.end(response, ended)
        request[RENEW] = False
    return response


def _here(request: web.Request) -> str:
    """Return the address of the page where a person is; of a form, the page that holds it."""
    if request.method in _SAFE:
        return request.path_qs
    origin = request.app[SERVICES].config.console.origin
    page = request.headers.get("Referer", "")
    return page.removeprefix(origin) if page.startswith(f"{origin}/") else "/"


def _trouble(
    request: web.Request, name: str, values: dict[str, str], status: int
) -> web.StreamResponse:
    look = look_of(request)
    return look.page("trouble.html", {"name": name, "values": values}, status)


@web.middleware
async def sessions(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Find the session of a request."""
    services = request.app[SERVICES]
    session, renew = services.sessions.read(request.cookies)
    if session is not None and services.renewals is not None and not _is_static(request):
        fresh = await services.renewals.fresh(session)
        if fresh is None:
            request[ENDED] = session
        session, renew = fresh, renew or fresh is not session
    request[RENEW] = renew
    if session is not None:
        request[SESSION] = session
    return await handler(request)


async def own_form(
    request: web.Request,
) -> MultiDictProxy[str | bytes | bytearray | web.FileField]:
    """Return the form that was sent; no page sends files, many fields, or slowly."""
    if request.content_type != "application/x-www-form-urlencoded":
        raise web.HTTPUnsupportedMediaType
    try:
        async with asyncio.timeout(_SLOWEST_FORM):
            body = await request.read()
    except TimeoutError:
        raise web.HTTPRequestTimeout from None
    if body.count(b"&") >= _MOST_FIELDS:  # counted before they become objects
        raise web.HTTPRequestEntityTooLarge(max_size=_MOST_FIELDS, actual_size=body.count(b"&"))
    try:
        return await request.post()
    except (LookupError, ValueError):  # an encoding that is none, or not that of the text
        raise web.HTTPBadRequest from None


@web.middleware
async def own_forms(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuse what another site sends in a person's name: by its origin, and by its token."""
    if request.method in _SAFE:
        return await handler(request)
    services = request.app[SERVICES]
    if request.headers.get("Origin") != services.config.console.origin:
        raise web.HTTPForbidden
    form = await own_form(request)
    token, session = form.get("token"), request.get(SESSION)
    if not isinstance(token, str):
        raise web.HTTPForbidden
    if services.sessions.is_token(session, token):
        return await handler(request)
    # Of two tabs, one may have signed in or out since the other showed its form.
    if request.path == _ENTRANCE and services.sessions.is_token(None, token):
        return await handler(request)
    if session is None and request.path != _ENTRANCE:
        return sign_in_again(request)
    raise web.HTTPForbidden
