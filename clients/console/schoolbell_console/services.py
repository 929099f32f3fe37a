"""What all requests share."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web
from jinja2 import Environment

from schoolbell_console.calls import Calls
from schoolbell_console.config import Config
from schoolbell_console.links import Links
from schoolbell_console.oidc import Provider
from schoolbell_console.renewal import Renewals
from schoolbell_console.seals import Seals
from schoolbell_console.session import Sessions

STATIC = Path(__file__).parent / "static"


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """What all requests share."""

    config: Config
    calls: Calls
    seals: Seals
    sessions: Sessions
    links: Links
    provider: Provider | None
    """Where people sign in besides; None where a key is the only way."""
    renewals: Renewals | None
    templates: Environment
    marks: dict[str, str]
    """A mark of each static file's content, so that a browser may keep it."""

    def static(self, name: str) -> str:
        """Return the address of a static file."""
        return f"/static/{name}?{self.marks[name]}"


SERVICES = web.AppKey("services", Services)


def static_marks() -> dict[str, str]:
    """Return the mark of each static file."""
    return {
        file.name: hashlib.sha256(file.read_bytes()).hexdigest()[:12] for file in STATIC.iterdir()
    }
