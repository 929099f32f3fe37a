"""The link to a hub as status shows it: one way out for all apps."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from typing import Protocol

from schoolbell.v1 import status_pb2
from schoolbell_server.gateways.common.circuits import CircuitView
from schoolbell_server.gateways.common.trouble import BrokerTrouble, LinkTrouble
from schoolbell_server.status.circuits import CIRCUITS, worst
from schoolbell_server.status.warnings import ActiveWarning

_DEGRADED = frozenset({LinkTrouble.FLOW_CONTROLLED})
"""The broker is reached, and takes nothing for now."""


class HubLink(Protocol):
    """A district's end of the link, as far as status shows it."""

    trouble: BrokerTrouble | None
    since: dt.datetime


def hub_link(
    hub: HubLink, circuits: Sequence[CircuitView], throttled: dt.datetime | None = None
) -> status_pb2.Link:
    """Return the link; `circuits` are those of what the hub sends for the district's apps.

    `throttled` is since when a provider has asked for fewer pushes.
    """
    circuit = worst(circuits)
    fewer = next((view.throttled for view in circuits if view.throttled), "")
    link = status_pb2.Link(type=status_pb2.LINK_TYPE_HUB, circuit=CIRCUITS[circuit.state])
    trouble = hub.trouble
    if trouble is None:
        # The hub is reached, and cannot reach a provider: that is trouble with what is behind it.
        link.reason = circuit.reason or fewer
        if fewer:
            link.trouble = status_pb2.LINK_TROUBLE_THROTTLED
        link.connectivity = (
            status_pb2.CONNECTIVITY_DEGRADED if link.reason else status_pb2.CONNECTIVITY_CONNECTED
        )
    else:
        link.reason = trouble.reason
        link.trouble = status_pb2.LinkTrouble.ValueType(trouble.trouble)
        link.connectivity = (
            status_pb2.CONNECTIVITY_DEGRADED
            if trouble.trouble in _DEGRADED
            else status_pb2.CONNECTIVITY_DISCONNECTED
        )
    throttled = throttled if link.trouble == status_pb2.LINK_TROUBLE_THROTTLED else None
    link.start_time.FromDatetime(throttled or hub.since)
    return link


def hub_warnings(hub: HubLink) -> Iterable[ActiveWarning]:
    """Yield what there is to say about the link."""
    trouble = hub.trouble
    if trouble is None:
        return
    code = status_pb2.WARNING_CODE_PROVIDER_UNREACHABLE
    text = f"The hub cannot be reached: {trouble.reason}"
    if trouble.trouble is LinkTrouble.CREDENTIALS:
        code = status_pb2.WARNING_CODE_CREDENTIAL_REFUSED
        text = "The hub refuses the credentials of this server; deliveries are held."
    yield ActiveWarning(code, text, hub.since, subject="hub")
