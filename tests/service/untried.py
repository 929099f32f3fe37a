"""Calls that are not tried again: a client that does so hides a fault."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import grpc

from schoolbell.v1 import access_service_pb2 as access
from schoolbell.v1.device_service_pb2_grpc import DeviceServiceStub
from tests.service.whole import Whole


@asynccontextmanager
async def untried(service: Whole, key: str = "") -> AsyncIterator[Callable[[str, Any], Any]]:
    """Call the device service as a mobile backend; each call is made once."""
    connection = service.connection(access.ROLE_MOBILE_BACKEND)
    metadata = (("authorization", f"Bearer {key or connection.key}"),)
    credentials = grpc.ssl_channel_credentials(connection.ca)
    options = [("grpc.enable_retries", 0)]
    async with grpc.aio.secure_channel(connection.target, credentials, options) as channel:
        stub = DeviceServiceStub(channel)
        yield lambda method, asked: getattr(stub, method)(asked, metadata=metadata, timeout=60)
