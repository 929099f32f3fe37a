"""Makes, on the broker, what hubs and districts need there, and takes it away.

Everything here may be repeated: what stands already is left, what is missing is made.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from schoolbell_server.config.topology import (
    DEAD_LETTER_ARGUMENTS,
    DEAD_LETTER_EXCHANGE,
    DEAD_LETTER_QUEUE,
    DISTRICTS_ARGUMENTS,
    DISTRICTS_STREAM,
    HUB_PERMISSIONS,
    HUB_USER,
    OUTCOMES_EXCHANGE,
    USER_LIMITS,
    VIRTUAL_HOST,
    Arguments,
    Binding,
    DistrictTopology,
    Permissions,
)
from schoolbell_server.hub.management import Management
from schoolbell_server.hub.users import EnrollmentRefused, RotatedUser, permit
from schoolbell_server.link.login import Login

_EVERYTHING = Permissions(configure=".*", write=".*", read=".*")
_NOT_SET_UP = "the broker is not set up for hubs: run `hub setup` first"


class Enrollment:
    """Enrolls districts on one broker."""

    def __init__(self, broker: Management) -> None:
        self._broker = broker

    def hubs(self) -> RotatedUser:
        """Return the user that all hubs present."""
        return RotatedUser(self._broker, HUB_USER, HUB_PERMISSIONS, {})

    def district_user(self, district: DistrictTopology) -> RotatedUser:
        """Return the user that a district presents."""
        return RotatedUser(self._broker, district.user, district.permissions, USER_LIMITS)

    async def set_up(self) -> Login:
        """Make the virtual host, what all districts share, and the user of the hubs."""
        await self._broker.put("vhosts", VIRTUAL_HOST)
        administrator = str((await self._broker.get("whoami"))["name"])
        await permit(self._broker, administrator, _EVERYTHING)
        await self._exchange(OUTCOMES_EXCHANGE, "direct")
        await self._exchange(DEAD_LETTER_EXCHANGE, "fanout")
        await self._queue(DEAD_LETTER_QUEUE, DEAD_LETTER_ARGUMENTS)
        await self._bind(Binding(DEAD_LETTER_EXCHANGE, "", DEAD_LETTER_QUEUE))
        await self._queue(DISTRICTS_STREAM, DISTRICTS_ARGUMENTS)
        return await self.hubs().ensure()

    async def enroll(self, district: DistrictTopology) -> Login:
        """Make a district's exchange, queues and user; without a password where it has one."""
        if await self._broker.get("exchanges", VIRTUAL_HOST, OUTCOMES_EXCHANGE) is None:
            raise EnrollmentRefused(_NOT_SET_UP)
        await self._exchange(district.exchange, "direct")
        for queue, arguments in district.queues.items():
            await self._queue(queue, arguments)
        for binding in district.bindings:
            await self._bind(binding)
        login = await self.district_user(district).ensure()
        await self._tell_hubs(f"+{district.district}")
        return login

    async def remove(self, district: DistrictTopology, *, discard: bool = False) -> None:
        """Remove a district with its user and all its queues.

        Raises EnrollmentRefused, and removes nothing, where messages wait in them, unless they
        are to be discarded.
        """
        if not discard:
            waiting = [queue for queue in district.queues if await self._waits(queue)]
            if waiting:
                raise EnrollmentRefused(
                    f"messages wait in {', '.join(waiting)}: let them drain, or discard them"
                )
        await self._tell_hubs(f"-{district.district}")
        await self.district_user(district).remove()
        await self._broker.delete("exchanges", VIRTUAL_HOST, district.exchange)
        for queue in district.queues:
            await self._broker.delete("queues", VIRTUAL_HOST, queue)

    async def _tell_hubs(self, entry: str) -> None:
        """Add an entry to the stream that every hub reads; one may say what they know."""
        message = {
            "properties": {"delivery_mode": 2},
            "routing_key": DISTRICTS_STREAM,
            "payload": entry,
            "payload_encoding": "string",
        }
        path = ("exchanges", VIRTUAL_HOST, "amq.default", "publish")
        answer = await self._broker.post(*path, body=message)
        if not answer["routed"]:
            raise EnrollmentRefused(_NOT_SET_UP)

    async def _waits(self, queue: str) -> bool:
        """Return whether messages wait, or are with a hub.

        The count is up to five seconds old, so the queue is looked into as well.
        """
        found: Mapping[str, Any] | None = await self._broker.get("queues", VIRTUAL_HOST, queue)
        if found is None:
            return False
        look = {"count": 1, "ackmode": "ack_requeue_true", "encoding": "base64", "truncate": 1}
        first = await self._broker.post("queues", VIRTUAL_HOST, queue, "get", body=look)
        return bool(first) or int(found.get("messages", 0)) > 0

    async def _exchange(self, name: str, kind: str) -> None:
        body = {"type": kind, "durable": True, "auto_delete": False, "internal": False}
        await self._broker.put("exchanges", VIRTUAL_HOST, name, body=body)

    async def _queue(self, name: str, arguments: Arguments) -> None:
        body = {"durable": True, "auto_delete": False, "arguments": dict(arguments)}
        await self._broker.put("queues", VIRTUAL_HOST, name, body=body)

    async def _bind(self, binding: Binding) -> None:
        await self._broker.post(
            *("bindings", VIRTUAL_HOST, "e", binding.exchange, "q", binding.queue),
            body={"routing_key": binding.routing_key},
        )
