"""The console's side of sign-in: a provider that misbehaves, and renewals that come together."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jwt
import pytest
from aiohttp import web

from schoolbell_console.config import BadConfig, OidcConfig, load
from schoolbell_console.id_tokens import BadIdToken, check_id_token
from schoolbell_console.oidc import Provider as ConsoleProvider
from schoolbell_console.oidc import ProviderAway, ProviderRefused
from schoolbell_console.renewal import Renewals
from schoolbell_console.session import Session
from tests.identity.provider import Provider, SigningKey, serving, sign_with_secret

CLIENT = "schoolbell-console"


@dataclass
class Odd(Provider):
    """A provider whose description and tokens can be anything."""

    described: dict[str, Any] = field(default_factory=dict)
    answers: list[web.Response] = field(default_factory=list)
    renewals: int = 0

    async def describe(self, _: web.Request) -> web.Response:
        """Answer a description, in which something may be odd."""
        whole = {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize?tenant=7",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/jwks.json",
        }
        return web.json_response(whole | self.described)

    async def give(self, _: web.Request) -> web.Response:
        """Give the next answer; the last one again and again."""
        self.renewals += 1
        await asyncio.sleep(0)
        return self.answers.pop(0)


@asynccontextmanager
async def meeting(folder: Path) -> AsyncIterator[tuple[Odd, ConsoleProvider]]:
    """Run a provider, and what the console talks to it with."""
    odd = Odd()
    routes = [
        web.get("/.well-known/openid-configuration", odd.describe),
        web.post("/token", odd.give),
    ]
    async with serving(odd, folder, *routes):
        odd.issuer = f"https://localhost:{odd.port}"
        config = OidcConfig(issuer=odd.issuer, client_id=CLIENT, ca_file=folder / "provider-ca.pem")
        ours = ConsoleProvider(config, "https://console.example")
        try:
            yield odd, ours
        finally:
            await ours.close()


@pytest.mark.parametrize(
    "described",
    [
        {"issuer": "https://elsewhere.example"},
        {"issuer": None},
        {"authorization_endpoint": "http://localhost/authorize"},
        {"authorization_endpoint": "javascript:alert(1)"},
        {"authorization_endpoint": 7},
        {"more": "x" * 300_000},
    ],
)
async def test_a_description_that_is_not_sound_sends_nobody_anywhere(
    described: dict[str, Any], tmp_path: Path
) -> None:
    async with meeting(tmp_path) as (odd, ours):
        odd.described = described
        with pytest.raises(ProviderAway):
            await ours.entrance("state", "nonce", "challenge")
        odd.described = {}
        address = await ours.entrance("state", "nonce", "challenge")
        assert address.startswith(f"{odd.issuer}/authorize?tenant=7&response_type=code&")


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (lambda: web.json_response({"error": "invalid_grant"}, status=400), ProviderRefused),
        (lambda: web.json_response(["a"], status=401), ProviderRefused),
        (lambda: web.Response(status=302, headers={"location": "/jwks.json"}), ProviderAway),
        (lambda: web.Response(status=500), ProviderAway),
        (lambda: web.json_response({"access_token": 7}), ProviderAway),
        (lambda: web.json_response({}), ProviderAway),
        (lambda: web.Response(body=b"<html>"), ProviderAway),
        (lambda: web.Response(body=b"[" * 200_000), ProviderAway),
        (lambda: web.Response(body=b"x" * 300_000), ProviderAway),
        (lambda: web.json_response({"access_token": "a"}), ProviderRefused),  # no ID token
        (lambda: web.json_response({"access_token": "a", "id_token": "a.b.c"}), ProviderRefused),
    ],
)
async def test_an_answer_that_is_not_sound_signs_nobody_in(
    answer: Any, error: type[Exception], tmp_path: Path
) -> None:
    async with meeting(tmp_path) as (odd, ours):
        odd.answers = [answer()]
        with pytest.raises(error):
            await ours.exchange("code", "verifier", "nonce")


async def test_a_provider_that_is_gone_is_away(tmp_path: Path) -> None:
    async with meeting(tmp_path) as (odd, _):
        pass
    config = OidcConfig(issuer=odd.issuer, client_id=CLIENT, ca_file=tmp_path / "provider-ca.pem")
    ours = ConsoleProvider(config, "https://console.example")
    with pytest.raises(ProviderAway):
        await ours.entrance("state", "nonce", "challenge")
    await ours.close()


def session(**fields: Any) -> Session:
    now = time.time()
    values: dict[str, Any] = {
        "session_id": "s",
        "credential": "old",
        "method": "oidc",
        "end_time": now + 3600,
        "refresh_token": "r1",
        "fresh_until": now - 1,
    }
    return Session(**(values | fields))


async def test_requests_that_come_together_renew_once(tmp_path: Path) -> None:
    async with meeting(tmp_path) as (odd, ours):
        odd.answers = [
            web.json_response({"access_token": "new", "refresh_token": "r2", "expires_in": 300})
        ]
        renewals, old = Renewals(ours), session()
        found = await asyncio.gather(*(renewals.fresh(old) for _ in range(20)))
        assert {(one.credential, one.refresh_token) for one in found if one} == {("new", "r2")}
        late = await renewals.fresh(old)  # from a tab that has the cookie of before
        assert late is not None and late.credential == "new"
        assert odd.renewals == 1
        key = session(method="key", refresh_token="", credential="sb_a_b")
        assert await renewals.fresh(key) is key


async def test_a_refused_renewal_ends_a_session_and_a_provider_that_is_away_does_not(
    tmp_path: Path,
) -> None:
    async with meeting(tmp_path) as (odd, ours):
        odd.answers = [
            web.Response(status=503),
            web.json_response({"error": "invalid_grant"}, status=400),
        ]
        renewals, old = Renewals(ours), session()
        assert await renewals.fresh(old) is old
        assert await renewals.fresh(old) is None


def _id_token(key: SigningKey, **claims: Any) -> str:
    return Provider(keys=[key], issuer="https://login.example").token(
        **{"aud": CLIENT, "nonce": "n", **claims}
    )


@pytest.mark.parametrize(
    "claims",
    [
        {"nonce": "other"},
        {"nonce": None},
        {"aud": "other"},
        {"aud": ["other"]},
        {"iss": "https://other.example"},
        {"exp": 1},
        {"exp": "soon"},
        {"iat": 2**40},
        {"azp": "other"},
        {"at_hash": "other"},
        {"at_hash": 7},
        {"without": ("nonce",)},
        {"without": ("exp",)},
        {"without": ("sub",)},
        {"headers": {"kid": "k2"}},
        {"headers": {"alg": "none"}},
        {"headers": {"alg": "HS256"}},
        {"headers": {"alg": ["RS256"]}},
    ],
)
def test_an_id_token_is_good_or_it_is_not(claims: dict[str, Any]) -> None:
    key = SigningKey.make("k1")
    keys = {"keys": [key.jwk, {"kty": "oct", "kid": "k1", "k": "c2VjcmV0"}]}
    wanted: dict[str, Any] = {
        "issuer": "https://login.example",
        "client_id": CLIENT,
        "nonce": "n",
        "access_token": "a",
    }
    check_id_token(_id_token(key), keys, **wanted)
    check_id_token(_id_token(key, aud=[CLIENT, "other"], azp=CLIENT), keys, **wanted)
    with pytest.raises(BadIdToken):
        check_id_token(_id_token(key, **claims), keys, **wanted)


def test_an_id_token_of_another_key_is_forged() -> None:
    key = SigningKey.make("k1")
    wanted: dict[str, Any] = {
        "issuer": "https://login.example",
        "client_id": CLIENT,
        "nonce": "n",
        "access_token": "a",
    }
    payload = jwt.decode(_id_token(key), options={"verify_signature": False})
    secret = json.dumps(key.jwk).encode()
    forged = sign_with_secret(secret, payload, {"alg": "HS256", "typ": "JWT", "kid": "k1"})
    sets: list[dict[str, Any]] = [
        {"keys": [key.jwk]},
        {"keys": []},
        {},
        {"keys": "k1"},
        {"keys": [7]},
    ]
    for keys in sets:
        for token in (_id_token(SigningKey.make("k1")), forged, "", "a.b.c", "é.é.é"):
            with pytest.raises(BadIdToken):
                check_id_token(token, keys, **wanted)


@pytest.mark.parametrize(
    "table",
    [
        'issuer = "http://login.example"\nclient_id = "c"',
        'issuer = "https://login.example?x=1"\nclient_id = "c"',
        'issuer = "https://login.example"',
        'issuer = "https://login.example"\nclient_id = "c"\nscope = "email"',
        'issuer = "https://login.example"\nclient_id = 7',
        'issuer = "https://login.example"\nclient_id = "c"\nclient_secret = "s"',
    ],
)
def test_a_table_that_cannot_work_is_refused(table: str, tmp_path: Path) -> None:
    path = tmp_path / "console.toml"
    path.write_text(f'[console]\norigin = "https://console.example"\n[oidc]\n{table}\n')
    with pytest.raises(BadConfig, match="oidc"):
        load(path)
