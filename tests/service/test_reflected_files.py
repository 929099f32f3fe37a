"""Reflection serves every file that the contract needs, Google's too, as grpcurl asks for them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import grpc
from google.api import field_behavior_pb2
from google.protobuf.descriptor_pb2 import FieldOptions, FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from grpc_reflection.v1alpha.reflection_pb2 import (
    ExtensionRequest,
    ServerReflectionRequest,
    ServerReflectionResponse,
)

from tests.service.whole import whole
from tests.unit.contract import files

SERVICES = [one.full_name for file in files() for one in file.services_by_name.values()]
_PATIENCE = 20.0  # seconds


async def ask(channel: grpc.aio.Channel, request: ServerReflectionRequest) -> Iterator[bytes]:
    """Ask one question and return the files of the answer."""
    call = channel.stream_stream(
        "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
        request_serializer=ServerReflectionRequest.SerializeToString,
        response_deserializer=ServerReflectionResponse.FromString,
    )(iter([request]), timeout=_PATIENCE)
    (answer,) = [one async for one in call]
    assert answer.WhichOneof("message_response") == "file_descriptor_response", answer
    return iter(answer.file_descriptor_response.file_descriptor_proto)


async def test_every_file_that_a_service_needs_is_served(tmp_path: Path) -> None:
    pool, known = DescriptorPool(), set[str]()

    async def add(channel: grpc.aio.Channel, request: ServerReflectionRequest) -> None:
        for content in await ask(channel, request):
            file = FileDescriptorProto.FromString(content)
            if file.name in known:
                continue
            known.add(file.name)
            for needed in set(file.dependency) - known:
                await add(channel, ServerReflectionRequest(file_by_filename=needed))
            pool.Add(file)

    async with whole(tmp_path) as service, service.connection().aio_channel() as channel:
        for name in SERVICES:
            await add(channel, ServerReflectionRequest(file_containing_symbol=name))
    for name in SERVICES:
        assert pool.FindServiceByName(name).methods


async def test_the_option_that_says_how_a_field_is_used_is_served(tmp_path: Path) -> None:
    option = ExtensionRequest(
        containing_type=FieldOptions.DESCRIPTOR.full_name,
        extension_number=field_behavior_pb2.field_behavior.number,
    )
    async with whole(tmp_path) as service, service.connection().aio_channel() as channel:
        answer = await ask(channel, ServerReflectionRequest(file_containing_extension=option))
    names = [FileDescriptorProto.FromString(content).name for content in answer]
    assert "google/api/field_behavior.proto" in names
