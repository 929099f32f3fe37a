"""The stock libraries' clients, as they are but for the address and whom they trust."""

from __future__ import annotations

import ssl

from aioapns import APNs
from aioapns.connection import APNsTLSClientProtocol


def aioapns_client(
    port: int, context: ssl.SSLContext, *, key: str, key_id: str, team_id: str, topic: str
) -> APNs:
    """Return an aioapns client of a server on this machine."""

    class ToHere(APNsTLSClientProtocol):
        APNS_SERVER = "localhost"
        APNS_PORT = port

    context.set_alpn_protocols(["h2"])
    client = APNs(key=key, key_id=key_id, team_id=team_id, topic=topic, ssl_context=context)
    client.pool.protocol_class = ToHere
    return client
