"""A session ends after so long without a request, and after so long in any case."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from unittest.mock import patch

from aiohttp import web

from schoolbell_console.config import Config, ConsoleConfig, ServerConfig
from schoolbell_console.seals import read_seals
from schoolbell_console.session import Session, Sessions
from schoolbell_console.spent import Spent


def test_a_session_ends_when_it_is_idle_and_after_its_hours(tmp_path: Path) -> None:
    console = ConsoleConfig(
        origin="http://localhost",
        cookie_key_file=tmp_path / "cookie.key",
        idle_minutes=5,
        session_hours=1,
    )
    config = Config(console=console, server=ServerConfig())
    sessions = Sessions(config, read_seals(console.cookie_key_file), Spent(config.spent_file))
    start = time.time()
    session = sessions.begin("sb_key", "key")
    cookies = written(sessions, session, start)
    assert read(sessions, cookies, start + 30) == (session, False)
    assert read(sessions, cookies, start + 290) == (session, True)
    assert read(sessions, cookies, start + 310) == (None, False)
    for minute in range(4, 60, 4):  # somebody who works is let go only when the hour is over
        assert read(sessions, cookies, start + minute * 60) == (session, True)
        cookies = written(sessions, session, start + minute * 60)
    assert read(sessions, cookies, start + 3590) == (session, True)
    assert read(sessions, cookies, start + 3610) == (None, False)


def written(sessions: Sessions, session: Session, now: float) -> Mapping[str, str]:
    """Return the cookies of a session as they are written at a time."""
    response = web.Response()
    with patch("time.time", lambda: now):
        sessions.write(response, session)
    return {name: one.value for name, one in response.cookies.items()}


def read(sessions: Sessions, cookies: Mapping[str, str], now: float) -> tuple[Session | None, bool]:
    """Return what cookies say at a time."""
    with patch("time.time", lambda: now):
        return sessions.read(cookies)
