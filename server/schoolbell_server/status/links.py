"""The links to the providers: probed also when idle, with the circuits of what is sent."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from schoolbell.v1 import common_pb2, status_pb2
from schoolbell_server.domain.kinds import APP_PROVIDER, Platform
from schoolbell_server.gateways.common.circuit import CircuitState
from schoolbell_server.gateways.common.circuits import CircuitView
from schoolbell_server.gateways.common.push import Gateway, GatewayHealth
from schoolbell_server.observability.log import get_logger
from schoolbell_server.observability.metrics import Metrics
from schoolbell_server.status.circuits import CIRCUITS
from schoolbell_server.status.hub_link import HubLink, hub_link, hub_warnings
from schoolbell_server.status.warnings import ActiveWarning

_LinkKey = tuple[str, Platform]

_logger = get_logger(__name__)


@dataclass(slots=True)
class _LinkState:
    health: GatewayHealth
    since: dt.datetime


class Links:
    """Probes the links of all apps and watches their circuits."""

    def __init__(
        self,
        gateways: Mapping[_LinkKey, Gateway],
        metrics: Metrics,
        *,
        probe_interval: dt.timedelta,
        clock: Callable[[], dt.datetime],
        hub: HubLink | None = None,
    ) -> None:
        """With a `hub` all gateways pass on to it, and its link is the only one."""
        self._hub = hub
        self._gateways = gateways
        self._metrics = metrics
        self._probe_interval = probe_interval.total_seconds()
        self._clock = clock
        self._links: dict[_LinkKey, _LinkState] = {}
        self._open: set[_LinkKey] = set()
        self._throttled: dict[_LinkKey, dt.datetime] = {}
        """Since when providers have asked for fewer pushes."""

    @property
    def probed(self) -> Collection[_LinkKey]:
        """Return every link that is probed."""
        return self._gateways.keys()

    async def run_probes(self, link: _LinkKey) -> None:
        """Probe a link until cancelled."""
        while True:
            await self._probe(link)
            await asyncio.sleep(self._probe_interval)

    def of_apps(self, app_ids: Collection[str]) -> list[status_pb2.Link]:
        """Return the links of these apps."""
        if self._hub is not None:
            since = [time for (app_id, _), time in self._throttled.items() if app_id in app_ids]
            return [hub_link(self._hub, self._circuits(app_ids), min(since, default=None))]
        return [
            _link(link, self._links.get(link), gateway, self._throttled.get(link))
            for link, gateway in self._gateways.items()
            if link[0] in app_ids
        ]

    def warnings(self, app_ids: Collection[str]) -> Iterable[ActiveWarning]:
        """Yield what there is to say about the links of these apps."""
        if self._hub is not None:
            yield from hub_warnings(self._hub)
            yield from self._refused(app_ids)
            return
        for (app_id, platform), state in self._links.items():
            if app_id in app_ids:
                circuit = self._gateways[app_id, platform].circuit
                yield from _warnings(app_id, platform, state, circuit)

    def _circuits(self, app_ids: Collection[str]) -> list[CircuitView]:
        return [
            gateway.circuit for (app_id, _), gateway in self._gateways.items() if app_id in app_ids
        ]

    def _refused(self, app_ids: Collection[str]) -> Iterable[ActiveWarning]:
        """Yield for which apps a provider refuses the hub's credentials."""
        healthy = _LinkState(GatewayHealth(connected=True), self._clock())
        for (app_id, platform), gateway in self._gateways.items():
            if app_id in app_ids:
                yield from _warnings(app_id, platform, healthy, gateway.circuit)

    async def _probe(self, link: _LinkKey) -> None:
        try:
            health = await self._gateways[link].probe()
        except Exception as error:
            health = GatewayHealth(connected=False, reason=type(error).__name__)
            _logger.error("link not probed", extra={"app_id": link[0]}, exc_info=error)
        before = self._links.get(link)
        if before is None or before.health != health:
            app_id, platform = link
            log = _logger.info if health.connected else _logger.warning
            log(
                "link probed",
                extra={
                    "app_id": app_id,
                    "provider": APP_PROVIDER[platform].name,
                    "state": "connected" if health.connected else "disconnected",
                    "provider_reason": health.reason,
                },
            )
            self._links[link] = _LinkState(health, self._clock())
        labels = (link[0], APP_PROVIDER[link[1]].name)
        self._metrics.link_connected.labels(*labels).set(health.connected)

    async def watch_circuits(self) -> None:
        """Note which circuits opened and closed, and which providers ask for fewer pushes."""
        for link, gateway in self._gateways.items():
            app_id, platform = link
            view, provider = gateway.circuit, APP_PROVIDER[platform].name
            is_open = view.state is not CircuitState.CLOSED
            self._metrics.circuit_open.labels(app_id, provider).set(is_open)
            self._watch_throttling(link, view.throttled)
            if is_open == (link in self._open):
                continue
            (self._open.add if is_open else self._open.discard)(link)
            log = _logger.warning if is_open else _logger.info
            ids = {"app_id": app_id, "provider": provider, "provider_reason": view.reason}
            log("circuit open" if is_open else "circuit closed", extra=ids)

    def _watch_throttling(self, link: _LinkKey, reason: str) -> None:
        app_id, provider = link[0], APP_PROVIDER[link[1]].name
        self._metrics.link_throttled.labels(app_id, provider).set(bool(reason))
        if bool(reason) == (link in self._throttled):
            return
        ids = {"app_id": app_id, "provider": provider, "provider_reason": reason}
        if reason:
            self._throttled[link] = self._clock()
            _logger.warning("link throttled", extra=ids)
        else:
            del self._throttled[link]
            _logger.info("link no longer throttled", extra=ids)


