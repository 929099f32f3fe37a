"""One user of the broker, with a limit and rights, over all its rotations."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Mapping
from dataclasses import dataclass

from schoolbell_server.config.secret import Secret
from schoolbell_server.config.topology import VIRTUAL_HOST, Permissions
from schoolbell_server.hub.management import Management
from schoolbell_server.link.login import Login, rotated, rotation_of

_PASSWORD_BYTES = 32
_LOOK_AGAIN = 0.5  # seconds
_LOOKS = 120
"""How often it is looked for connections that come back: for a minute."""


class EnrollmentRefused(Exception):
    """It cannot be done as things stand on the broker; the text says what to do."""


@dataclass(frozen=True, slots=True)
class RotatedUser:
    """A user that is one, or two while its password is rotated; the present one has the last name.

    Nothing but the names says which is which.
    """

    broker: Management
    name: str
    """As it is without rotation."""
    permissions: Permissions
    limits: Mapping[str, int]

    async def ensure(self) -> Login:
        """Make the user, or put its limits and rights right, and return the present one."""
        for user in await self.existing() or [self.name]:
            login = await self._make(user)
        return login

    async def rotate(self) -> Login:
        """Make a second user with a password of its own; the first stays good.

        Repeated before the rotation is ended, it gives that second user another password.
        """
        *former, present = await self._enrolled()
        if former:
            await self._remove(present)
        else:
            present = rotated(self.name, rotation_of(present, self.name) + 1)
        return await self._make(present)

    async def end_rotation(self, *, now: bool = False) -> list[str]:
        """Remove the former user, and return its name, or nothing where there is none.

        Its connections are closed first, while it is still good: whoever has the new password
        comes back with it. Raises EnrollmentRefused, and removes nothing, where somebody does not
        within a minute, unless the former user is to go `now`.
        """
        *former, present = await self._enrolled()
        if former and not now:
            await self._change(former, present)
        for user in former:
            await self._remove(user)
        return former

    async def remove(self) -> None:
        """Remove the user with all its connections."""
        for user in await self.existing():
            await self._remove(user)

    async def existing(self) -> list[str]:
        """Return the names that stand, the present one last."""
        names = [str(user["name"]) for user in await self.broker.get("users")]
        numbers = {name: rotation_of(name, self.name) for name in names}
        return sorted((name for name in names if numbers[name]), key=numbers.__getitem__)

    async def _enrolled(self) -> list[str]:
        if not (users := await self.existing()):
            raise EnrollmentRefused(f"there is no user {self.name}: enroll it first")
        return users

    async def _change(self, former: list[str], present: str) -> None:
        """Let all connections of former users come back as the present one's."""
        there = await self._connections(present)
        wanted = there + await self._close(former)
        if not wanted:
            raise EnrollmentRefused(
                "nobody is connected, so nothing shows that the new password is in use"
            )
        for _ in range(_LOOKS):
            if await self._connections(present) >= wanted:
                return
            await asyncio.sleep(_LOOK_AGAIN)
        raise EnrollmentRefused(
            f"not all of {wanted} connections came back as {present}: put the new password where"
            " the old one is, on every server"
        )

    async def _close(self, users: list[str]) -> int:
        """Close the connections of users, and return how many there were."""
        count = 0
        for user in users:
            count += await self._connections(user)
            await self.broker.delete("connections", "username", user)
        return count

    async def _make(self, user: str) -> Login:
        """Make a user, unless it is there; until it is limited it may not open the virtual host."""
        password = Secret("")
        if await self.broker.get("users", user) is None:
            password = Secret(secrets.token_urlsafe(_PASSWORD_BYTES))
            body = {"password": password.reveal(), "tags": ""}
            await self.broker.put("users", user, body=body)
        for limit, value in self.limits.items():
            await self.broker.put("user-limits", user, limit, body={"value": value})
        await permit(self.broker, user, self.permissions)
        return Login(user, password)

    async def _remove(self, user: str) -> None:
        """Remove a user; the broker closes its connections."""
        await self.broker.delete("users", user)

    async def _connections(self, user: str) -> int:
        return len(await self.broker.get("connections", "username", user) or ())


async def permit(broker: Management, user: str, permissions: Permissions) -> None:
    """Let a user of the broker reach what permissions say, and nothing else."""
    body = {
        "configure": permissions.configure,
        "write": permissions.write,
        "read": permissions.read,
    }
    await broker.put("permissions", VIRTUAL_HOST, user, body=body)
