"""One request of a person who is signed in: who, where, in which language, and what answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from aiohttp import web
from multidict import MultiMapping

from schoolbell import AsyncClient
from schoolbell.v1 import district_service_pb2 as districts
from schoolbell_console.menu import Place, places
from schoolbell_console.rights import Abilities, Caller
from schoolbell_console.services import SERVICES, Services
from schoolbell_console.session import SESSION, Session
from schoolbell_console.texts import LANGUAGES, Words, choose

THEMES = ("auto", "light", "dark")


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What a page needs whoever asks for it."""

    request: web.Request
    services: Services
    session: Session | None
    words: Words

    def values(self) -> dict[str, Any]:
        """Return what every template may use."""
        theme = self.request.cookies.get("theme", "")
        return {
            "t": self.words,
            "language": self.words.language,
            "languages": LANGUAGES,
            "theme": theme if theme in THEMES else "auto",
            "themes": THEMES,
            "here": self.request.path_qs,
            "form_token": self.services.sessions.token(self.session),
            "signed_in": self.session is not None,
            "static": self.services.static,
        }

    def page(
        self,
        template: str,
        values: Mapping[str, Any],
        status: int = HTTPStatus.OK,
    ) -> web.Response:
        """Return a page."""
        text = self.services.templates.get_template(template).render(**self.values(), **values)
        return web.Response(text=text, content_type="text/html", status=status)


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """A request within a district."""

    look: Look
    client: AsyncClient
    caller: Caller
    district_id: str
    district: districts.District
    known: list[districts.District]
    """The districts to choose from."""

    @property
    def can(self) -> Abilities:
        """Return what the person may do here."""
        return Abilities(self.caller, self.district_id)

    @property
    def words(self) -> Words:
        """Return the texts of the page."""
        return self.look.words

    @property
    def query(self) -> MultiMapping[str]:
        """Return the query of the request's URL."""
        return self.look.request.query

    def url(self, path: str) -> str:
        """Return the address of a page of this district."""
        return f"/d/{self.district_id}/{path}"

    def page(self, template: str, status: int = HTTPStatus.OK, **values: Any) -> web.Response:
        """Return a page of this district."""
        shared: dict[str, Any] = {
            "visit": self,
            "can": self.can,
            "caller": self.caller,
            "district": self.district,
            "district_id": self.district_id,
            "known": self.known,
            "places": places(self.can),
            "url": self.url,
        }
        return self.look.page(template, shared | values, status)

    def place(self, name: str) -> Place | None:
        """Return a page's place in the menu, None where the person may not see it."""
        return next(
            (one for group in places(self.can).values() for one in group if one.name == name), None
        )


def look_of(request: web.Request, time_zone: str = "") -> Look:
    """Return what a page needs whoever asks for it."""
    language = choose(
        request.cookies.get("language", ""), request.headers.get("Accept-Language", "")
    )
    return Look(
        request=request,
        services=request.app[SERVICES],
        session=request.get(SESSION),
        words=Words(language, time_zone),
    )
