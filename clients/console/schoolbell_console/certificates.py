"""The console's own TLS certificate, which follows its files without a restart."""

from __future__ import annotations

import asyncio
import logging
import ssl

from schoolbell_console.config import BadConfig, TlsConfig

_CHECK_INTERVAL = 2.0  # seconds

logger = logging.getLogger(__name__)


class Certificates:
    """A TLS context whose certificate changes; connections that are open keep theirs."""

    def __init__(self, config: TlsConfig) -> None:
        """Read the files; raises BadConfig."""
        self._config = config
        self._seen = self._read()
        self._current = self._load()
        self.context = self._load()
        # A context into which the wrong half of a pair is loaded serves nobody, so each pair gets a
        # context of its own, which a connection takes over at its first message.
        self.context.sni_callback = self._choose

    async def watch(self) -> None:
        """Read the files again for ever; where they cannot be used, what is in use stays."""
        while True:
            await asyncio.sleep(_CHECK_INTERVAL)
            await asyncio.to_thread(self._refresh)

    def _refresh(self) -> None:
        if (found := self._read()) == self._seen:
            return
        self._seen = found  # what is wrong with it is said once
        try:
            self._current = self._load()
            logger.info("tls: the certificate was renewed")
        except BadConfig as error:
            logger.warning("%s; the certificate in use stays in use", error)

    def _choose(self, connection: ssl.SSLObject, _name: str | None, _: ssl.SSLContext) -> None:
        connection.context = self._current

    def _read(self) -> tuple[bytes, bytes] | str:
        """Return what the files hold, or why they cannot be read."""
        try:
            return self._config.certificate_file.read_bytes(), self._config.key_file.read_bytes()
        except OSError as error:
            return str(error)

    def _load(self) -> ssl.SSLContext:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        try:
            # Without a password OpenSSL would ask for that of an encrypted key on a terminal.
            context.load_cert_chain(
                self._config.certificate_file, self._config.key_file, password=""
            )
        except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
            raise BadConfig(f"tls: the certificate or its key cannot be used: {error}") from None
        return context
