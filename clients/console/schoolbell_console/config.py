"""The configuration of the console: a TOML file, refused in a sentence where it cannot work."""

from __future__ import annotations

import ipaddress
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import SplitResult, urlsplit

_Part = TypeVar("_Part")


class BadConfig(ValueError):
    """The configuration cannot work; the message names the setting."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsoleConfig:
    """The table `[console]`."""

    origin: str
    """What people type to reach the console, such as `https://console.example.org`."""
    listen: str = "127.0.0.1:8443"
    """Address and port; port 0 is any that is free."""
    cookie_key_file: Path = Path("console-cookie.key")
    """Seals sessions; made where it is missing. One key a line, the first seals."""
    spent_file: Path | None = None
    """What was signed out or used; else beside the cookie key, which may not be writable."""
    idle_minutes: int = 30
    """After so long without a request a session ends."""
    session_hours: int = 12
    """After so long a session ends, whatever happens."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerConfig:
    """The table `[server]`: where the service is."""

    target: str = "localhost:7443"
    ca_file: Path | None = None
    plaintext: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsConfig:
    """The table `[tls]`: the console's own certificate; without it a proxy speaks TLS."""

    certificate_file: Path
    key_file: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class OidcConfig:
    """The table `[oidc]`: the identity provider where people sign in; without it, by key alone."""

    issuer: str
    """Its own name, an https URL under which its description is found."""
    client_id: str
    client_secret_file: Path | None = None
    """Without one the console is a public client, which PKCE alone protects."""
    scope: str = "openid"
    """What is asked for; `offline_access` at many providers, so that sessions can be renewed."""
    resource: str = ""
    """The service, as the provider calls it, where it wants to be told whom tokens are for."""
    ca_file: Path | None = None
    label: str = ""
    """What the button says; empty is the language's own words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """Everything."""

    console: ConsoleConfig
    server: ServerConfig
    tls: TlsConfig | None = None
    oidc: OidcConfig | None = None

    @property
    def is_secure(self) -> bool:
        """Return whether browsers reach the console over TLS."""
        return self.console.origin.startswith("https://")

    @property
    def spent_file(self) -> Path:
        """Return where it is kept what was signed out or used."""
        return self.console.spent_file or self.console.cookie_key_file.with_suffix(".spent")

    @property
    def address(self) -> tuple[str, int]:
        """Return where to listen."""
        host, _, port = self.console.listen.rpartition(":")
        return host.strip("[]"), int(port)


def load(path: Path) -> Config:
    """Read a configuration; raises BadConfig."""
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise BadConfig(f"{path} cannot be read: {error.strerror}") from None
    except RecursionError:
        raise BadConfig(f"{path} is not TOML: it is nested too deep") from None
    except ValueError as error:
        raise BadConfig(f"{path} is not TOML: {error}") from None
    if unknown := sorted(document.keys() - {"console", "oidc", "server", "tls"}):
        raise BadConfig(f"[{unknown[0]}] is not a table of the configuration")
    return _checked(
        Config(
            console=_part(ConsoleConfig, document.get("console", {}), "console"),
            server=_part(ServerConfig, document.get("server", {}), "server"),
            tls=_part(TlsConfig, document["tls"], "tls") if "tls" in document else None,
            oidc=_part(OidcConfig, document["oidc"], "oidc") if "oidc" in document else None,
        )
    )


def _part(kind: type[_Part], table: Any, name: str) -> _Part:
    """Return a table as its class, paths as paths."""
    if not isinstance(table, Mapping):
        raise BadConfig(f"{name} must be a table")
    known = {field.name: str(field.type) for field in fields(kind)}  # type: ignore[arg-type]
    values = {}
    for key, value in table.items():
        if key not in known:
            raise BadConfig(f"{name}.{key} is not a setting")
        wanted = known[key].partition(" ")[0]
        if type(value).__name__ != {"Path": "str"}.get(wanted, wanted):
            raise BadConfig(f"{name}.{key} has the wrong type")
        if isinstance(value, str) and not value.isprintable():
            raise BadConfig(f"{name}.{key} holds a character that does not print")
        if wanted == "Path" and not value:
            raise BadConfig(f"{name}.{key} names no file")
        values[key] = Path(value) if wanted == "Path" else value
    try:
        return kind(**values)
    except TypeError as error:
        raise BadConfig(f"{name}: {str(error).partition(' missing ')[2] or error}") from None


def _checked(config: Config) -> Config:
    console = config.console
    origin = _url(console.origin)
    if origin.scheme not in ("http", "https") or not origin.netloc or origin.path:
        raise BadConfig("console.origin must be https://host, without a path")
    if origin.scheme == "http" and not _is_loopback(origin.hostname or ""):
        raise BadConfig("console.origin must be https: without TLS, passwords and names are open")
    if not _is_address(console.listen):
        raise BadConfig("console.listen must be address:port")
    if not 1 <= console.idle_minutes <= 1440:
        raise BadConfig("console.idle_minutes must be from 1 to 1440")
    if not 1 <= console.session_hours <= 168:
        raise BadConfig("console.session_hours must be from 1 to 168")
    if config.oidc is not None:
        issuer = _url(config.oidc.issuer)
        if issuer.scheme != "https" or not issuer.netloc or issuer.query or issuer.fragment:
            raise BadConfig("oidc.issuer must be https://host, with a path or without")
        if "openid" not in config.oidc.scope.split():
            raise BadConfig("oidc.scope must have openid")
    return config


def _url(text: str) -> SplitResult:
    """Return the parts of a URL; what is none, or names somebody, has no parts."""
    try:
        found = urlsplit(text)
        good = text.isascii() and found.username is None and found.port != 0
    except ValueError:
        good = False
    return found if good else urlsplit("")


def _is_address(text: str) -> bool:
    """Return whether a text is a host or address, a colon and a port."""
    host, _, port = text.rpartition(":")
    is_port = port.isascii() and port.isdecimal() and len(port) <= 5 and int(port) <= 65535
    bracketed = host.startswith("[") and host.endswith("]")
    return is_port and bool(host) and host.isascii() and (":" in host) == bracketed


def _is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
