"""Build the gateways of all configured apps; tokens and rates are shared where accounts are."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from schoolbell_server.domain.kinds import Platform
from schoolbell_server.gateways.apns.gateway import ApnsGateway
from schoolbell_server.gateways.apns.provider_token import ProviderToken, ProviderTokens
from schoolbell_server.gateways.app_config import AndroidConfig, AppConfig, IosConfig
from schoolbell_server.gateways.common.circuits import circuits_by_environment, one_circuit
from schoolbell_server.gateways.common.push import Gateway, Report, unreported
from schoolbell_server.gateways.common.rate import TokenBucket
from schoolbell_server.gateways.fcm.access_token import AccessToken
from schoolbell_server.gateways.fcm.gateway import FcmGateway
from schoolbell_server.observability.loop_lag import LoopLag
from schoolbell_server.security.credential_files import CredentialUnusable

FCM_PER_SECOND = 600_000 / 60
"""FCM's rate of a project."""

Gateways = Mapping[tuple[str, Platform], Gateway]
"""The way out of every (app_id, platform)."""


def build_gateways(
    apps: Mapping[str, AppConfig],
    *,
    in_flight: int,
    deadline: dt.timedelta,
    clock: Callable[[], dt.datetime],
    apns_proxy: str = "",
    fcm_proxy: str = "",
    lag: LoopLag | None = None,
    report: Callable[[str, str, str], None] | None = None,
) -> Gateways:
    """Return a gateway for every app and platform; must be called inside the event loop.

    The proxies are URLs, empty for none. `report` is told of credential files that cannot be used:
    app id, setting, what is wrong.
    CredentialUnusable where one cannot be used at start, by its setting.
    """
    builder = _Builder(in_flight, deadline, clock, lag, apns_proxy, fcm_proxy)
    build: Mapping[Platform, Callable[[Any, Report], Gateway]] = {
        Platform.IOS: builder.apns,
        Platform.ANDROID: builder.fcm,
    }
    gateways: dict[tuple[str, Platform], Gateway] = {}
    for app_id, app in apps.items():
        for platform, gateway in build.items():
            table = platform.name.lower()
            settings = getattr(app, table)
            if settings is not None:
                with _named(f"apps.{app_id}.{table}"):
                    told = _reporting(report, app_id, table)
                    gateways[app_id, platform] = gateway(settings, told)
    return gateways


@contextmanager
def _named(table: str) -> Iterator[None]:
    """Name the app whose credential file is at fault."""
    try:
        yield
    except CredentialUnusable as error:
        raise CredentialUnusable(f"{table}: a credential file {error}") from None


def _reporting(report: Callable[[str, str, str], None] | None, app_id: str, table: str) -> Report:
    if report is None:
        return unreported
    return lambda key, problem: report(app_id, f"apps.{app_id}.{table}.{key}", problem)


class _Builder:
    """Remembers what gateways share."""

    def __init__(
        self,
        in_flight: int,
        deadline: dt.timedelta,
        clock: Callable[[], dt.datetime],
        lag: LoopLag | None,
        apns_proxy: str,
        fcm_proxy: str,
    ) -> None:
        self._apns_proxy = apns_proxy
        self._fcm_proxy = fcm_proxy
        self._lag = lag
        self._in_flight = in_flight
        self._deadline = deadline
        self._clock = clock
        self._provider_tokens = ProviderTokens(self._seconds)
        self._access_tokens: dict[Path, AccessToken] = {}
        self._rates: dict[str, TokenBucket] = {}

    def _seconds(self) -> float:
        return self._clock().timestamp()

    def apns(self, config: IosConfig, report: Report) -> ApnsGateway:
        return ApnsGateway(
            config,
            self._provider_token(config),
            in_flight=self._in_flight,
            deadline=self._deadline,
            circuits=circuits_by_environment(),
            clock=self._clock,
            proxy=self._apns_proxy,
            lag=self._lag,
            report=report,
        )

    def fcm(self, config: AndroidConfig, report: Report) -> FcmGateway:
        account = config.service_account_file
        if account not in self._access_tokens:
            self._access_tokens[account] = AccessToken(
                account, config.ca_file, self._deadline, self._seconds, proxy=self._fcm_proxy
            )
        if config.project_id not in self._rates:
            self._rates[config.project_id] = TokenBucket(FCM_PER_SECOND)
        return FcmGateway(
            config,
            self._access_tokens[account],
            rate=self._rates[config.project_id],
            in_flight=self._in_flight,
            deadline=self._deadline,
            circuits=one_circuit(),
            clock=self._clock,
            proxy=self._fcm_proxy,
            lag=self._lag,
            report=report,
        )

    def _provider_token(self, config: IosConfig) -> ProviderToken | None:
        if config.certificate_file is not None:
            return None
        if config.key_file is None:
            raise CredentialUnusable("is not set: neither key_file nor certificate_file is")
        return self._provider_tokens.of(config.key_file, config.key_id, config.team_id)
