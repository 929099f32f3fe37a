"""Google's service account file, checked before anything of it is used."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from cryptography.hazmat.primitives.asymmetric import rsa

from schoolbell_server.gateways.common.foreign_json import BadDocument, ForeignObject, read_object
from schoolbell_server.security.credential_files import (
    CredentialUnusable,
    read_file,
    read_rsa_key,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceAccount:
    """Who asks for access tokens, with which key, and where."""

    client_email: str
    private_key: rsa.RSAPrivateKey
    private_key_id: str
    token_origin: str
    """`https://host[:port]`"""
    token_path: str
    """Without the leading slash."""


def read_service_account(path: Path) -> ServiceAccount:
    """Return the account of a file; CredentialUnusable says what is wrong with it."""
    try:
        document = read_object(read_file(path))
    except BadDocument as error:
        raise CredentialUnusable(f"is no service account: {error}") from None
    origin, token_path = _endpoint(_required(document, "token_uri"))
    return ServiceAccount(
        client_email=_required(document, "client_email"),
        private_key=read_rsa_key(_required(document, "private_key")),
        private_key_id=document.text("private_key_id"),
        token_origin=origin,
        token_path=token_path,
    )


def _required(document: ForeignObject, key: str) -> str:
    value = document.text(key).strip()
    if not value:
        raise CredentialUnusable(f"is no service account: {key} must be a text")
    return value


def _endpoint(uri: str) -> tuple[str, str]:
    """Return origin and path of the token endpoint."""
    try:
        url = urlsplit(uri)
        host, port = url.hostname, url.port
    except ValueError:
        host, port = None, None
    if (
        not host
        or url.scheme != "https"
        or url.username is not None
        or port == 0
        or not (uri.isascii() and uri.isprintable())
        or " " in uri
    ):
        raise CredentialUnusable(
            "is no service account: token_uri must be an https URL, such as "
            "https://oauth2.googleapis.com/token"
        )
    where = f"[{host}]" if ":" in host else host
    path = url.path.lstrip("/") + (f"?{url.query}" if url.query else "")
    return f"https://{where}" + ("" if port is None else f":{port}"), path
