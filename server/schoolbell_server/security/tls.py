"""TLS credentials that follow their files without a restart.

gRPC asks for certificates at every handshake with the interpreter's lock held, so the answer is
always bytes already in memory; `watch` is what reads files.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import grpc
from cryptography import x509

from schoolbell_server.security.authority import LocalAuthority
from schoolbell_server.security.credential_files import (
    CredentialUnusable,
    Holds,
    certificates,
    check_pair,
    private_key,
    read_authority,
    read_file,
    read_private_key,
)
from schoolbell_server.security.secret_file import SecretExposed

CHECK_INTERVAL = dt.timedelta(seconds=10)

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsConfig:
    """Certificates; without any, a local authority is made in the data directory."""

    certificate_file: Annotated[Path | None, Holds(read_authority)] = None
    """PEM, the chain from the server's certificate upwards."""
    key_file: Annotated[Path | None, Holds(read_private_key)] = None
    """PEM, not encrypted."""
    client_ca_file: Annotated[Path | None, Holds(read_authority)] = None
    """PEM; when set, every caller must show a certificate of it (mutual TLS)."""
    names: tuple[str, ...] = ()
    """Further host names and addresses for the locally made certificate."""


class TlsBroken(Exception):
    """The certificate, its key or the clients' authority cannot be used; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Material:
    certificate: bytes
    key: bytes
    client_ca: bytes | None

    def configuration(self) -> grpc.ServerCertificateConfiguration:
        """Return it as gRPC wants it."""
        return grpc.ssl_server_certificate_configuration(
            [(self.key, self.certificate)], root_certificates=self.client_ca
        )


class ServerTls:
    """The server's TLS: certificates of the operator, or of the local authority."""

    def __init__(
        self,
        config: TlsConfig,
        data_dir: Path,
        report: Callable[[str, str], None] = lambda setting, problem: None,
    ) -> None:
        """`report` takes a setting and what is wrong with what was put in its place, or ''."""
        self._report = report
        self._client_ca_file = config.client_ca_file
        self.authority: LocalAuthority | None = None
        if config.certificate_file and config.key_file:
            self._certificate_file, self._key_file = config.certificate_file, config.key_file
        else:
            self.authority = LocalAuthority(folder=data_dir / "tls", names=config.names)
            self._certificate_file = self.authority.certificate_file
            self._key_file = self.authority.key_file
        self._material = self._load()
        self._configuration = self._material.configuration()
        self._served = self._configuration

    def credentials(self) -> grpc.ServerCredentials:
        """Return credentials whose certificates change as `refresh` finds new ones."""
        return grpc.dynamic_ssl_server_credentials(
            self._configuration,
            self._changed,  # type: ignore[arg-type]  # the stub forgets that None means "as before"
            require_client_authentication=self._client_ca_file is not None,
        )

    @property
    def files(self) -> tuple[Path, Path, Path | None]:
        """Return the files of the certificate, its key and the clients' authority."""
        return self._certificate_file, self._key_file, self._client_ca_file

    def refresh(self) -> bool:
        """Read the files again; True if they hold something new.

        TlsBroken leaves the present certificates in use.
        """
        material = self._load()
        if material == self._material:
            return False
        self._configuration = material.configuration()
        self._material = material
        return True

    async def watch(self, interval: dt.timedelta = CHECK_INTERVAL) -> None:
        """Refresh for ever; a file that is broken is reported, and the old one stays in use."""
        while True:
            await asyncio.sleep(interval.total_seconds())
            try:
                if await asyncio.to_thread(self.refresh):
                    logger.info("certificates reloaded")
                self._report("server.tls", "")
            except TlsBroken as error:
                self._report("server.tls", f"{error}. The certificates in use stay in use.")

    def _changed(self) -> grpc.ServerCertificateConfiguration | None:
        configuration = self._configuration
        if configuration is self._served:
            return None
        self._served = configuration
        return configuration

    def _load(self) -> _Material:
        """Read all files; a certificate and key that do not fit would fail every call."""
        try:
            if self.authority:
                self.authority.ensure(dt.datetime.now(dt.UTC))
        except (OSError, ValueError, TypeError, x509.ExtensionNotFound, SecretExposed) as error:
            why = str(error) if isinstance(error, SecretExposed) else type(error).__name__
            raise TlsBroken(f"server.tls: the local authority cannot be used: {why}") from error
        with _named("certificate_file"):
            certificate = read_file(self._certificate_file)
            chain = certificates(certificate)
        with _named("key_file"):
            key = read_file(self._key_file)
            check_pair(chain, private_key(key))
        with _named("client_ca_file"):
            client_ca = read_authority(self._client_ca_file) if self._client_ca_file else None
        return _Material(certificate=certificate, key=key, client_ca=client_ca)


@contextmanager
def _named(key: str) -> Iterator[None]:
    """Name the setting whose file is at fault."""
    try:
        yield
    except CredentialUnusable as error:
        raise TlsBroken(f"server.tls.{key}: the file {error}") from None
