"""The pages: each module has its handlers and their routes."""

from schoolbell_console.pages import (
    access,
    audit,
    data,
    display,
    front,
    imports,
    live,
    oidc,
    person,
    push,
    sign_in,
    stop,
    undelivered,
    why,
)

ROUTES = [
    *front.ROUTES,
    *sign_in.ROUTES,
    *oidc.ROUTES,
    *push.ROUTES,
    *live.ROUTES,
    *stop.ROUTES,
    *undelivered.ROUTES,
    *why.ROUTES,
    *person.ROUTES,
    *display.ROUTES,
    *imports.ROUTES,
    *access.ROUTES,
    *audit.ROUTES,
    *data.ROUTES,
]
