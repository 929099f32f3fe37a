"""Google's token endpoint: a signed assertion for an access token."""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass
from urllib.parse import parse_qs

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from schoolbell_sandbox.clock import Clock
from schoolbell_sandbox.exchange import Reply, Request
from schoolbell_sandbox.provider_token import decode_base64url, decode_json

GRANT_TYPE = "urn:ietf:params:oauth:grant-type:jwt-bearer"
AUDIENCE = "https://oauth2.googleapis.com/token"
"""Most of Google's libraries write it whatever the account's `token_uri` is."""
SCOPES = frozenset(
    {
        "https://www.googleapis.com/auth/firebase.messaging",
        "https://www.googleapis.com/auth/cloud-platform",
    }
)
MAX_ASSERTION_LIFE = 3600
SKEW = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceAccount:
    """An account Google knows, and the projects it may send for."""

    client_email: str
    public_key: rsa.RSAPublicKey
    projects: frozenset[str]
    """Project ids and numbers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessToken:
    """What an access token stands for."""

    account: ServiceAccount
    expire_time: float
    messaging: bool
    """Whether a scope that may send was asked for."""


class OAuth:
    """Issues access tokens."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._accounts: dict[str, ServiceAccount] = {}
        self._tokens: dict[str, AccessToken] = {}
        self.lifetime = 3599
        """Seconds."""
        self.audiences = {AUDIENCE}
        """Google's library for Go writes the account's own `token_uri`."""
        self.calls = 0
        """Requests since the last reset."""

    def add_account(self, account: ServiceAccount) -> None:
        """Let an account ask for tokens."""
        self._accounts[account.client_email] = account

    def remove_account(self, client_email: str) -> bool:
        """Disable an account and its tokens; return whether it was known."""
        lost = [t for t, a in self._tokens.items() if a.account.client_email == client_email]
        for token in lost:
            del self._tokens[token]
        return self._accounts.pop(client_email, None) is not None

    def revoke_tokens(self) -> None:
        """Forget every token issued so far."""
        self._tokens.clear()

    def look_up(self, token: str) -> AccessToken | None:
        """Return what a token stands for; its age is not judged here."""
        return self._tokens.get(token)

    def handle(self, request: Request) -> Reply:
        """Answer the token endpoint."""
        self.calls += 1
        if request.method != b"POST":
            return _answer(405, {"error": "invalid_request"})
        form = parse_qs(request.body.decode("latin-1"))
        if form.get("grant_type") != [GRANT_TYPE]:
            return _error("unsupported_grant_type", "Invalid grant_type")
        try:
            return self._grant(form.get("assertion", [""])[0].encode())
        except _Refusal as refusal:
            return _error("invalid_grant", str(refusal))

    def _grant(self, assertion: bytes) -> Reply:
        account, scope = self._verify(assertion)
        token = "ya29.sandbox." + secrets.token_urlsafe(32)
        self._tokens[token] = AccessToken(
            account=account,
            expire_time=self._clock.now() + self.lifetime,
            messaging=not SCOPES.isdisjoint(scope.split()),
        )
        content = {"access_token": token, "expires_in": self.lifetime, "token_type": "Bearer"}
        return _answer(200, content)

    def _verify(self, assertion: bytes) -> tuple[ServiceAccount, str]:
        signed, _, signature = assertion.rpartition(b".")
        try:
            header, claims = (decode_json(part) for part in signed.split(b"."))
            account = self._accounts[str(claims["iss"])]
            issue, expiry = float(claims["iat"]), float(claims["exp"])
        except KeyError as error:
            raise _Refusal("Invalid grant: account not found") from error
        except (ValueError, TypeError) as error:
            raise _Refusal("Invalid JWT") from error
        try:
            key = account.public_key
            key.verify(decode_base64url(signature), signed, padding.PKCS1v15(), hashes.SHA256())
        except (InvalidSignature, ValueError) as error:
            raise _Refusal("Invalid JWT Signature.") from error
        audience = claims.get("aud")
        known = isinstance(audience, str) and audience in self.audiences
        if header.get("alg") != "RS256" or not known:
            raise _Refusal("Invalid JWT: wrong algorithm or audience")
        now = self._clock.now()
        if expiry - issue > MAX_ASSERTION_LIFE or issue > now + SKEW or expiry < now - SKEW:
            raise _Refusal(
                "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable"
                " timeframe. Check your iat and exp values in the JWT claim."
            )
        return account, str(claims.get("scope", ""))


class _Refusal(Exception):
    """The assertion is not accepted."""


def _error(error: str, description: str) -> Reply:
    return _answer(400, {"error": error, "error_description": description})


def _answer(status: int, content: dict[str, object]) -> Reply:
    headers = ((b"content-type", b"application/json; charset=utf-8"),)
    return Reply(status=status, headers=headers, body=json.dumps(content).encode())
