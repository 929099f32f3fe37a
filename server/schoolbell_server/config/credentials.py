"""What joins several credential files or settings: pairs, names, and the data directory."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from urllib.parse import urlsplit

from schoolbell_server.address import Address
from schoolbell_server.config.model import Config
from schoolbell_server.gateways.apns.provider_token import key_id_of, resolved
from schoolbell_server.gateways.app_config import (
    AndroidConfig,
    AndroidStyle,
    AppConfig,
    IosConfig,
)
from schoolbell_server.security.credential_files import (
    CredentialUnusable,
    certificates,
    check_pair,
    read_file,
    read_private_key,
)
from schoolbell_server.security.operator_key import OperatorKeyBroken, stored_operator_key
from schoolbell_server.security.secret_file import SecretExposed


def credential_problems(config: Config, known: Collection[str]) -> list[str]:
    """Return what is wrong, but for the settings whose files are known to be bad by themselves."""
    problems = [*_tls(config, known), *_operator(config.server.data_dir)]
    return [*problems, *app_credential_problems(config.apps, known)]


def app_credential_problems(apps: Mapping[str, AppConfig], known: Collection[str]) -> list[str]:
    """Return what is wrong with the apps' accounts, but for files known to be bad."""
    problems: list[str] = []
    for app_id, app in apps.items():
        if app.ios is not None:
            problems += _ios(f"apps.{app_id}.ios", app.ios, known)
        if app.android is not None:
            problems += _android(f"apps.{app_id}.android", app.android)
    return problems


def _tls(config: Config, known: Collection[str]) -> Iterator[str]:
    tls = config.server.tls
    if tls.certificate_file is None or tls.key_file is None:
        return
    if not {"server.tls.certificate_file", "server.tls.key_file"}.isdisjoint(known):
        return
    try:
        check_pair(certificates(read_file(tls.certificate_file)), read_private_key(tls.key_file))
    except CredentialUnusable as error:
        yield f"server.tls.key_file: the file {str(tls.key_file)!r} {error}"


def _operator(data_dir: Path) -> Iterator[str]:
    try:
        stored_operator_key(data_dir)
    except (OperatorKeyBroken, SecretExposed) as error:
        yield f"server.data_dir: {error}"
    except OSError as error:
        yield f"server.data_dir: the operator's key cannot be read: {error.strerror}"


def _ios(table: str, ios: IosConfig, known: Collection[str]) -> Iterator[str]:
    if ios.key_file is None and ios.certificate_file is None:
        yield f"{table}: either key_file or certificate_file is required"
    if ios.certificate_file is None and ios.key_file is not None and not ios.key_id:
        try:
            key_id_of(resolved(ios.key_file))
        except CredentialUnusable as error:
            if f"{table}.key_file" not in known:
                yield f"{table}.key_id: the file {str(ios.key_file)!r} {error}"
    if ios.server and not _is_address(ios.server):
        yield f"{table}.server: must be host:port, not {ios.server!r}"


def _android(table: str, android: AndroidConfig) -> Iterator[str]:
    if android.endpoint and not _is_origin(android.endpoint):
        yield f"{table}.endpoint: must be https://host:port, not {android.endpoint!r}"
    if android.click_action and android.style is not AndroidStyle.NOTIFICATION:
        yield (
            f'{table}.click_action: is for style = "notification"; what the app draws itself opens'
            " what the app says"
        )


def _is_address(text: str) -> bool:
    try:
        return Address.parse(text).port > 0 and text.isascii() and text.isprintable()
    except ValueError:
        return False


def _is_origin(text: str) -> bool:
    try:
        url = urlsplit(text)
        good = bool(url.hostname) and url.scheme == "https" and url.port != 0
    except ValueError:
        return False
    return good and text.isascii() and text.isprintable() and " " not in text