def _warnings(
    app_id: str, platform: Platform, state: _LinkState, circuit: CircuitView
) -> Iterable[ActiveWarning]:
    health, name = state.health, _name(app_id, platform)
    about = {"app_id": app_id, "provider": APP_PROVIDER[platform].name}
    if health.tokens_spared:
        text = f"Suspiciously many tokens of {name} died at once; they are kept."
        yield ActiveWarning(
            status_pb2.WARNING_CODE_MASS_TOKEN_DEATH, text, subject=name, metadata=about
        )
    if health.credentials_refused or circuit.credentials_refused:
        text = f"{name} refuses the app's credentials; its deliveries are held."
        yield ActiveWarning(
            status_pb2.WARNING_CODE_CREDENTIAL_REFUSED, text, subject=name, metadata=about
        )
    if not health.connected and not health.credentials_refused:
        text = f"{name} cannot be reached: {health.reason or circuit.reason}"
        yield ActiveWarning(
            status_pb2.WARNING_CODE_PROVIDER_UNREACHABLE,
            text,
            state.since,
            subject=name,
            metadata=about,
        )


def _name(app_id: str, platform: Platform) -> str:
    return f"{app_id}/{APP_PROVIDER[platform].name.lower()}"


def _link(
    key: _LinkKey, state: _LinkState | None, gateway: Gateway, throttled: dt.datetime | None
) -> status_pb2.Link:
    """Return a link; `throttled` is since when its provider has asked for fewer pushes."""
    app_id, platform = key
    circuit = gateway.circuit
    link = status_pb2.Link(
        type=status_pb2.LINK_TYPE_PROVIDER,
        app_id=app_id,
        provider=common_pb2.Provider.ValueType(APP_PROVIDER[platform]),
        environment=common_pb2.ProviderEnvironment.ValueType(gateway.environment),
        circuit=CIRCUITS[circuit.state],
    )
    if state is None:
        return link
    health = state.health
    reason = health.reason or circuit.reason or circuit.throttled
    if not health.connected and not health.credentials_refused:
        link.connectivity = status_pb2.CONNECTIVITY_DISCONNECTED
    elif reason:
        link.connectivity = status_pb2.CONNECTIVITY_DEGRADED
    else:
        link.connectivity = status_pb2.CONNECTIVITY_CONNECTED
    link.reason = reason
    link.trouble = status_pb2.LinkTrouble.ValueType(health.trouble or 0)
    link.start_time.FromDatetime(state.since)
    if circuit.throttled and not link.trouble:
        link.trouble = status_pb2.LINK_TROUBLE_THROTTLED
        link.start_time.FromDatetime(throttled or state.since)
    return link


def connectivity(links: Sequence[status_pb2.Link]) -> status_pb2.Connectivity.ValueType:
    """Return how links are connected, taken together."""
    states = {link.connectivity for link in links}
    if not states or states == {status_pb2.CONNECTIVITY_UNSPECIFIED}:
        return status_pb2.CONNECTIVITY_UNSPECIFIED
    if states == {status_pb2.CONNECTIVITY_CONNECTED}:
        return status_pb2.CONNECTIVITY_CONNECTED
    if states == {status_pb2.CONNECTIVITY_DISCONNECTED}:
        return status_pb2.CONNECTIVITY_DISCONNECTED
    return status_pb2.CONNECTIVITY_DEGRADED
