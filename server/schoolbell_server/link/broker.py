"""One connection to the broker, and what is wrong where there is none.

The library's own reconnecting is not used: a connection here lives once, and whoever needs another
opens it, so that what was under way on the old one is known to have ended.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import ssl
from pathlib import Path
from urllib.parse import quote

import aio_pika
from aio_pika.abc import AbstractConnection, ConnectionParameter
from aio_pika.exceptions import (
    AMQPError,
    AuthenticationError,
    ProbableAuthenticationError,
)
from aiormq.exceptions import ConnectionNotAllowed
from pamqp.commands import Queue

from schoolbell_server.config.broker import BrokerConfig
from schoolbell_server.domain.kinds import Outcome
from schoolbell_server.gateways.common.trouble import BrokerTrouble, LinkTrouble, trouble_of
from schoolbell_server.link.login import Login
from schoolbell_server.security.credential_files import read_file

HEARTBEAT = 10
"""Seconds; a peer that is silent for about twice that is gone."""
CONNECT_TIMEOUT = 10.0  # seconds
_NO_WAY = (errno.ECONNREFUSED, errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EPERM, errno.EACCES)
FAULTS = (AMQPError, OSError, TimeoutError, asyncio.InvalidStateError, RuntimeError)
"""What the library raises where a connection or a channel fails, or is already gone."""


# What goes wrong is told here, by who needs the connection, and in constant words.
for _library in ("aiormq", "aio_pika"):
    logging.getLogger(_library).setLevel(logging.CRITICAL)


class ReachedConnection(aio_pika.Connection):
    """A connection that may be told which name the broker's certificate has."""

    PARAMETERS = (
        *aio_pika.Connection.PARAMETERS,
        ConnectionParameter(name="server_hostname", parser=str, is_kwarg=True),
    )

    def __del__(self) -> None:
        """Leave alone what never opened: aio_pika would close it, though no loop may run."""


async def connect(config: BrokerConfig) -> AbstractConnection:
    """Open a connection; BrokerTrouble where there is none.

    Files are read anew, so that a password or certificate is replaced without a restart.
    """
    try:
        context = None if config.plaintext else await asyncio.to_thread(_context, config)
        async with asyncio.timeout(CONNECT_TIMEOUT):
            return await aio_pika.connect(
                _url(config),
                ssl_context=context,
                connection_class=ReachedConnection,
            )
    except (OSError, ValueError, EOFError, *FAULTS) as error:
        raise trouble_from(error) from None


def trouble_from(error: BaseException) -> BrokerTrouble:
    """Sort a fault of a connection; its words are the library's or the broker's own."""
    if isinstance(error, AuthenticationError | ProbableAuthenticationError):
        return BrokerTrouble(LinkTrouble.CREDENTIALS, "the broker refuses the credentials")
    if isinstance(error, ConnectionNotAllowed):
        return BrokerTrouble(LinkTrouble.CREDENTIALS, "the broker refuses the virtual host")
    if isinstance(error, TimeoutError):
        return BrokerTrouble(LinkTrouble.TIMEOUT, "no answer in time")
    cause = _innermost(error)
    if isinstance(cause, ssl.SSLError):
        return BrokerTrouble(LinkTrouble.TLS, _words(cause.reason or cause))
    reason = _words(cause)
    if isinstance(cause, OSError) and cause.errno in _NO_WAY:
        return BrokerTrouble(LinkTrouble.REFUSED, reason)
    return BrokerTrouble(trouble_of(Outcome.NOT_SENT, reason), reason)


def _innermost(error: BaseException) -> BaseException:
    """Return the cause of a fault: the library wraps what the system said, at times in a circle."""
    seen = [error]
    while True:
        error = seen[-1]
        causes = (error.__cause__, *error.args)
        inner = [one for one in causes if isinstance(one, BaseException) and one not in seen]
        if not inner:
            return error
        seen.append(inner[0])


def _words(what: object) -> str:
    return (str(what) or type(what).__name__)[:200]


def _url(config: BrokerConfig) -> str:
    scheme = "amqp" if config.plaintext else "amqps"
    host = f"[{config.host}]" if ":" in config.host else config.host
    options = f"heartbeat={HEARTBEAT}"
    user = quote(config.user, safe="")
    if config.password_file is None:
        options += "&auth=external"
    else:
        login = Login.read(_password_line(config.password_file), config.user)
        user = f"{quote(login.user, safe='')}:{quote(login.password.reveal(), safe='')}"
    if config.server_name:
        options += f"&server_hostname={quote(config.server_name, safe='')}"
    vhost = quote(config.virtual_host, safe="")
    return f"{scheme}://{user}@{host}:{config.port}/{vhost}?{options}"


def _password_line(file: Path) -> str:
    try:
        return read_file(file).decode("utf-8-sig").strip()
    except UnicodeDecodeError:  # whose words quote a byte of the password
        raise ValueError("the password file is not UTF-8 text") from None


def _context(config: BrokerConfig) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=config.ca_file)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if config.certificate_file is not None:
        context.load_cert_chain(config.certificate_file, config.key_file)
    return context


def messages_in(declared: Queue.DeclareOk) -> int | None:
    """Return how many messages wait in a queue that was declared; None where that is not known.

    While the leader of a quorum queue is silent, RabbitMQ answers 0 messages and 0 consumers in its
    place. A caller that waits for 0 needs a consumer, so that the two can be told apart.
    """
    return declared.message_count or (0 if declared.consumer_count else None)


async def is_blocked(connection: AbstractConnection) -> bool:
    """Return whether the broker has told this connection to publish nothing for now."""
    transport = connection.transport
    if transport is None:
        return False
    ready = asyncio.ensure_future(transport.connection.ready())
    await asyncio.sleep(0)
    blocked = not ready.done()
    ready.cancel()
    return blocked
