"""The user and password of a connection to the broker, in a file that may change at any time.

A user is rotated by a second one: of `district.X` there are `district.X`, `district.X.2` and so on,
with the same rights, and two of them are good while a rotation is under way. The configuration
names the first, and the file the one that is used, so that nothing restarts.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from schoolbell_server.config.secret import Secret


@dataclass(frozen=True, slots=True)
class Login:
    """A user of the broker and its password."""

    user: str
    password: Secret
    """Empty where the user was there before: the broker knows only a hash of it."""

    @property
    def line(self) -> str:
        """Return the only line of a password file."""
        return f"{self.user}:{self.password.reveal()}"

    @classmethod
    def read(cls, line: str, user: str) -> Login:
        """Read the line of a password file of a user: `USER:PASSWORD`, or the password alone.

        What stands before a colon is a user only if it is the same one, at some rotation.
        """
        named, _, password = line.partition(":")
        if password and rotation_of(named, user):
            return cls(named, Secret(password))
        return cls(user, Secret(line))


def rotated(user: str, rotation: int) -> str:
    """Return the name of a user at a rotation, from 1."""
    return user if rotation == 1 else f"{user}.{rotation}"


def rotation_of(name: str, user: str) -> int:
    """Return at which rotation, from 1, a name is that of a user; 0 where it is another's."""
    if name == user:
        return 1
    numbered = re.fullmatch(rf"{re.escape(user)}\.([1-9][0-9]{{0,8}})", name)
    return int(numbered[1]) if numbered else 0
