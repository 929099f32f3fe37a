"""The README names exactly the RPCs that are not served: none."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc.aio
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message_factory import GetMessageClass

from schoolbell.v1 import access_service_pb2 as access
from schoolbell_server.security.permissions import RULES
from tests.docs.pages import first_cells, read, section
from tests.service.scene import MOTHER, populate
from tests.service.whole import DISTRICT, Whole, whole
from tests.unit.contract import methods


async def test_the_readme_names_what_is_not_served(tmp_path: Path) -> None:
    async with whole(tmp_path) as service:
        await populate(service)
        found = {_short(one) for one in methods() if not await _served(service, one)}
    assert set(first_cells(section(read("README.md"), "## What is there"))) == found
    assert f"All {len(list(methods()))} RPCs" in read("README.md")


async def _served(service: Whole, method: MethodDescriptor) -> bool:
    """Call a method as one who may, with as little as reaches its servicer."""
    request: Any = GetMessageClass(method.input_type)()
    if "district_id" in method.input_type.fields_by_name:
        request.district_id = DISTRICT
    if "user_id" in method.input_type.fields_by_name:
        request.user_id = MOTHER
    name = f"/{method.containing_service.full_name}/{method.name}"
    role = access.Role.ValueType(min(RULES[name].roles))
    connection = service.connection(role)
    async with connection.aio_channel() as channel:
        data = request.SerializeToString()
        try:
            await _answer(channel, name, method, data, connection.metadata())
        except grpc.aio.AioRpcError as error:
            return error.code() is not grpc.StatusCode.UNIMPLEMENTED
    return True


async def _answer(
    channel: Any, name: str, method: MethodDescriptor, data: bytes, metadata: Any
) -> None:
    """Wait for the first answer."""
    sent: Any = _once(data) if method.client_streaming else data
    shape = "_".join(
        "stream" if streams else "unary"
        for streams in (method.client_streaming, method.server_streaming)
    )
    call = getattr(channel, shape)(name)(sent, metadata=metadata, timeout=60)
    if method.server_streaming:
        await call.read()
        call.cancel()
    else:
        await call


async def _once(data: bytes) -> AsyncIterator[bytes]:
    yield data


def _short(method: MethodDescriptor) -> str:
    return f"{method.containing_service.name}.{method.name}"
