"""Tell a connection that can never work from one that is broken for a while.

gRPC says UNAVAILABLE to both, and of several addresses it names the last one's error alone: behind
a refused `::1` it hides that the certificate of `127.0.0.1` is not trusted. So the addresses are
tried one by one, with a handshake of our own.
"""

from __future__ import annotations

import errno
import os
import socket
import ssl
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from schoolbell.connection import Connection
from schoolbell.targets import host_and_port

_PATIENCE = 3.0  # seconds for an address
_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00"
_SETTINGS = 4  # the type of an HTTP/2 frame, in its fourth byte
_UNKNOWN_AUTHORITY = (18, 19, 20, 21)  # OpenSSL's X509_V_ERR_…, of which it says four sentences
_TLS_RECORDS = (b"\x15\x03", b"\x16\x03")


@dataclass(frozen=True, slots=True)
class Look:
    """What a try of each address of a target found; both empty where it works."""

    mistake: str = ""
    """Why the connection can never work."""
    away: str = ""
    """Why it does not work now, although it may later, such as that it is refused."""


def find_mistake(connection: Connection, *, names: bool = True) -> str:
    """Return why a connection can never work; '' if it works, or may work later.

    With `names` a host that nobody knows is such a mistake. Blocks for some seconds at most.
    """
    return look(connection, names=names).mistake


def look(connection: Connection, *, names: bool = True) -> Look:
    """Try every address of a target; one that works is enough."""
    place = host_and_port(connection.target)
    if place is None:
        return Look()  # resolved by gRPC in its own way
    try:
        addresses = socket.getaddrinfo(*place, type=socket.SOCK_STREAM)
    except socket.gaierror as error:
        unknown = error.errno in (socket.EAI_NONAME, getattr(socket, "EAI_NODATA", None))
        told = f"the host {place[0]!r} is not known"
        return Look(mistake=told) if unknown and names else Look(away=told)
    except UnicodeError:
        return Look(mistake=f"{place[0]!r} is no host name")
    mistake = away = ""
    for family, kind, protocol, _, address in addresses:
        try:
            with socket.socket(family, kind, protocol) as plain:
                plain.settimeout(_PATIENCE)
                if connection.plaintext:
                    plain.connect(address)
                    found = _plaintext(plain, address)
                else:
                    found = _tls(plain, address, connection, place[0])
        except OSError as error:
            away = _away(error)  # of the last address, which is IPv4 where there are both
            continue
        if not found:
            return Look()
        mistake = mistake or found
    return Look(mistake=mistake, away="" if mistake else away)


def _away(error: OSError) -> str:
    if isinstance(error, TimeoutError):
        return f"no answer in {_PATIENCE:g} s"
    text = os.strerror(error.errno) if error.errno else "the connection failed"
    return text[:1].lower() + text[1:]


def _tls(plain: socket.socket, address: Any, connection: Connection, host: str) -> str:
    """Connect with TLS, and return what is wrong for good.

    The socket is wrapped before it connects: one that is reset between the two stays open in older
    versions of Python, or is taken for one without a handshake.
    """
    try:
        context = ssl.create_default_context()
        if connection.ca is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.load_verify_locations(cadata=connection.ca.decode("ascii"))
    except (ssl.SSLError, ValueError):
        return "the authority (CA file) is not PEM"
    context.set_alpn_protocols(["h2"])
    is_connected = is_met = False
    try:
        with context.wrap_socket(
            plain, server_hostname=host, do_handshake_on_connect=False
        ) as secure:
            secure.connect(address)
            is_connected = True
            secure.do_handshake()
            is_met = True
            if secure.selected_alpn_protocol() != "h2":
                return "what listens there is no gRPC server: it does not speak HTTP/2"
            if connection.client_certificate is None:
                secure.recv(1)  # a server that wants a certificate says so after the handshake
            return ""
    except ssl.SSLCertVerificationError as error:
        is_unknown = error.verify_code in _UNKNOWN_AUTHORITY
        why = "no authority that is known here signed it" if is_unknown else error.verify_message
        return f"the server's certificate is not trusted: {why}"
    except (ssl.SSLEOFError, ssl.SSLZeroReturnError, TimeoutError, ConnectionError):
        if not is_connected:
            raise
        if not is_met:  # another address may be the server's
            raise ConnectionResetError(errno.ECONNRESET, "") from None
        return ""
    except ssl.SSLError as error:
        return f"the TLS handshake failed: {_words(error)}"


def _words(error: ssl.SSLError) -> str:
    reason = (error.reason or "no reason given").replace("_", " ").lower()
    known = {
        "wrong version number": "what listens there does not speak TLS",
        "record layer failure": "what listens there does not speak TLS",
        "tlsv13 alert certificate required": "the server wants a client certificate",
    }
    return known.get(reason, reason)


def _plaintext(plain: socket.socket, address: Any) -> str:
    plain.sendall(_PREFACE)
    answer = b""
    with suppress(OSError):
        answer = b"".join(_some(plain, 9))
    if not answer or answer.startswith(_TLS_RECORDS):
        return "the server speaks TLS: connect without `plaintext`" if _takes_tls(address) else ""
    if len(answer) < 4 or answer[3] != _SETTINGS:
        return "what listens there is no gRPC server: it does not speak HTTP/2"
    return ""


def _takes_tls(address: Any) -> bool:
    """Tell whether a TLS handshake succeeds, whoever the server is."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    family = socket.AF_INET6 if len(address) == 4 else socket.AF_INET
    try:
        with socket.socket(family) as plain, context.wrap_socket(plain) as secure:
            secure.settimeout(_PATIENCE)
            secure.connect(address)
            return True
    except OSError:
        return False


def _some(plain: socket.socket, count: int) -> Iterator[bytes]:
    while count > 0 and (data := plain.recv(count)):
        count -= len(data)
        yield data
