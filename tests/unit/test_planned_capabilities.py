"""What is planned fits the contract: its messages compile beside it, and added fields find room."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import google.rpc
import pytest
from google.protobuf.descriptor import Descriptor

from tests.unit.contract import files, messages

CHECKOUT = Path(__file__).resolve().parents[2]
PAGE = (CHECKOUT / "docs" / "decisions" / "planned-capabilities.md").read_text()
_BLOCK = re.compile(r"^```proto(?: added to (\w+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_FIELD = re.compile(r"^\s*(?:repeated |optional )?([\w.]+) (\w+) = (\d+);$", re.MULTILINE)
TYPES: dict[str, Descriptor] = {message.name: message for message in messages()}
ADDED = [
    (found[1], field[1], field[2], field[3])
    for found in _BLOCK.finditer(PAGE)
    if found[1]
    for field in _FIELD.finditer(found[2])
]
"""Message, type, name and number of every added field."""


@pytest.mark.parametrize(("message", "kind", "name", "number"), ADDED)
def test_an_added_field_finds_a_free_number_and_name(
    message: str, kind: str, name: str, number: str
) -> None:
    assert name not in TYPES[message].fields_by_name, kind
    assert int(number) not in TYPES[message].fields_by_number


def test_fields_are_added_to_messages_of_the_contract() -> None:
    assert len(ADDED) >= 5


def test_the_planned_messages_compile_beside_the_contract(tmp_path: Path) -> None:
    imports = [file.name for file in files()]
    imports += [f"google/protobuf/{name}.proto" for name in ("duration", "field_mask", "timestamp")]
    added = [
        f"message Holds{n} {{ {kind} {name} = 1; }}" for n, (_, kind, name, _) in enumerate(ADDED)
    ]
    planned = tmp_path / "planned.proto"
    planned.write_text(
        'syntax = "proto3";\npackage schoolbell.v1;\n'
        + "".join(f'import "{name}";\n' for name in imports)
        + "".join(found[2] for found in _BLOCK.finditer(PAGE) if not found[1])
        + "\n".join(added)
    )
    google_protos = Path(next(iter(google.rpc.__path__))).parents[1]
    compiled = subprocess.run(
        [
            *(sys.executable, "-m", "grpc_tools.protoc", f"-I{CHECKOUT / 'proto'}"),
            *(f"-I{google_protos}", f"-I{tmp_path}", f"--descriptor_set_out={tmp_path / 'out'}"),
            str(planned),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert compiled.returncode == 0, compiled.stderr
