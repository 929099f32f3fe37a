"""Sessions: who is signed in, sealed into cookies, so that they survive a restart.

A session carries the credential with which the console calls the API, whatever the way of signing
in was: an API key, or a token of an identity provider. The console itself keeps nothing but the ids
of sessions that were signed out, until they would have ended, so that a copied cookie is of no use.
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from aiohttp import web

from schoolbell_console.config import Config
from schoolbell_console.seals import Seals
from schoolbell_console.spent import Spent

_PURPOSE = "session"
_CHUNK = 3800  # characters; a cookie may have 4,096 with its name and attributes
_MOST_CHUNKS = 4
_RENEW_AFTER = 60.0  # seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """Who is signed in."""

    session_id: str
    credential: str
    """What follows `Bearer` in every call."""
    method: str
    """How the person signed in: `key`, or another way's own name."""
    end_time: float
    """In seconds since 1970: the session ends then, whatever happens."""
    refresh_token: str = ""
    """What the provider gives the next credential for; empty where there is none."""
    fresh_until: float = 0.0
    """In seconds since 1970: the credential ends then, where it can be renewed."""


SESSION = web.RequestKey("session", Session)
"""Who sent a request; absent where nobody is signed in."""
ENDED = web.RequestKey("ended", Session)
"""Whose session has just turned out to be over."""
RENEW = web.RequestKey("renew", bool)
"""Whether the cookie of the session is to be written anew."""


class Sessions:
    """Reads sessions from requests and writes them into responses."""

    def __init__(self, config: Config, seals: Seals, spent: Spent) -> None:
        self._seals = seals
        self._spent = spent
        self._secure = config.is_secure
        self._idle = config.console.idle_minutes * 60.0
        self._longest = config.console.session_hours * 3600.0
        self._name = "__Host-schoolbell" if config.is_secure else "schoolbell"

    def begin(
        self,
        credential: str,
        method: str,
        expire_time: float | None = None,
        refresh_token: str = "",
    ) -> Session:
        """Return a new session; it ends with its credential, unless that can be renewed."""
        now = time.time()
        end, fresh_until = now + self._longest, 0.0
        if refresh_token:
            fresh_until = end if expire_time is None else expire_time
            expire_time = None
        return Session(
            session_id=secrets.token_urlsafe(16),
            credential=credential,
            method=method,
            end_time=end if expire_time is None else min(end, expire_time),
            refresh_token=refresh_token,
            fresh_until=fresh_until,
        )

    def read(self, cookies: Mapping[str, str]) -> tuple[Session | None, bool]:
        """Return the session of a request, and whether its cookie is to be written anew."""
        sealed = "".join(cookies.get(name, "") for name in self._names())
        text = self._seals.open(_PURPOSE, sealed, self._idle) if sealed else None
        if text is None:
            return None, False
        try:
            session = Session(**json.loads(text))
        except TypeError:  # of another version of the console
            return None, False
        if session.end_time <= time.time():
            return None, False
        if self._spent.is_spent(_PURPOSE, session.session_id):
            return None, False
        return session, self._seals.age(sealed, time.time()) > _RENEW_AFTER

    def write(self, response: web.StreamResponse, session: Session) -> None:
        """Put a session into a response's cookies."""
        sealed = self._seals.seal(_PURPOSE, json.dumps(asdict(session)))
        if len(sealed) > _CHUNK * _MOST_CHUNKS:
            raise ValueError("the credential is too long for cookies")
        for number, name in enumerate(self._names()):
            part = sealed[number * _CHUNK : (number + 1) * _CHUNK]
            if part:
                self._set(response, name, part)
            else:
                self._drop(response, name)

    def end(self, response: web.StreamResponse, session: Session) -> None:
        """Sign a session out: its cookies go, and copies of them are refused from now on."""
        self._spent.spend(_PURPOSE, session.session_id, session.end_time)
        for name in self._names():
            self._drop(response, name)

    def token(self, session: Session | None) -> str:
        """Return what every form of a session carries, so that no other site can send it."""
        return self._seals.sign(f"form {session.session_id if session else ''}")

    def is_token(self, session: Session | None, token: str) -> bool:
        """Return whether a form is one of this session's."""
        return self._seals.is_signed(f"form {session.session_id if session else ''}", token)

    def _names(self) -> list[str]:
        return [self._name] + [f"{self._name}-{number}" for number in range(1, _MOST_CHUNKS)]

    def _set(self, response: web.StreamResponse, name: str, value: str) -> None:
        response.set_cookie(
            name, value, path="/", httponly=True, secure=self._secure, samesite="Lax"
        )

    def _drop(self, response: web.StreamResponse, name: str) -> None:
        response.del_cookie(name, path="/", httponly=True, secure=self._secure, samesite="Lax")
