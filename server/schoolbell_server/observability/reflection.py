"""gRPC reflection as v1 and v1alpha: what is served, for tools that have no protos.

The library has generated code for v1alpha alone, which is v1 but for the package's name. It looks
symbols up in protobuf's pool, which knows neither v1 nor, by itself, the file of a method or field.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool
from google.protobuf.descriptor import FileDescriptor
from grpc_health.v1 import health
from grpc_reflection.v1alpha import reflection, reflection_pb2

V1 = "grpc.reflection.v1.ServerReflection"
_ALPHA_PACKAGE, _PACKAGE = "grpc.reflection.v1alpha", "grpc.reflection.v1"
_FILE = "grpc/reflection/v1/reflection.proto"


class Descriptors:
    """What is known of files and symbols: protobuf's own pool, and reflection's v1 beside it."""

    def __init__(self) -> None:
        self._common: Any = descriptor_pool.Default()
        self._reflection: Any = descriptor_pool.DescriptorPool()
        alpha: Any = reflection_pb2.DESCRIPTOR
        self._reflection.Add(_as_v1(alpha))

    def FindFileByName(self, name: str) -> Any:  # noqa: N802
        """Return a file; KeyError if there is none."""
        return self._find("FindFileByName", name)

    def FindFileContainingSymbol(self, name: str) -> Any:  # noqa: N802
        """Return the file of a service, message, enum or extension, or of a part of one.

        KeyError if there is none.
        """
        try:
            return self._find("FindFileContainingSymbol", name)
        except KeyError:
            whole, _, part = name.rpartition(".")
            file = self._find("FindFileContainingSymbol", whole)
            if not _has(file, whole, part):
                raise
            return file

    def __getattr__(self, name: str) -> Any:
        """Look extensions up in protobuf's own pool; v1 has none."""
        return getattr(self._common, name)

    def _find(self, look_up: str, name: str) -> Any:
        try:
            return getattr(self._common, look_up)(name)
        except KeyError:
            return getattr(self._reflection, look_up)(name)


def add_reflection(server: grpc.aio.Server, services: Sequence[str]) -> None:
    """Serve reflection as v1 and v1alpha."""
    names = (*services, health.SERVICE_NAME, V1, reflection.SERVICE_NAME)
    servicer = reflection.aio.ReflectionServicer(names, Descriptors())
    method = grpc.stream_stream_rpc_method_handler(
        servicer.ServerReflectionInfo,
        request_deserializer=reflection_pb2.ServerReflectionRequest.FromString,
        response_serializer=reflection_pb2.ServerReflectionResponse.SerializeToString,
    )
    server.add_generic_rpc_handlers(
        [
            grpc.method_handlers_generic_handler(name, {"ServerReflectionInfo": method})
            for name in (V1, reflection.SERVICE_NAME)
        ]
    )


def _as_v1(alpha: FileDescriptor) -> descriptor_pb2.FileDescriptorProto:
    """Return the file of v1alpha under the names of v1."""
    file = descriptor_pb2.FileDescriptorProto.FromString(alpha.serialized_pb)
    file.name = _FILE
    file.package = _PACKAGE
    for message in file.message_type:
        for field in message.field:
            if field.type_name:
                field.type_name = _renamed(field.type_name)
    for service in file.service:
        for method in service.method:
            method.input_type = _renamed(method.input_type)
            method.output_type = _renamed(method.output_type)
    return file


def _renamed(name: str) -> str:
    return name.replace(f".{_ALPHA_PACKAGE}.", f".{_PACKAGE}.", 1)


def _has(file: FileDescriptor, whole: str, part: str) -> bool:
    """Tell whether a service has a method, a message a field or oneof, or an enum a value."""
    inside = whole.removeprefix(f"{file.package}.")
    service = file.services_by_name.get(inside)
    if service is not None:
        return part in service.methods_by_name
    enum = file.enum_types_by_name.get(inside)
    if enum is not None:
        return part in enum.values_by_name
    first, *rest = inside.split(".")
    message = file.message_types_by_name.get(first)
    for name in rest:
        message = message and message.nested_types_by_name.get(name)
    return message is not None and (
        part in message.fields_by_name or part in message.oneofs_by_name
    )
