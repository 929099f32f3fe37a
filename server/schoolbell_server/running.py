"""Run a command to its end."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

import click
import uvloop

from schoolbell_server.observability.log import get_logger
from schoolbell_server.observability.metrics_endpoint import CannotServeMetrics
from schoolbell_server.rpc.server import CannotListen
from schoolbell_server.security.credential_files import CredentialUnusable
from schoolbell_server.security.operator_key import OperatorKeyBroken
from schoolbell_server.security.sealer import SealBroken
from schoolbell_server.security.secret_file import SecretExposed
from schoolbell_server.security.tls import TlsBroken
from schoolbell_storage.errors import StorageError

_UNABLE = (
    CannotListen,
    CannotServeMetrics,
    CredentialUnusable,
    OperatorKeyBroken,
    SealBroken,
    SecretExposed,
    StorageError,
    TlsBroken,
)

_logger = get_logger(__name__)


def run_to_end(work: Coroutine[Any, Any, None]) -> None:
    """Run a command to its end; what keeps it from starting is told in one line."""
    try:
        uvloop.run(work)
    except _UNABLE as error:
        raise click.ClickException(str(error)) from None
    except Exception as error:
        # Its text, or that of its cause, may quote what is stored.
        _logger.critical("ended by a fault", exc_info=error)
        raise SystemExit(1) from None
