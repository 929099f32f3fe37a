"""Write the contract's gRPC service config: `python -m tools.service_config DESCRIPTOR_SET FILE`.

A unary RPC that the contract calls free of side effects or idempotent may be repeated. Streams are
not in it: a client that resumes them knows from where, gRPC does not.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from google.protobuf.descriptor_pb2 import FileDescriptorSet, MethodDescriptorProto, MethodOptions

DEADLINE = "15s"
RETRY_POLICY = {
    "maxAttempts": 5,
    "initialBackoff": "0.1s",
    "maxBackoff": "2s",
    "backoffMultiplier": 2,
    "retryableStatusCodes": ["UNAVAILABLE"],
}
_PACKAGE = "schoolbell.v1"
_SAFE = (MethodOptions.NO_SIDE_EFFECTS, MethodOptions.IDEMPOTENT)


def service_config(files: FileDescriptorSet) -> dict[str, Any]:
    """Return the service config of the contract's services, methods by name."""
    safe: list[dict[str, str]] = []
    unsafe: list[dict[str, str]] = []
    for name, method in _unary_methods(files):
        (safe if method.options.idempotency_level in _SAFE else unsafe).append(name)
    configs: list[dict[str, Any]] = []
    if safe:
        configs.append({"name": safe, "timeout": DEADLINE, "retryPolicy": RETRY_POLICY})
    if unsafe:
        configs.append({"name": unsafe, "timeout": DEADLINE})
    return {"methodConfig": configs}


def _unary_methods(
    files: FileDescriptorSet,
) -> Iterable[tuple[dict[str, str], MethodDescriptorProto]]:
    for file in sorted(files.file, key=lambda one: one.name):
        if file.package != _PACKAGE:
            continue
        for service in file.service:
            for method in service.method:
                if not (method.client_streaming or method.server_streaming):
                    name = {"service": f"{_PACKAGE}.{service.name}", "method": method.name}
                    yield name, method


def main(descriptors: str, target: str) -> None:
    """Read a descriptor set and write the config."""
    files = FileDescriptorSet.FromString(Path(descriptors).read_bytes())
    text = json.dumps(service_config(files), indent=2) + "\n"
    Path(target).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
