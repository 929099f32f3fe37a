"""TLS credentials that follow their files without a restart.

gRPC asks for certificates at every handshake with the interpreter's lock held, so the answer is
always bytes already in memory; `watch` is what reads files.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import logging
from dataclasses import dataclass
from pathlib import Path

import grpc
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from schoolbell_server.config import TlsConfig
from schoolbell_server.security.authority import LocalAuthority

CHECK_INTERVAL = dt.timedelta(seconds=10)

logger = logging.getLogger(__name__)


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

    def __init__(self, config: TlsConfig, data_dir: Path) -> None:
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
        """Refresh for ever; a file that is broken is logged, and the old one stays in use."""
        broken = ""
        while True:
            await asyncio.sleep(interval.total_seconds())
            try:
                if await asyncio.to_thread(self.refresh):
                    logger.info("certificates reloaded")
                broken = ""
            except (TlsBroken, OSError) as error:
                if broken != (broken := str(error)):
                    logger.error("certificates not reloaded, the old ones stay", exc_info=error)

    def _changed(self) -> grpc.ServerCertificateConfiguration | None:
        configuration = self._configuration
        if configuration is self._served:
            return None
        self._served = configuration
        return configuration

    def _load(self) -> _Material:
        if self.authority:
            self.authority.ensure(dt.datetime.now(dt.UTC))
        material = _Material(
            certificate=self._certificate_file.read_bytes(),
            key=self._key_file.read_bytes(),
            client_ca=self._client_ca_file.read_bytes() if self._client_ca_file else None,
        )
        _check(material)
        return material


def _check(material: _Material) -> None:
    """Refuse a certificate and key that do not belong together; gRPC would fail every call."""
    try:
        chain = x509.load_pem_x509_certificates(material.certificate)
        key = serialization.load_pem_private_key(material.key, None)
        if material.client_ca is not None:
            x509.load_pem_x509_certificates(material.client_ca)
    except (ValueError, TypeError) as error:
        raise TlsBroken(f"not PEM as expected: {error}") from error
    if key.public_key() != chain[0].public_key():
        raise TlsBroken("the key is not the certificate's")
