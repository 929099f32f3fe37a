"""What the operator says of an app: which provider accounts send for it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum, unique
from pathlib import Path
from typing import Annotated

from schoolbell_server.domain.kinds import AppType, Platform, ProviderEnvironment
from schoolbell_server.gateways.fcm.service_account import read_service_account
from schoolbell_server.security.credential_files import (
    Holds,
    read_authority,
    read_identity,
    read_signing_key,
)


@unique
class AndroidStyle(StrEnum):
    """Who draws the notification on Android: our app from data, or the system."""

    DATA = "data"
    NOTIFICATION = "notification"


@dataclass(frozen=True, slots=True, kw_only=True)
class IosConfig:
    """The app's account at Apple."""

    topic: str
    """The app's bundle id."""
    team_id: str = ""
    key_id: str = ""
    """Empty: read from `AuthKey_<key id>.p8`, the name of the file that `key_file` leads to."""
    key_file: Annotated[Path | None, Holds(read_signing_key)] = None
    """The .p8 signing key; read again when it changes."""
    certificate_file: Annotated[Path | None, Holds(read_identity)] = None
    """In place of a key: the app's push certificate with its private key, both as PEM; read again
    when it changes."""
    environment: ProviderEnvironment = ProviderEnvironment.PRODUCTION
    server: str = ""
    """`host:port` in place of Apple's, for a sandbox."""
    ca_file: Annotated[Path | None, Holds(read_authority)] = None
    """The authority that `server` is checked against; None is the system's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AndroidConfig:
    """The app's account at Google."""

    project_id: str
    service_account_file: Annotated[Path, Holds(read_service_account)]
    endpoint: str = ""
    """A URL in place of Google's, for a sandbox."""
    ca_file: Annotated[Path | None, Holds(read_authority)] = None
    """The authority that `endpoint` is checked against; None is the system's."""
    style: AndroidStyle = AndroidStyle.DATA
    click_action: str = ""
    """The intent action that a tap on what the system drew starts; empty: the app's launcher."""
    analytics_label: str = ""
    """Groups the app's messages in Google's own reports."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AppConfig:
    """One app, as `[apps.<app_id>]` describes it."""

    app_id: str
    kind: AppType
    ios: IosConfig | None = None
    android: AndroidConfig | None = None
    platforms: tuple[Platform, ...] = ()
    """The platforms that the hub of `[link]` sends for, in place of accounts."""
