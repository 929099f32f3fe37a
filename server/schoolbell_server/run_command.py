"""Run a command's work, and tell in one line what keeps it from starting."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any, TypeVar

import click
import uvloop

from schoolbell_server.observability.log import get_logger
from schoolbell_server.observability.metrics_endpoint import CannotServeMetrics
from schoolbell_server.processes.parent import NeverServed
from schoolbell_server.rpc.server import CannotListen
from schoolbell_server.security.credential_files import CredentialUnusable
from schoolbell_server.security.operator_key import OperatorKeyBroken
from schoolbell_server.security.sealer import SealBroken
from schoolbell_server.security.secret_file import SecretExposed
from schoolbell_server.security.tls import TlsBroken
from schoolbell_storage.errors import StorageError

T = TypeVar("T")

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

logger = get_logger(__name__)


def run_command(work: Coroutine[Any, Any, T]) -> T:
    """Run a command to its end; what keeps it from starting is told in one line."""
    try:
        return uvloop.run(work)
    except click.ClickException:
        raise
    except NeverServed:  # the process has said why
        raise SystemExit(1) from None
    except _UNABLE as error:
        raise click.ClickException(str(error)) from None
    except Exception as error:
        # Its text, or that of its cause, may quote what is stored.
        logger.critical("ended by a fault", exc_info=error)
        raise SystemExit(1) from None
