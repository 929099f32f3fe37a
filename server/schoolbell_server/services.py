"""Every service of the contract, put together from its parts and added to a server."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass

from schoolbell.v1 import (
    access_service_pb2,
    access_service_pb2_grpc,
    change_service_pb2,
    change_service_pb2_grpc,
    device_service_pb2,
    device_service_pb2_grpc,
    district_service_pb2,
    district_service_pb2_grpc,
    roster_service_pb2,
    roster_service_pb2_grpc,
    settings_service_pb2,
    settings_service_pb2_grpc,
    status_service_pb2,
    status_service_pb2_grpc,
    subscription_service_pb2,
    subscription_service_pb2_grpc,
)
from schoolbell_server.acceptance.dry_run import DryRunner
from schoolbell_server.config import LimitsConfig
from schoolbell_server.gateways.factory import Gateways
from schoolbell_server.identity.issuers import Issuers
from schoolbell_server.maintenance.audit_sealer import AuditSealer
from schoolbell_server.maintenance.last_seen import LastSeen
from schoolbell_server.pipeline import Pipeline
from schoolbell_server.rpc.server import MiddlewareServer
from schoolbell_server.security.fingerprint import TokenFingerprints
from schoolbell_server.security.key_store import StoredKeys
from schoolbell_server.security.pseudonyms import Pseudonyms
from schoolbell_server.security.sealer import Sealer
from schoolbell_server.servicers.access.servicer import AccessServicer
from schoolbell_server.servicers.change.explain import Explainer
from schoolbell_server.servicers.change.readers import ChangeReaders
from schoolbell_server.servicers.change.servicer import ChangeServicer
from schoolbell_server.servicers.common.unattended import Unattended
from schoolbell_server.servicers.device.notifications import Notifications
from schoolbell_server.servicers.device.receipts import Receipts
from schoolbell_server.servicers.device.registration import Registrar
from schoolbell_server.servicers.device.registrations import Registrations
from schoolbell_server.servicers.device.servicer import DeviceServicer
from schoolbell_server.servicers.device.test_sender import TestSender
from schoolbell_server.servicers.district.removal import DistrictRemoval
from schoolbell_server.servicers.district.servicer import DistrictServicer
from schoolbell_server.servicers.persons.erasure import Erasure
from schoolbell_server.servicers.roster.import_finisher import ImportFinisher
from schoolbell_server.servicers.roster.servicer import RosterServicer
from schoolbell_server.servicers.settings.servicer import SettingsServicer
from schoolbell_server.servicers.status.delivery_control import DeliveryControl
from schoolbell_server.servicers.status.servicer import StatusServicer
from schoolbell_server.servicers.subscription.servicer import SubscriptionServicer
from schoolbell_server.status.monitor import Monitor
from schoolbell_server.status.tail import Tail
from schoolbell_server.texts import Texts
from schoolbell_storage.engine import Storage
from schoolbell_storage.world import Apps

_FILES = (
    district_service_pb2,
    settings_service_pb2,
    roster_service_pb2,
    device_service_pb2,
    subscription_service_pb2,
    change_service_pb2,
    status_service_pb2,
    access_service_pb2,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What the services are made of."""

    storage: Storage
    apps: Apps
    sealer: Sealer
    fingerprints: TokenFingerprints
    keys: StoredKeys
    seen: LastSeen
    gateways: Gateways
    texts: Texts
    monitor: Monitor
    tail: Tail
    pipeline: Pipeline
    finisher: ImportFinisher
    unattended: Unattended
    receipts: Receipts
    pseudonyms: Pseudonyms
    audit_sealer: AuditSealer
    clock: Callable[[], dt.datetime]
    replay: bool
    limits: access_service_pb2.ServerLimits
    import_limits: LimitsConfig
    issuers: Issuers


def add_services(server: MiddlewareServer, parts: Parts) -> list[str]:
    """Add every service; return their full names."""
    storage, clock, wake = parts.storage, parts.clock, parts.pipeline.wake
    district_service_pb2_grpc.add_DistrictServiceServicer_to_server(
        DistrictServicer(
            storage,
            apps=parts.apps,
            sealer=parts.sealer,
            now=clock,
            removal=DistrictRemoval(
                storage,
                clock=clock,
                on_deleted=parts.keys.forget,
                unattended=parts.unattended,
            ),
        ),
        server,
    )
    settings_service_pb2_grpc.add_SettingsServiceServicer_to_server(
        SettingsServicer(storage, states=parts.monitor, now=clock), server
    )
    roster_service_pb2_grpc.add_RosterServiceServicer_to_server(
        RosterServicer(storage, finisher=parts.finisher, now=clock, limits=parts.import_limits),
        server,
    )
    device_service_pb2_grpc.add_DeviceServiceServicer_to_server(_devices(parts), server)
    subscription_service_pb2_grpc.add_SubscriptionServiceServicer_to_server(
        SubscriptionServicer(storage, apps=parts.apps, clock=clock, on_seen=parts.seen.device),
        server,
    )
    change_service_pb2_grpc.add_ChangeServiceServicer_to_server(
        ChangeServicer(
            parts.pipeline.acceptor,
            DryRunner(storage, parts.pipeline.acceptance, clock),
            ChangeReaders(storage, clock),
            Explainer(storage, apps=parts.apps, clock=clock, replay=parts.replay),
        ),
        server,
    )
    status_service_pb2_grpc.add_StatusServiceServicer_to_server(
        StatusServicer(
            storage,
            states=parts.monitor,
            tail=parts.tail,
            delivery_control=DeliveryControl(
                storage, unattended=parts.unattended, clock=clock, on_written=wake
            ),
            clock=clock,
        ),
        server,
    )
    access_service_pb2_grpc.add_AccessServiceServicer_to_server(
        AccessServicer(
            storage,
            keys=parts.keys,
            clock=clock,
            erasure=Erasure(storage, pseudonyms=parts.pseudonyms, clock=clock, on_written=wake),
            unattended=parts.unattended,
            sealer=parts.audit_sealer,
            limits=parts.limits,
            names_groups=parts.issuers.names_groups,
        ),
        server,
    )
    return [name for file in _FILES for name in _services_of(file)]


def _devices(parts: Parts) -> DeviceServicer:
    return DeviceServicer(
        parts.storage,
        apps=parts.apps,
        registrations=Registrations(
            parts.storage, Registrar(parts.sealer, parts.fingerprints), parts.clock
        ),
        receipts=parts.receipts,
        notifications=Notifications(
            parts.storage,
            apps=parts.apps,
            texts=parts.texts,
            clock=parts.clock,
            on_seen=parts.seen.device,
            replay=parts.replay,
        ),
        tests=TestSender(
            parts.storage,
            texts=parts.texts,
            gateways=parts.gateways,
            sealer=parts.sealer,
            clock=parts.clock,
        ),
        clock=parts.clock,
        on_seen=parts.seen.device,
        on_written=parts.pipeline.wake,
    )


def _services_of(file: object) -> list[str]:
    descriptor = file.DESCRIPTOR  # type: ignore[attr-defined]
    return [service.full_name for service in descriptor.services_by_name.values()]
