"""An identity provider of the tests' own: it makes its keys, signs tokens, and serves its key set.

It serves over real https on a port of the kernel's choice, and does on demand what bad ones do.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import ssl
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

import jwt
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from schoolbell_sandbox.certificates import Authority
from schoolbell_server.config import Algorithm, IssuerConfig
from schoolbell_server.identity import fetch
from schoolbell_server.security.api_key import Role

ISSUER = "https://login.maple.example/"
AUDIENCE = "schoolbell"
DISTRICT = "maple-county"
_CURVES: dict[str, Any] = {"ES256": ec.SECP256R1, "ES384": ec.SECP384R1, "ES512": ec.SECP521R1}


@dataclass(frozen=True)
class SigningKey:
    """A private key with its name."""

    kid: str
    algorithm: str
    private: Any

    @classmethod
    def make(cls, kid: str, algorithm: str = "RS256", bits: int = 2048) -> SigningKey:
        """Make a key for an algorithm."""
        if algorithm in _CURVES:
            return cls(kid, algorithm, ec.generate_private_key(_CURVES[algorithm]()))
        if algorithm == "EdDSA":
            return cls(kid, algorithm, ed25519.Ed25519PrivateKey.generate())
        return cls(kid, algorithm, rsa.generate_private_key(65537, bits))

    @property
    def jwk(self) -> dict[str, Any]:
        """Its public half, as a key set has it."""
        make: Any = RSAAlgorithm if self.algorithm[:2] in ("RS", "PS") else ECAlgorithm
        make = OKPAlgorithm if self.algorithm == "EdDSA" else make
        found: dict[str, Any] = make.to_jwk(self.private.public_key(), as_dict=True)
        found.pop("key_ops", None)
        return {**found, "kid": self.kid, "use": "sig"}


@dataclass
class Provider:
    """A provider at work; what it serves can be changed at any time."""

    port: int = 0
    keys: list[SigningKey] = field(default_factory=lambda: [SigningKey.make("k1")])
    asked: int = 0
    """How often the key set was asked for."""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | None = None
    """What is served in place of the key set."""
    silent: asyncio.Event | None = None
    """An answer waits for it."""
    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    issuer: str = ISSUER
    clock: Callable[[], float] = time.time

    @property
    def url(self) -> str:
        """Where its key set is."""
        return f"https://localhost:{self.port}/jwks.json"

    @property
    def jwks(self) -> bytes:
        """Its key set."""
        return json.dumps({"keys": [key.jwk for key in self.keys]}).encode()

    def token(
        self,
        *,
        key: SigningKey | None = None,
        headers: dict[str, Any] | None = None,
        without: tuple[str, ...] = (),
        **claims: Any,
    ) -> str:
        """Sign a token that is good, but for what is named."""
        key = key or self.keys[-1]
        now = int(self.clock())
        payload = {
            "iss": self.issuer,
            "aud": AUDIENCE,
            "sub": "ada",
            "iat": now,
            "exp": now + 600,
            **claims,
        }
        for name in without:
            del payload[name]
        named = {"kid": key.kid, **(headers or {})}
        named = {name: value for name, value in named.items() if value is not None}
        return sign(key, payload, named)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Serve the key set, or what is served in its place."""
        self.asked += 1
        self.arrived.set()
        if self.silent is not None:
            await self.silent.wait()
        body = self.jwks if self.body is None else self.body
        return web.Response(status=self.status, headers=self.headers, body=body)


def sign(key: SigningKey, payload: Any, header: dict[str, Any]) -> str:
    """Return a token with any header and payload at all, signed as its key signs."""
    signer = jwt.get_algorithm_by_name(key.algorithm)
    head = _encode(json.dumps({"alg": key.algorithm, "typ": "JWT", **header}).encode())
    body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    text = f"{head}.{_encode(body)}"
    return f"{text}.{_encode(signer.sign(text.encode(), key.private))}"


def sign_with_secret(secret: bytes, payload: Any, header: dict[str, Any]) -> str:
    """Return a token with a symmetric signature."""
    text = f"{_encode(json.dumps(header).encode())}.{_encode(json.dumps(payload).encode())}"
    return f"{text}.{_encode(hmac.digest(secret, text.encode(), hashlib.sha256))}"


def unsigned(payload: Any, algorithm: str = "none") -> str:
    """Return a token that nobody signed."""
    head = _encode(json.dumps({"alg": algorithm, "typ": "JWT"}).encode())
    return f"{head}.{_encode(json.dumps(payload).encode())}."


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def issuer(**fields: Any) -> IssuerConfig:
    """Return an issuer whose administrators sign in to one district."""
    values: dict[str, Any] = {
        "name": "maple",
        "issuer": ISSUER,
        "audience": AUDIENCE,
        "districts": (DISTRICT,),
        "roles": (Role.ADMINISTRATOR,),
        "algorithms": (Algorithm("RS256"), Algorithm("ES256")),
    }
    return IssuerConfig(**{**values, **fields})


@asynccontextmanager
async def provider(folder: Path) -> AsyncIterator[Provider]:
    """Serve a provider, as `serving` does."""
    found = Provider()
    async with serving(found, folder):
        yield found


@asynccontextmanager
async def serving(found: Provider, folder: Path, *routes: web.RouteDef) -> AsyncIterator[None]:
    """Serve a provider; `provider-ca.pem` in the folder is the authority that it is trusted by.

    Servers of this process wait for it as long as a busy machine may take.
    """
    authority = Authority.create()
    pem = authority.server()
    (folder / "provider-ca.pem").write_bytes(authority.pem.certificate)
    (folder / "provider.pem").write_bytes(pem.certificate + pem.key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "provider.pem")
    app = web.Application()
    app.router.add_routes([web.get("/jwks.json", found.answer), *routes])
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
    await site.start()
    found.port = runner.addresses[0][1]
    try:
        with patch.object(fetch, "DEADLINE", timedelta(minutes=1)):
            yield
    finally:
        if found.silent is not None:
            found.silent.set()
        assert runner.server is not None
        for connection in runner.server.connections:  # a client that is not closed keeps its own
            if connection.transport is not None:
                connection.transport.abort()
        await runner.cleanup()
