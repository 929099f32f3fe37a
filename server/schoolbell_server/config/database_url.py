"""The URL of a PostgreSQL as operators write it, and as SQLAlchemy wants it."""

from __future__ import annotations

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

_SCHEMES = ("postgresql", "postgresql+asyncpg")
_SSL = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
_OPTIONS = (
    "host",
    "passfile",
    "port",
    "prepared_statement_cache_size",
    "ssl",
    "sslmode",
    "target_session_attrs",
)
_SESSIONS = ("any", "primary", "standby", "read-write", "read-only", "prefer-standby")
_FORM = "must be postgresql://user:password@host:port/database"


def database_url(text: str) -> URL:
    """Return the URL that a text is; ValueError, which never shows a password, says what is wrong.

    `sslmode`, as other programs of PostgreSQL call it, is `ssl` here.
    """
    if text.partition("://")[0] not in _SCHEMES or "://" not in text:
        raise ValueError("must begin with postgresql://, or be empty for SQLite")
    if not text.isprintable():
        raise ValueError(f"{_FORM} on one line; write characters that do not print as %XX")
    try:
        url = make_url(text).set(drivername="postgresql+asyncpg")
    except (ArgumentError, ValueError):
        raise ValueError(_FORM) from None
    if url.port is not None and not 1 <= url.port <= 65535:
        raise ValueError("must have a port from 1 to 65535")
    for name, value in url.query.items():
        if name not in _OPTIONS:
            raise ValueError(f"has the option {name!r}; known are {', '.join(_OPTIONS)}")
        choices = {"ssl": _SSL, "sslmode": _SSL, "target_session_attrs": _SESSIONS}.get(name)
        if choices and value not in choices:
            raise ValueError(f"has an unknown value of {name}; known are {', '.join(choices)}")
    if not str(url.query.get("prepared_statement_cache_size", "0")).isdecimal():
        raise ValueError("must have a number as prepared_statement_cache_size")
    if "sslmode" in url.query:
        mode = url.query["sslmode"]
        url = url.difference_update_query(["sslmode"]).update_query_dict({"ssl": mode})
    return url
