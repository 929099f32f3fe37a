"""Put the console together."""

from __future__ import annotations

from collections.abc import AsyncIterator

from aiohttp import web
from jinja2 import Environment, PackageLoader, StrictUndefined

from schoolbell_console import guards
from schoolbell_console.calls import Calls, connection
from schoolbell_console.config import Config
from schoolbell_console.links import Links
from schoolbell_console.oidc import Provider
from schoolbell_console.pages import ROUTES
from schoolbell_console.pages.live import STREAMS, Streams, end_streams
from schoolbell_console.renewal import Renewals
from schoolbell_console.seals import read_seals
from schoolbell_console.services import SERVICES, STATIC, Services, static_marks
from schoolbell_console.session import Sessions
from schoolbell_console.showing import FILTERS
from schoolbell_console.spent import Spent

_LONGEST_FORM = 512 * 1024  # bytes


def make_app(config: Config) -> web.Application:
    """Return the application; raises BadConfig and BadConnection."""
    reached = connection(config.server)
    seals = read_seals(config.console.cookie_key_file)
    provider = Provider(config.oidc, config.console.origin) if config.oidc is not None else None
    app = web.Application(
        middlewares=[guards.errors_in_words, guards.sessions, guards.own_forms],
        client_max_size=_LONGEST_FORM,
    )
    app.on_response_prepare.append(guards.add_headers)

    async def running(app: web.Application) -> AsyncIterator[None]:
        calls = Calls(reached)
        spent = Spent(config.spent_file)
        app[SERVICES] = Services(
            config=config,
            calls=calls,
            seals=seals,
            sessions=Sessions(config, seals, spent),
            links=Links(seals, spent),
            provider=provider,
            renewals=Renewals(provider) if provider is not None else None,
            templates=_templates(),
            marks=static_marks(),
        )
        app[STREAMS] = Streams()
        yield
        await calls.close()
        spent.close()
        if provider is not None:
            await provider.close()

    app.cleanup_ctx.append(running)
    app.on_shutdown.append(end_streams)
    app.router.add_static("/static", STATIC)
    app.router.add_routes(ROUTES)
    return app


def _templates() -> Environment:
    found = Environment(
        loader=PackageLoader("schoolbell_console"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.filters.update(FILTERS)
    return found
