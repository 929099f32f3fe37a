"""Sign in at the district's identity provider: authorization code with PKCE, state and nonce."""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import secrets
from base64 import urlsafe_b64encode

from aiohttp import web

from schoolbell_console.oidc import Provider, ProviderAway, ProviderRefused
from schoolbell_console.pages.front import local
from schoolbell_console.pages.sign_in import enter, entrance_page
from schoolbell_console.services import SERVICES, Services

_PURPOSE = "oidc"
_LIFE = 10 * 60  # seconds that a person may take at the provider
_LONGEST_CODE = 4096  # characters

_logger = logging.getLogger("schoolbell_console")


async def begin(request: web.Request) -> web.StreamResponse:
    """Send the browser to the provider, and keep in a cookie what its answer must match."""
    services, provider = _found(request)
    state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
    digest = hashlib.sha256(verifier.encode()).digest()
    challenge = urlsafe_b64encode(digest).rstrip(b"=").decode()
    try:
        address = await provider.entrance(state, nonce, challenge)
    except ProviderAway as error:
        return _failed(request, "oidc-away", 503, error)
    asked = {
        "state": state,
        "nonce": nonce,
        "verifier": verifier,
        "next": local(request.query.get("next", "/")),
    }
    response = web.Response(status=303, headers={"Location": address})
    response.set_cookie(
        _cookie(services),
        services.seals.seal(_PURPOSE, json.dumps(asked)),
        max_age=_LIFE,
        path="/",
        httponly=True,
        secure=services.config.is_secure,
        samesite="Lax",
    )
    return response


async def come_back(request: web.Request) -> web.StreamResponse:
    """Sign in with the code that the provider gave, if it answers what this browser asked."""
    services, provider = _found(request)
    sealed = request.cookies.get(_cookie(services), "")
    text = services.seals.open(_PURPOSE, sealed, _LIFE) if sealed else None
    asked = json.loads(text) if text else {}
    state, code = request.query.get("state", ""), request.query.get("code", "")
    if not asked or not hmac.compare_digest(asked["state"].encode(), _bytes(state)):
        return _dropped(request, entrance_page(request, "oidc-again", 400))
    if request.query.get("iss", provider.issuer) != provider.issuer:
        return _dropped(request, entrance_page(request, "oidc-again", 400))
    if not code or len(code) > _LONGEST_CODE:
        return _dropped(request, entrance_page(request, "oidc-denied", 403))
    try:
        tokens = await provider.exchange(code, asked["verifier"], asked["nonce"])
    except ProviderRefused as error:
        return _dropped(request, _failed(request, "oidc-again", 400, error))
    except ProviderAway as error:
        return _dropped(request, _failed(request, "oidc-away", 503, error))
    return _dropped(
        request, await enter(request, tokens.access_token, "oidc", asked["next"], tokens)
    )


async def leave(request: web.Request) -> web.StreamResponse:
    """Send the browser to where the person signs out at the provider too."""
    _, provider = _found(request)
    try:
        address = await provider.exit()
    except ProviderAway as error:
        return _failed(request, "oidc-away", 503, error)
    return web.Response(status=303, headers={"Location": address or "/sign-in?why=left"})


def _found(request: web.Request) -> tuple[Services, Provider]:
    services = request.app[SERVICES]
    if services.provider is None:
        raise web.HTTPNotFound
    return services, services.provider


def _cookie(services: Services) -> str:
    return "__Host-schoolbell-oidc" if services.config.is_secure else "schoolbell-oidc"


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _failed(request: web.Request, why: str, status: int, error: Exception) -> web.Response:
    _logger.warning("sign-in at the identity provider failed: %s: %s", type(error).__name__, error)
    return entrance_page(request, why, status)


def _dropped(request: web.Request, response: web.StreamResponse) -> web.StreamResponse:
    """Return a response that takes the cookie of the sign-in away: each is good once."""
    services = request.app[SERVICES]
    secure = services.config.is_secure
    response.del_cookie(_cookie(services), path="/", httponly=True, secure=secure, samesite="Lax")
    return response


ROUTES = [
    web.get("/sign-in/oidc", begin),
    web.get("/sign-in/oidc/return", come_back),
    web.get("/sign-in/oidc/leave", leave),
]
