"""What an outcome brings back of a delivery, so that the district need not look it up."""

from __future__ import annotations

import datetime as dt
import struct
from typing import NamedTuple, Self

from schoolbell_server.domain.kinds import ProviderEnvironment
from schoolbell_storage.codec import from_micros, to_micros

_HEAD = struct.Struct(">qB")  # microseconds since 1970, the environment's number


class Echo(NamedTuple):
    """Opaque to a hub."""

    publish_time: dt.datetime
    environment: ProviderEnvironment
    address_hash: str

    def pack(self) -> bytes:
        """Return it as bytes, well below what a delivery may echo."""
        head = _HEAD.pack(to_micros(self.publish_time), int(self.environment))
        return head + self.address_hash.encode()

    @classmethod
    def unpack(cls, data: bytes) -> Self:
        """Read it back; ValueError where a hub changed it."""
        try:
            micros, environment = _HEAD.unpack_from(data)
            text = data[_HEAD.size :].decode("ascii")
            return cls(from_micros(micros), ProviderEnvironment(environment), text)
        except (struct.error, OverflowError, UnicodeDecodeError) as error:
            raise ValueError("not an echo of ours") from error
