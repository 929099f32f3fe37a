"""Load a hub's configuration: its file, then the rules that join several keys."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

from schoolbell_server.config.credentials import app_credential_problems
from schoolbell_server.config.link_rules import broker_problems
from schoolbell_server.config.load import named_problems, parse_file, with_storage_url
from schoolbell_server.config.problems import ConfigError
from schoolbell_server.config.reader import Reader
from schoolbell_server.config.rules import storage_problems
from schoolbell_server.hub.config import HubConfig

_MOST_OF_A_MESSAGE = 100  # deliveries


def load_hub_config(path: Path) -> HubConfig:
    """Return the validated configuration; ConfigError holds every problem that was found.

    Paths in the file are relative to it.
    """
    reader = Reader(path.absolute().parent)
    config: HubConfig = reader.read(HubConfig, parse_file(path), "")
    problems = [*reader.problems, *named_problems(reader.files)]
    if problems:
        raise ConfigError(problems)
    config = dataclasses.replace(config, storage=with_storage_url(config.storage))
    if problems := list(_broken_rules(config)):
        raise ConfigError(problems)
    return config


def _broken_rules(config: HubConfig) -> Iterator[str]:
    hub = config.hub
    yield from broker_problems("broker", config.broker)
    yield from storage_problems(config.storage)
    yield from app_credential_problems(config.apps, known=())
    if not config.apps:
        yield "apps: is required: a hub sends by the accounts of its apps"
    for app_id, app in config.apps.items():
        if app.platforms:
            yield f"apps.{app_id}.platforms: a hub has accounts, ios and android"
    if hub.plaintext and not hub.listen.is_loopback:
        yield f"hub.listen: {hub.listen} is beyond this machine, which plaintext may not be"
    if hub.metrics_listen and not hub.metrics_listen.is_loopback:
        yield f"hub.metrics_listen: {hub.metrics_listen} is beyond this machine"
    if hub.in_flight < _MOST_OF_A_MESSAGE * hub.messages:
        yield f"hub.in_flight: must be at least {_MOST_OF_A_MESSAGE} times hub.messages"
