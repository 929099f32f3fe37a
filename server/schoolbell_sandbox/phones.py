"""Show arriving notifications as phones would."""

from __future__ import annotations

import datetime as dt

from rich.console import Console, Group
from rich.panel import Panel
from rich.text import Text

from schoolbell_sandbox.ledger import Arrival, Ledger
from schoolbell_server.domain.kinds import Provider

WIDTH = 60


def card(arrival: Arrival) -> Panel:
    """Return a notification as it looks on a screen.

    The phone is named by the end of its address only: an address is a secret.
    """
    title, body = arrival.text
    phone = {Provider.APNS: "iPhone", Provider.FCM: "Android"}[arrival.provider]
    shown = dt.datetime.fromtimestamp(arrival.show_time or arrival.accept_time).strftime("%H:%M:%S")
    return Panel(
        Group(Text(title or arrival.app, style="bold"), Text(body)),
        title=f"{phone} …{arrival.address[-4:]}",
        title_align="left",
        subtitle=shown,
        subtitle_align="right",
        width=WIDTH,
    )


async def show_phones(ledger: Ledger, console: Console) -> None:
    """Print every notification a phone shows, for ever."""
    async for batch in ledger.follow_shown():
        for arrival in batch:
            console.print(card(arrival))
