"""The Python client of Schoolbell.

    async with AsyncClient(Connection(target="…", key="sb_…", ca=pem)) as client:
        answer = await client.changes.PublishChange(request)

`Connection(token_source=TokenFile(path))` shows a token of an identity provider in place of a key.
`Client` is the same for blocking code; messages are in `schoolbell.v1`.
"""

from schoolbell.blocking import Client
from schoolbell.client import AsyncClient
from schoolbell.connection import Connection
from schoolbell.errors import SchoolbellError
from schoolbell.keys import InvalidKeyError, read_key
from schoolbell.publisher import AsyncPublisher
from schoolbell.targets import BadConnection
from schoolbell.tokens import TokenFile
from schoolbell.watcher import AsyncWatcher

__all__ = [
    "AsyncClient",
    "AsyncPublisher",
    "AsyncWatcher",
    "BadConnection",
    "Client",
    "Connection",
    "InvalidKeyError",
    "SchoolbellError",
    "TokenFile",
    "read_key",
]
