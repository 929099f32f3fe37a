"""Build the gateways of all configured apps; tokens are shared where keys are."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from pathlib import Path

from schoolbell_server.domain.kinds import Platform
from schoolbell_server.gateways.access_token import AccessToken
from schoolbell_server.gateways.apns import ApnsGateway
from schoolbell_server.gateways.circuit import Circuit
from schoolbell_server.gateways.fcm import FcmGateway
from schoolbell_server.gateways.provider_token import ProviderTokens
from schoolbell_server.gateways.push import Gateway
from schoolbell_server.gateways.settings import AppConfig

Gateways = Mapping[tuple[str, Platform], Gateway]
"""The way out of every (app_id, platform)."""


def build_gateways(
    apps: Mapping[str, AppConfig],
    *,
    in_flight: int,
    deadline: dt.timedelta,
    clock: Callable[[], dt.datetime],
) -> Gateways:
    """Return a gateway for every app and platform; must be called inside the event loop."""
    provider_tokens = ProviderTokens()
    access_tokens: dict[Path, AccessToken] = {}
    gateways: dict[tuple[str, Platform], Gateway] = {}
    for app_id, app in apps.items():
        if app.ios is not None:
            ios = app.ios
            gateways[app_id, Platform.IOS] = ApnsGateway(
                ios,
                provider_tokens.of(ios.key_file, ios.key_id, ios.team_id),
                in_flight=in_flight,
                deadline=deadline,
                circuit=Circuit(),
                clock=clock,
            )
        if app.android is not None:
            android = app.android
            account = android.service_account_file
            if account not in access_tokens:
                access_tokens[account] = AccessToken(account, android.ca_file, deadline)
            gateways[app_id, Platform.ANDROID] = FcmGateway(
                android,
                access_tokens[account],
                in_flight=in_flight,
                deadline=deadline,
                circuit=Circuit(),
                clock=clock,
            )
    return gateways
