"""Every RPC with every role and the oddest input, over a real connection: deny by default."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc.aio
from google.protobuf.descriptor import FieldDescriptor, MethodDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from grpc import StatusCode

from schoolbell.v1 import access_service_pb2 as access
from schoolbell_server.security.api_key import Role
from schoolbell_server.security.permissions import RULES
from tests.service.scene import MOTHER, STUDENT, phone, populate, register
from tests.service.whole import DISTRICT, Whole, whole
from tests.storage.engines import databases
from tests.unit.contract import methods

ROLES = access.Role.values()[1:]


async def test_every_rpc_answers_each_role_as_its_rule_says(tmp_path: Path) -> None:
    """A caller without the role is refused before its request is looked at any further."""
    wrong = []
    async with whole(tmp_path) as service:
        await service.create_district()
        for role in ROLES:
            async with _calls(service, role) as calls:
                for method in methods():
                    code = await calls.send(method, plain(method))
                    denied = code is StatusCode.PERMISSION_DENIED
                    if denied == (Role(role) in RULES[calls.name(method)].roles):
                        wrong.append((calls.name(method), access.Role.Name(role), code))
    assert not wrong


@databases()
async def test_no_rpc_answers_unknown_or_internal_to_any_input(
    database: str, tmp_path: Path
) -> None:
    """Bytes that are no message, and messages full of the oddest values that fields can hold."""
    faults = []
    async with whole(tmp_path, database=database) as service:
        await populate(service)
        await register(service, phone(STUDENT), phone(MOTHER))
        for role in ROLES:
            async with _calls(service, role) as calls:
                for method in methods():
                    if Role(role) not in RULES[calls.name(method)].roles:
                        continue
                    for data in _oddities(method):
                        code = await calls.send(method, data)
                        if code in (StatusCode.UNKNOWN, StatusCode.INTERNAL):
                            faults.append((calls.name(method), code, data[:60]))
    assert not faults


def plain(method: MethodDescriptor) -> bytes:
    """Return a request that names the district, and nothing else."""
    request = GetMessageClass(method.input_type)()
    _set_district(request)
    return request.SerializeToString()


def _set_district(request: Message) -> None:
    """Name the district, where the request has one."""
    if "district_id" in request.DESCRIPTOR.fields_by_name:
        request.district_id = DISTRICT  # type: ignore[attr-defined]


def _oddities(method: MethodDescriptor) -> Iterator[bytes]:
    yield b"\xff\xff\xff"
    yield b"\x0a\x7f"
    for text, number in (
        ("", 0),
        ("\0", -1),
        ("x" * 2000, 2**31 - 1),
        (STUDENT, 1),
        (MOTHER, 2),
        ("\u202e\U0001f600", -(2**31)),
    ):
        message = GetMessageClass(method.input_type)()
        _fill(message, text, number, depth=5)
        _set_district(message)
        yield message.SerializeToString()


def _fill(message: Message, text: str, number: int, depth: int) -> None:
    """Set every field of a message, and of the messages in it."""
    for field in message.DESCRIPTOR.fields:
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            getattr(message, field.name)[text] = text
            continue
        if field.message_type is not None:
            if depth and not field.message_type.full_name.startswith("google.protobuf.Struct"):
                inner = getattr(message, field.name)
                inner = inner.add() if field.is_repeated else inner
                _fill(inner, text, number, depth - 1)
                if not field.is_repeated:
                    inner.SetInParent()
            continue
        value = _value(field, text, number)
        if field.is_repeated:
            getattr(message, field.name).append(value)
        else:
            setattr(message, field.name, value)


def _value(field: Any, text: str, number: int) -> object:
    match field.type:
        case FieldDescriptor.TYPE_STRING:
            return text
        case FieldDescriptor.TYPE_BYTES:
            return text.encode()
        case FieldDescriptor.TYPE_BOOL:
            return bool(number)
        case FieldDescriptor.TYPE_DOUBLE:
            return float("nan") if number < 0 else float(number) * 1e300
        case FieldDescriptor.TYPE_UINT32 | FieldDescriptor.TYPE_UINT64:
            return abs(number)
    return number


@dataclass
class Calls:
    """Sends raw bytes to RPCs and answers the codes."""

    channel: grpc.aio.Channel
    metadata: Any

    @staticmethod
    def name(method: MethodDescriptor) -> str:
        """Return the name under which a method is served."""
        return f"/{method.containing_service.full_name}/{method.name}"

    async def send(self, method: MethodDescriptor, data: bytes) -> StatusCode:
        """Call a method with these bytes, of a stream the first answer."""
        channel: Any = self.channel
        name = self.name(method)
        sent: Any = _once(data) if method.client_streaming else data
        shape = (
            f"{'stream' if method.client_streaming else 'unary'}_"
            f"{'stream' if method.server_streaming else 'unary'}"
        )
        call = getattr(channel, shape)(name)(sent, metadata=self.metadata, timeout=30)
        try:
            if method.server_streaming:
                await call.read()
                call.cancel()
            else:
                await call
        except grpc.aio.AioRpcError as error:
            return error.code()
        return StatusCode.OK


async def _once(data: bytes) -> AsyncIterator[bytes]:
    yield data


@asynccontextmanager
async def _calls(service: Whole, role: access.Role.ValueType) -> AsyncIterator[Calls]:
    connection = service.connection(role)
    async with connection.aio_channel() as channel:
        yield Calls(channel, connection.metadata())
