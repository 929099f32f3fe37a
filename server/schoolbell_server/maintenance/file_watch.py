"""Look at the files that a server depends on: who else may read them, and when they end.

Nothing here is refused: a server that runs goes on, and its operator is told.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from pathlib import Path

from schoolbell.v1 import status_pb2
from schoolbell_server.config import Config
from schoolbell_server.security.credential_files import CredentialUnusable, read_file, span_of

SOON = dt.timedelta(days=14)
"""So long before its end a certificate is warned of."""

Report = Callable[[str, str, str, status_pb2.WarningCode.ValueType], None]
"""Takes what a warning is about, its text or '' where there is nothing to say, an app id, and the
warning's code."""

_EXPOSED = status_pb2.WARNING_CODE_SECRETS_EXPOSED
_EXPIRING = status_pb2.WARNING_CODE_CREDENTIAL_EXPIRING


def look_at_files(config: Config, now: dt.datetime, report: Report) -> None:
    """Report on the data directory, and on every key and certificate that a setting names."""
    data_dir = config.server.data_dir
    report("server.data_dir", _open_folder(data_dir), "", _EXPOSED)
    if not config.server.plaintext:
        tls, own = config.server.tls, data_dir / "tls"
        key = tls.key_file or own / "server.key"
        certificate = tls.certificate_file or own / "server.pem"
        report("server.tls.key_file readable", _exposed("server.tls.key_file", key), "", _EXPOSED)
        span = _span("server.tls", certificate, now)
        report("server.tls.certificate_file span", span, "", _EXPIRING)
    for app_id, setting, path, holds_certificate in _app_files(config):
        report(f"{setting} readable", _exposed(setting, path), app_id, _EXPOSED)
        if holds_certificate:
            report(f"{setting} span", _span(setting, path, now), app_id, _EXPIRING)


def _app_files(config: Config) -> Iterator[tuple[str, str, Path, bool]]:
    for app_id, app in config.apps.items():
        table = f"apps.{app_id}"
        if app.ios is not None and app.ios.key_file is not None:
            yield app_id, f"{table}.ios.key_file", app.ios.key_file, False
        if app.ios is not None and app.ios.certificate_file is not None:
            yield app_id, f"{table}.ios.certificate_file", app.ios.certificate_file, True
        if app.android is not None:
            path = app.android.service_account_file
            yield app_id, f"{table}.android.service_account_file", path, False


def _open_folder(folder: Path) -> str:
    if _mode(folder) & 0o077 == 0:
        return ""
    return (
        "server.data_dir: others than the server's account may enter the data directory, which "
        "holds personal data and keys; chmod 700 it."
    )


def _exposed(setting: str, path: Path) -> str:
    """Warn of a key that everybody may read or write; a group of its own is the operator's."""
    if _mode(path) & 0o007 == 0:
        return ""
    return f"{setting}: everybody on the machine may read the private key; chmod 600 the file."


def _mode(path: Path) -> int:
    """Return a file's permissions; 0 where there is none to look at."""
    try:
        return path.stat().st_mode
    except (OSError, ValueError):
        return 0


def _span(setting: str, path: Path, now: dt.datetime) -> str:
    """Warn of a certificate that is over, not yet good, or soon over."""
    try:
        begin, end = span_of(read_file(path))
    except CredentialUnusable:
        return ""  # whoever uses it says so
    if now >= end:
        return f"{setting}: the certificate expired on {end:%Y-%m-%d}; it is trusted by nobody."
    if now < begin:
        return f"{setting}: the certificate is not good before {begin:%Y-%m-%d}."
    if now >= end - SOON:
        return f"{setting}: the certificate expires on {end:%Y-%m-%d}."
    return ""
