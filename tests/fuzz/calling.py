"""Send bytes to an RPC in its own shape, now and then cut in the middle, and read what comes."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import grpc.aio
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from google.rpc.status_pb2 import Status
from grpc import StatusCode

PATIENCE = 60.0  # seconds; a call that takes longer hangs
FAILED_WRITE = "Internal error from Core"
"""What gRPC's client says where it writes into a stream that the server has just ended."""

_GLANCE = 0.05  # seconds that an open stream, which may have nothing to say, is read
_MOST_READ = 20  # answers of a stream


@dataclass(slots=True)
class Outcome:
    """How a call ended."""

    code: StatusCode
    details: str = ""
    answers: list[Message] = field(default_factory=list)


def name_of(method: MethodDescriptor) -> str:
    """Return the name under which a method is served."""
    return f"/{method.containing_service.full_name}/{method.name}"


async def call(
    channel: grpc.aio.Channel,
    method: MethodDescriptor,
    parts: Sequence[bytes],
    metadata: Any,
    dice: random.Random,
) -> Outcome:
    """Call a method; one whose stream was cut by the caller ends as CANCELLED."""
    cut = method.client_streaming and dice.random() < 0.15
    shape = (
        f"{'stream' if method.client_streaming else 'unary'}_"
        f"{'stream' if method.server_streaming else 'unary'}"
    )
    sent: Any = _stream(parts, cut=cut) if method.client_streaming else parts[0]
    any_channel: Any = channel
    going = getattr(any_channel, shape)(
        name_of(method), response_deserializer=GetMessageClass(method.output_type).FromString
    )(sent, metadata=metadata, timeout=PATIENCE)
    outcome = Outcome(StatusCode.OK)
    try:
        if cut:
            await asyncio.sleep(dice.choice((0, 0, 0.005)))
            going.cancel()
        if method.server_streaming:
            await _read(going, outcome, open_ended=method.name == "WatchStatus")
        else:
            outcome.answers.append(await going)
    except grpc.aio.AioRpcError as error:
        outcome.code, outcome.details = error.code(), error.details() or ""
    except asyncio.CancelledError:
        if not going.cancelled():
            raise
        outcome.code = StatusCode.CANCELLED
    return outcome


def faults_in(answers: Sequence[Message]) -> list[Status]:
    """Return the errors of single items that no input may cause."""
    found = []
    for answer in answers:
        for descriptor, value in answer.ListFields():
            if descriptor.message_type is None or descriptor.message_type.GetOptions().map_entry:
                continue
            items: Any = value if descriptor.is_repeated else [value]
            for item in items:
                if isinstance(item, Status):
                    found += [item] if item.code in (2, 13) else []
                else:
                    found += faults_in([item])
    return found


async def _read(going: Any, outcome: Outcome, *, open_ended: bool) -> None:
    for _ in range(_MOST_READ):
        try:
            async with asyncio.timeout(_GLANCE if open_ended else PATIENCE):
                answer = await going.read()
        except TimeoutError:
            if not open_ended:
                raise
            outcome.code = outcome.code if outcome.answers else StatusCode.CANCELLED
            break
        if answer is grpc.aio.EOF:
            code = await going.code()
            if code is not StatusCode.OK:
                outcome.code, outcome.details = code, await going.details()
            return
        outcome.answers.append(answer)
    going.cancel()


async def _stream(parts: Sequence[bytes], *, cut: bool) -> AsyncIterator[bytes]:
    for part in parts:
        yield part
    if cut:
        await asyncio.Event().wait()
