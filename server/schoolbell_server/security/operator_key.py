"""The first key: made on the first start, and left where only the operator can read it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from schoolbell_server.security.api_key import (
    EVERY_DISTRICT,
    ApiKey,
    Role,
    new_api_key,
    secret_hash,
    split_credential,
)
from schoolbell_server.security.secret_file import read_secret, write_secret


class OperatorKeyBroken(Exception):
    """The operator's key file does not hold a credential."""


def ensure_operator_key(data_dir: Path) -> tuple[ApiKey, Path]:
    """Return the operator's key, as it is to be stored, and the file that holds its credential.

    Without the file a new key is made; a former one stays valid until it is revoked.
    """
    path = operator_key_file(data_dir)
    found = stored_operator_key(data_dir)
    if found is None:
        return renew_operator_key(data_dir), path
    key_id, secret = found
    return replace(_new()[0], key_id=key_id, secret_hash=secret_hash(secret)), path


def stored_operator_key(data_dir: Path) -> tuple[str, str] | None:
    """Return the id and the secret of the operator's key; None where there is no file yet.

    OperatorKeyBroken, SecretExposed or OSError where there is one that cannot be used.
    """
    path = operator_key_file(data_dir)
    if not path.exists():
        return None
    if not path.is_file():
        raise OperatorKeyBroken(f"{path}: is not a file")
    found = split_credential(read_secret(path).decode("utf-8", "replace").strip())
    if found is None:
        raise OperatorKeyBroken(
            f"{path}: holds no credential; `schoolbell-server operator-key` makes one"
        )
    return found


def renew_operator_key(data_dir: Path) -> ApiKey:
    """Make another key for the operator, and return it as it is to be stored.

    The file holds its credential from now on; the former key stays what it is.
    """
    key, credential = _new()
    write_secret(operator_key_file(data_dir), credential.encode() + b"\n")
    return key


def operator_key_file(data_dir: Path) -> Path:
    """Return the file that holds the operator's credential."""
    return data_dir / "credentials" / "operator.key"


def _new() -> tuple[ApiKey, str]:
    return new_api_key(district_ids=[EVERY_DISTRICT], role=Role.OPERATOR, display_name="operator")
