"""An OpenID Connect provider of the tests' own, small and strict: a page to sign in, and tokens."""

from __future__ import annotations

import asyncio
import hashlib
import secrets
import time
from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from aiohttp import web

from tests.identity.provider import Provider, serving

CLIENT = "schoolbell-console"
_PAGE = """<!doctype html><html lang="en"><title>School account</title><h1>School account</h1>
<form method="post"><label>Name <input name="user"></label><button>Go on</button></form></html>"""


@dataclass
class SignInProvider(Provider):
    """A provider at work; what it gives can be changed at any time."""

    life: int = 600
    """Seconds that an access token is good for."""
    renews: bool = True
    groups: list[str] = field(default_factory=list)
    districts: list[str] = field(default_factory=list)
    id_claims: dict[str, Any] = field(default_factory=dict)
    """What an ID token says in place of what is so."""
    codes: dict[str, dict[str, str]] = field(default_factory=dict)
    refresh_tokens: dict[str, str] = field(default_factory=dict)
    """Persons by the refresh tokens that are good; each is good once."""
    renewed: int = 0
    revoked: list[str] = field(default_factory=list)
    left: int = 0
    asked_for: dict[str, str] = field(default_factory=dict)

    async def describe(self, _: web.Request) -> web.Response:
        """Answer what OpenID Connect Discovery asks for."""
        return web.json_response(
            {
                "issuer": self.issuer,
                "authorization_endpoint": f"{self.issuer}/authorize",
                "token_endpoint": f"{self.issuer}/token",
                "jwks_uri": f"{self.issuer}/jwks.json",
                "revocation_endpoint": f"{self.issuer}/revoke",
                "end_session_endpoint": f"{self.issuer}/leave",
            }
        )

    async def ask(self, request: web.Request) -> web.Response:
        """Show the page where a person signs in."""
        self.asked_for = dict(request.query)
        return web.Response(text=_PAGE, content_type="text/html")

    async def take(self, request: web.Request) -> web.Response:
        """Send the browser back with a code, or without one for who is not let in."""
        asked, user = dict(request.query), str((await request.post())["user"])
        if user == "stranger":
            back = {"error": "access_denied", "state": asked["state"]}
        else:
            code = secrets.token_urlsafe(16)
            self.codes[code] = {**asked, "user": user}
            back = {"code": code, "state": asked["state"], "iss": self.issuer}
        raise web.HTTPSeeOther(f"{asked['redirect_uri']}?{urlencode(back)}")

    async def give(self, request: web.Request) -> web.Response:
        """Give tokens for a code or a refresh token, each once."""
        form = {name: str(value) for name, value in (await request.post()).items()}
        if form["grant_type"] == "refresh_token":
            user = self.refresh_tokens.pop(form["refresh_token"], "")
            if not user:
                return web.json_response({"error": "invalid_grant"}, status=400)
            self.renewed += 1
            return web.json_response(self._tokens(user))
        asked = self.codes.pop(form["code"], {})
        digest = hashlib.sha256(form["code_verifier"].encode()).digest()
        good = (
            asked.get("code_challenge") == urlsafe_b64encode(digest).rstrip(b"=").decode()
            and asked.get("redirect_uri") == form["redirect_uri"]
            and asked.get("client_id") == form["client_id"] == CLIENT
        )
        if not good:
            return web.json_response({"error": "invalid_grant"}, status=400)
        tokens = self._tokens(asked["user"])
        access = tokens["access_token"].encode()
        half = hashlib.sha256(access).digest()[:16]
        claims = {
            "sub": asked["user"],
            "aud": CLIENT,
            "nonce": asked["nonce"],
            "at_hash": urlsafe_b64encode(half).rstrip(b"=").decode(),
        }
        return web.json_response({**tokens, "id_token": self.token(**{**claims, **self.id_claims})})

    async def revoke(self, request: web.Request) -> web.Response:
        """Take a refresh token back."""
        token = str((await request.post())["token"])
        self.revoked.append(self.refresh_tokens.pop(token, ""))
        return web.Response()

    async def leave(self, request: web.Request) -> web.Response:
        """Sign a person out, and send the browser back."""
        self.left += 1
        raise web.HTTPSeeOther(request.query["post_logout_redirect_uri"])

    def _tokens(self, user: str) -> dict[str, Any]:
        answer: dict[str, Any] = {
            "access_token": self.token(
                sub=user,
                groups=self.groups,
                districts=self.districts,
                exp=int(time.time()) + self.life,
            ),
            "token_type": "Bearer",
            "expires_in": self.life,
        }
        if self.renews:
            answer["refresh_token"] = secrets.token_urlsafe(16)
            self.refresh_tokens[answer["refresh_token"]] = user
        return answer


@asynccontextmanager
async def sign_in_provider(folder: Path) -> AsyncIterator[SignInProvider]:
    """Serve a provider while the context lasts."""
    found = SignInProvider(arrived=asyncio.Event())
    routes = [
        web.get("/.well-known/openid-configuration", found.describe),
        web.get("/authorize", found.ask),
        web.post("/authorize", found.take),
        web.post("/token", found.give),
        web.post("/revoke", found.revoke),
        web.get("/leave", found.leave),
    ]
    async with serving(found, folder, *routes):
        found.issuer = f"https://localhost:{found.port}"
        yield found
