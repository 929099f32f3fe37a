"""Load the configuration: the file, then the environment over it, then the rules."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from schoolbell_server.config.credentials import credential_problems
from schoolbell_server.config.environment import apply_environment
from schoolbell_server.config.model import Config, StorageConfig
from schoolbell_server.config.problems import ConfigError
from schoolbell_server.config.reader import Reader
from schoolbell_server.config.rules import broken_rules, replay_problems
from schoolbell_server.config.secret import Secret
from schoolbell_server.config.toml_text import NotToml, parse_toml
from schoolbell_server.security.credential_files import CredentialUnusable, read_file


def load_config(
    path: Path | None,
    environ: Mapping[str, str],
    *,
    check_files: bool = False,
    replay: bool = False,
) -> Config:
    """Return the validated configuration; no file means the defaults.

    Paths in the file are relative to it, paths in the environment to the working directory.
    ConfigError holds every problem that was found, with `check_files` also those of the
    credential files that are named (a server needs them, a backup does not), and with `replay`
    what keeps it from a replay.
    """
    raw = parse_file(path) if path else {}
    problems = apply_environment(raw, environ)
    reader = Reader(path.absolute().parent if path else Path.cwd())
    config = reader.read(Config, raw, "")
    problems += reader.problems
    files = reader.files if check_files else {}
    if problems:
        raise ConfigError([*problems, *named_problems(files)])
    storage = with_storage_url(config.storage)
    config = _absolute(dataclasses.replace(config, storage=storage))
    broken = broken_rules(config)
    if replay:
        broken += replay_problems(config)
    if check_files:
        known = {*files, *_keys(broken)}
        broken += named_problems({key: files[key] for key in files if key not in _keys(broken)})
        broken += credential_problems(config, known)
    if broken:
        raise ConfigError(broken)
    return config


def named_problems(files: Mapping[str, str]) -> list[str]:
    """Return what is wrong with credential files, each by its setting."""
    return [f"{key}: {problem}" for key, problem in files.items()]


def _keys(problems: Sequence[str]) -> set[str]:
    return {problem.partition(":")[0] for problem in problems}


def parse_file(path: Path) -> dict[str, Any]:
    """Return the tables of a file; ConfigError where it is no TOML."""
    try:
        return parse_toml(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise ConfigError([f"{path}: {error.strerror}"]) from None
    except (NotToml, UnicodeDecodeError) as error:
        raise ConfigError([f"{path}: not TOML: {error}"]) from None


def with_storage_url(storage: StorageConfig) -> StorageConfig:
    """Return the settings with the URL that stands in a file, where one is named."""
    if storage.url_file is None:
        return storage
    if storage.url:
        raise ConfigError(["storage.url_file: storage.url is set too; remove one of the two"])
    try:
        url = Secret(read_file(storage.url_file).decode("utf-8-sig").strip())
    except CredentialUnusable as error:
        text = f"the file {str(storage.url_file)!r} {error}"
        raise ConfigError([f"storage.url_file: {text}"]) from None
    except UnicodeDecodeError:
        text = f"the file {str(storage.url_file)!r} is not UTF-8 text"
        raise ConfigError([f"storage.url_file: {text}"]) from None
    if not url:
        raise ConfigError([f"storage.url_file: the file {str(storage.url_file)!r} is empty"])
    return dataclasses.replace(storage, url=url)


def _absolute(config: Config) -> Config:
    server = config.server
    if server.data_dir.is_absolute():
        return config
    data_dir = server.data_dir.absolute()
    return dataclasses.replace(config, server=dataclasses.replace(server, data_dir=data_dir))
