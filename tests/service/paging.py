"""Lists that are answered page by page."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Protocol, TypeVar


class Request(Protocol):
    """A request for one page."""

    page_token: str


class Page(Protocol):
    """The answer to it."""

    next_page_token: str


_Request = TypeVar("_Request", bound=Request)
_Page = TypeVar("_Page", bound=Page)


async def pages(
    call: Callable[[_Request], Awaitable[_Page]], request: _Request
) -> AsyncIterator[_Page]:
    """Yield page after page from the one asked for, moving the request on."""
    while True:
        page = await call(request)
        yield page
        request.page_token = page.next_page_token
        if not page.next_page_token:
            return
