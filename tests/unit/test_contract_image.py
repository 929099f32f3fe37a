"""What `buf breaking` compares with holds every file that others depend on."""

from __future__ import annotations

from pathlib import Path

from google.protobuf.descriptor_pb2 import FileDescriptorSet

_PROTOS = Path(__file__).resolve().parents[2] / "proto"


def test_every_proto_is_guarded_against_breaking_changes() -> None:
    image = FileDescriptorSet.FromString((_PROTOS / "image.binpb").read_bytes())
    written = {str(file.relative_to(_PROTOS)) for file in _PROTOS.glob("schoolbell/**/*.proto")}
    guarded = {file.name for file in image.file if file.name.startswith("schoolbell/")}
    assert "schoolbell/link/v1/link.proto" in written
    assert guarded == written
