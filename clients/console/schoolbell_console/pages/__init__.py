"""The pages: each module has its handlers and their routes."""

from schoolbell_console.pages import front, live, oidc, push, sign_in, stop, why

ROUTES = [
    *front.ROUTES,
    *sign_in.ROUTES,
    *oidc.ROUTES,
    *push.ROUTES,
    *live.ROUTES,
    *why.ROUTES,
    *stop.ROUTES,
]
