"""While the demonstration serves: what can be tried, and what its phones show of it."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from shlex import quote

import aiohttp
from rich.console import Console

from schoolbell import AsyncClient, SchoolbellError
from schoolbell.v1 import access_service_pb2, change_service_pb2, status_service_pb2
from schoolbell.v1.explanation_pb2 import Decision
from schoolbell_server.demo.browser import Browsable
from schoolbell_server.demo.district import Phone
from schoolbell_server.demo.report import sandbox_session, text_of
from schoolbell_server.demo.stage import DISTRICT, Stage

_FOR_EVER = aiohttp.ClientTimeout(total=None)


async def hints(
    on: Stage, browsable: Browsable, *, untold: Decision | None, told: Sequence[str]
) -> str:
    """Return commands to try: lines that begin with two spaces.

    `untold` is a decision on somebody who got nothing, `told` are people who got something.
    """
    schoolbell = "schoolbell --key-file"
    lines = [
        f"Serving on localhost:{on.port} until Ctrl-C. In another terminal, in this folder:",
        "  . .venv/bin/activate",
        f"  export SCHOOLBELL_TARGET=localhost:{on.port} SCHOOLBELL_DISTRICT={DISTRICT}",
        f"  export SCHOOLBELL_CA_FILE={on.ca_file}",
        f"  export SCHOOLBELL_KEY_FILE={on.folder / 'data' / 'credentials' / 'operator.key'}",
        "  schoolbell status",
        "",
    ]
    administrator = f"{schoolbell} {on.key_file('administrator')}"
    if untold is not None:
        key = untold.change_key
        lines += [
            f"Why {untold.user_id} got nothing, as the administrator asks:",
            f"  {administrator} explain {quote(key.source)} {quote(key.change_id)}"
            f" --user {quote(untold.user_id)}",
            "",
        ]
    if student_id := await _student_of(on, told):
        change = quote(json.dumps(_own_change(student_id)))
        lines += [
            "A change of your own, as an SIS publishes it; whoever's phone shows it is named here:",
            f"  echo {change} | {schoolbell} {on.key_file('publisher')} changes publish -",
            "",
        ]
    lines += [
        f"Keys of the other callers are in {on.key_file('monitor').parent}. Another link to the"
        " console:",
        f"  schoolbell-console link --config {browsable.config} --key-file {browsable.key_file}",
    ]
    return "\n".join(lines)


async def count_shown(on: Stage) -> int:
    """Return how many pushes the phones have shown."""
    async with sandbox_session(on) as session, session.get("/v1/totals") as answer:
        answer.raise_for_status()
        shown: int = (await answer.json())["shown"]
        return shown


async def show_pushes(on: Stage, phones: Sequence[Phone], since: int, console: Console) -> None:
    """Print whatever a phone shows after so many pushes, for ever.

    Whose a phone is that the demonstration did not register, its delivery says.
    """
    owners = {phone.token: phone.user_id for phone in phones}
    async with (
        AsyncClient(on.connection(access_service_pb2.ROLE_MONITOR)) as monitor,
        sandbox_session(on) as session,
        session.get("/v1/shown", params={"since": since}, timeout=_FOR_EVER) as answer,
    ):
        answer.raise_for_status()
        async for line in answer.content:
            arrival = json.loads(line)
            address = arrival["address"]
            if address not in owners:
                owners[address] = await _owner(monitor, arrival["delivery_id"])
            said = f"The phone of {owners[address]} shows: {text_of(arrival)}"
            console.print(said, markup=False, highlight=False, soft_wrap=True)


async def _owner(monitor: AsyncClient, delivery_id: str) -> str:
    """Return whom a delivery tells; a test notification is none."""
    request = status_service_pb2.GetDeliveryRequest(district_id=DISTRICT, delivery_id=delivery_id)
    try:
        return (await monitor.status.GetDelivery(request)).delivery.user_id
    except SchoolbellError:
        return "somebody"


async def _student_of(on: Stage, told: Sequence[str]) -> str:
    """Return a student of whom somebody was told; '' if nobody was."""
    async with AsyncClient(on.connection(access_service_pb2.ROLE_ADMINISTRATOR)) as client:
        for user_id in told:
            request = change_service_pb2.ListDecisionsRequest(
                district_id=DISTRICT,
                filter=change_service_pb2.DecisionFilter(user_ids=[user_id]),
            )
            for one in (await client.changes.ListDecisions(request)).decisions:
                if not one.recorded.gate:
                    return one.student_id
    return ""


def _own_change(student_id: str) -> Mapping[str, object]:
    """Return a change that its publisher can make another one of by its id and amount."""
    now = dt.datetime.now(dt.UTC).replace(microsecond=0)
    return {
        "key": {"source": "my-own", "changeId": "1"},
        "studentId": student_id,
        "occurTime": now.isoformat().replace("+00:00", "Z"),
        "lunchBalance": {"accountId": "my-own", "balance": {"units": "4", "nanos": 250_000_000}},
    }
