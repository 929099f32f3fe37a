"""What the day looked like: three phones, one person who got nothing, and the sums."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import aiohttp
from rich.console import Console
from rich.table import Table

from schoolbell import AsyncClient
from schoolbell.v1 import (
    access_service_pb2,
    change_service_pb2,
    common_pb2,
    delivery_pb2,
    status_service_pb2,
)
from schoolbell.v1.explanation_pb2 import Decision
from schoolbell_server.demo.district import Phone
from schoolbell_server.demo.stage import DISTRICT, Stage

_PHONES_SHOWN = 3
_LINES_SHOWN = 8
_GOOD = frozenset(
    {
        delivery_pb2.DELIVERY_STATE_ACCEPTED,
        delivery_pb2.DELIVERY_STATE_DISPLAYED,
        delivery_pb2.DELIVERY_STATE_OPENED,
        delivery_pb2.DELIVERY_STATE_CANCELLED,
    }
)


async def show_phones(on: Stage, phones: Sequence[Phone], console: Console) -> list[str]:
    """Print what three phones received, word for word, as the sandbox kept it; return whose."""
    shown: list[str] = []
    async with sandbox_session(on) as session:
        for phone in phones:
            arrivals = await _arrivals(session, phone.token)
            if not arrivals or len(shown) == _PHONES_SHOWN:
                continue
            shown.append(phone.user_id)
            platform = common_pb2.Platform.Name(phone.platform).removeprefix("PLATFORM_")
            console.print(f"\n[bold]The phone of {phone.user_id}[/bold] ({platform}) received:")
            for arrival in arrivals[:_LINES_SHOWN]:
                console.print(f"  {text_of(arrival)}", highlight=False, markup=False)
            if len(arrivals) > _LINES_SHOWN:
                console.print(f"  and {len(arrivals) - _LINES_SHOWN} more")
    return shown


async def show_nobody(on: Stage, phones: Sequence[Phone], console: Console) -> Decision | None:
    """Print one person who got nothing, and the recorded reason; return a decision on them."""
    async with AsyncClient(on.connection(access_service_pb2.ROLE_ADMINISTRATOR)) as client:
        for phone in phones:
            request = change_service_pb2.ListDecisionsRequest(
                district_id=DISTRICT,
                filter=change_service_pb2.DecisionFilter(user_ids=[phone.user_id]),
                page_size=200,
            )
            found = (await client.changes.ListDecisions(request)).decisions
            if not found or any(not one.recorded.gate for one in found):
                continue
            gate, reason = Counter(
                (one.recorded.gate, one.recorded.reason) for one in found
            ).most_common(1)[0][0]
            named = common_pb2.RefusalReason.Name(reason).removeprefix("REFUSAL_REASON_")
            console.print(
                f"\n[bold]{phone.user_id} got nothing[/bold]: {len(found)} decisions, "
                f"mostly at gate {int(gate)} ({named.replace('_', ' ').lower()})."
            )
            return next(
                one for one in found if (one.recorded.gate, one.recorded.reason) == (gate, reason)
            )
    return None


def text_of(arrival: Mapping[str, Any]) -> str:
    """Return what a phone shows of a push."""
    return ": ".join(part for part in (arrival["title"], arrival["body"]) if part)


def sandbox_session(on: Stage) -> aiohttp.ClientSession:
    """Return a session with the sandbox's control API."""
    return aiohttp.ClientSession(f"http://127.0.0.1:{on.sandbox['control_port']}")


async def _arrivals(session: aiohttp.ClientSession, token: str) -> list[dict[str, Any]]:
    async with session.get("/v1/arrivals", params={"address": token}) as response:
        response.raise_for_status()
        found: list[dict[str, Any]] = await response.json()
        return found


def show_sums(tallies: Sequence[status_service_pb2.Tally], console: Console) -> None:
    """Print changes, decisions and deliveries by kind."""
    table = Table("kind", "changes", "deliveries by state", "not told, by reason")
    for tally in tallies:
        states = [
            f"{one.count} {delivery_pb2.DeliveryState.Name(one.state).removeprefix(_STATE)}"
            for one in tally.deliveries
        ]
        refusals = [
            f"{one.count} {common_pb2.RefusalReason.Name(one.reason).removeprefix(_REASON)}"
            for one in tally.refusals
        ]
        kind = common_pb2.Kind.Name(tally.kind).removeprefix("KIND_")
        table.add_row(kind, str(tally.change_count), "\n".join(states), "\n".join(refusals))
    console.print(table)


_STATE, _REASON = "DELIVERY_STATE_", "REFUSAL_REASON_"


def went_right(results: Counter[str], tallies: Sequence[status_service_pb2.Tally]) -> bool:
    """Return whether every change was accepted and every delivery went out or was superseded."""
    good = all(one.state in _GOOD for tally in tallies for one in tally.deliveries)
    told = sum(one.count for tally in tallies for one in tally.deliveries)
    return good and told > 0 and set(results) == {"ACCEPTED"}
