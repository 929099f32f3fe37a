"""Sign in and out. An API key is one way; another adds its own routes and calls `enter`."""

from __future__ import annotations

from contextlib import suppress

from aiohttp import web

from schoolbell import InvalidKeyError, SchoolbellError
from schoolbell.errors import PermissionDenied, Unauthenticated
from schoolbell.v1 import access_service_pb2 as access
from schoolbell_console.oidc import ProviderAway, Tokens
from schoolbell_console.pages.front import local
from schoolbell_console.services import SERVICES
from schoolbell_console.session import RENEW, SESSION
from schoolbell_console.trouble import status_of, trouble_of
from schoolbell_console.visit import look_of

_LONGEST_KEY = 512  # characters


async def ask(request: web.Request) -> web.StreamResponse:
    """Show the page for signing in."""
    why = request.query.get("why", "")
    return entrance_page(request, why if why in ("ended", "left") else "")


async def with_key(request: web.Request) -> web.StreamResponse:
    """Sign in with an API key."""
    form = await request.post()
    key = str(form.get("key", "")).strip()[:_LONGEST_KEY]
    if not key:
        return entrance_page(request, "no-key", 400)
    return await enter(request, key, "key", local(str(form.get("next", "/"))))


async def with_link(request: web.Request) -> web.StreamResponse:
    """Sign in with a link, which is good once."""
    key = request.app[SERVICES].links.open(request.match_info["token"])
    if key is None:
        return entrance_page(request, "link-used", 400)
    return await enter(request, key, "key", "/")


async def enter(
    request: web.Request,
    credential: str,
    method: str,
    next_page: str,
    tokens: Tokens | None = None,
) -> web.StreamResponse:
    """Begin a session with a credential that the service takes, else say why it does not."""
    services = request.app[SERVICES]
    try:
        caller = await services.calls.client(credential).access.GetCaller(access.GetCallerRequest())
    except (InvalidKeyError, Unauthenticated, PermissionDenied) as error:
        ended = getattr(error, "reason", "") in ("KEY_EXPIRED", "KEY_REVOKED")
        return entrance_page(request, f"{method}-ended" if ended else f"{method}-refused", 401)
    except SchoolbellError as error:
        return entrance_page(request, trouble_of(error)[0], status_of(error))
    expires = float(caller.expire_time.seconds) if caller.HasField("expire_time") else None
    refresh = tokens.refresh_token if tokens is not None else ""
    session = services.sessions.begin(credential, method, expires, refresh)
    response = web.Response(status=303, headers={"Location": next_page})
    request[RENEW] = False
    try:
        services.sessions.write(response, session)
    except ValueError:
        return entrance_page(request, f"{method}-long", 400)
    return response


async def leave(request: web.Request) -> web.StreamResponse:
    """Sign out."""
    session = request.get(SESSION)
    services = request.app[SERVICES]
    response = web.Response(status=303, headers={"Location": "/sign-in?why=left"})
    request[RENEW] = False
    if session is not None:
        services.sessions.end(response, session)
        if services.provider is not None and session.refresh_token:
            with suppress(ProviderAway):
                await services.provider.revoke(session.refresh_token)
    return response


def entrance_page(request: web.Request, why: str, status: int = 200) -> web.Response:
    """Return the page for signing in; `why` names a text that says what happened."""
    oidc = request.app[SERVICES].config.oidc
    next_page = local(request.query.get("next", "/"))
    values = {"why": why, "next_page": next_page, "oidc": oidc}
    return look_of(request).page("sign_in.html", values, status)


ROUTES = [
    web.get("/sign-in", ask, name="entrance"),
    web.post("/sign-in", with_key),
    web.get("/sign-in/link/{token}", with_link, allow_head=False),
    web.post("/sign-out", leave),
]
