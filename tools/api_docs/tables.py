"""Fields and enum members as tables."""

from __future__ import annotations

from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FieldDescriptorProto,
)

from tools.api_docs.contract import FIELD, ONEOF, VALUE, File, Path, behaviors, is_own, short
from tools.api_docs.text import Linker, examples

_BEHAVIORS = {
    "REQUIRED": "required",
    "OPTIONAL": "optional",
    "OUTPUT_ONLY": "output only",
    "INPUT_ONLY": "input only",
    "IMMUTABLE": "immutable",
    "UNORDERED_LIST": "in no order",
    "NON_EMPTY_DEFAULT": "has a default",
    "IDENTIFIER": "identifier",
}


def fields_table(file: File, path: Path, message: DescriptorProto, linker: Linker) -> str:
    """Return a message's fields as a table, its oneofs and the examples of its fields below."""
    if not message.field:
        return "It has no fields."
    said = any(behaviors(one) for one in message.field)
    head = ["Field", "Type", *(["Use"] if said else []), "Meaning"]
    rows = [head, ["---"] * len(head)]
    shown: list[str] = []
    for index, one in enumerate(message.field):
        comment = file.comment(*path, FIELD, index)
        shown += examples(comment)
        use = [", ".join(_BEHAVIORS[name] for name in _BEHAVIORS if name in behaviors(one))]
        rows.append(
            [
                f"`{one.name}`",
                _type(message, one, linker),
                *(use if said else []),
                _meaning(message, one, linker.cell(comment)),
            ]
        )
    parts = [_table(rows), *_oneofs(file, path, message, linker), *shown]
    return "\n\n".join(parts)


def members_table(file: File, path: Path, enum: EnumDescriptorProto, linker: Linker) -> str:
    """Return an enum's members as a table."""
    rows = [["Number", "Name", "Meaning"], ["---"] * 3]
    for index, one in enumerate(enum.value):
        comment = linker.cell(file.comment(*path, VALUE, index))
        rows.append([str(one.number), f"`{one.name}`", comment])
    return _table(rows)


def _type(message: DescriptorProto, one: FieldDescriptorProto, linker: Linker) -> str:
    entry = next((each for each in message.nested_type if each.name == short(one.type_name)), None)
    if entry is not None:
        return f"map of {_single(entry.field[0], linker)} to {_single(entry.field[1], linker)}"
    single = _single(one, linker)
    return f"list of {single}" if one.label == one.LABEL_REPEATED else single


def _single(one: FieldDescriptorProto, linker: Linker) -> str:
    if not one.type_name:
        return f"`{one.Type.Name(one.type).removeprefix('TYPE_').lower()}`"
    name = one.type_name.removeprefix(".")
    return linker.link(short(name)) if is_own(name) else f"`{name}`"


def _meaning(message: DescriptorProto, one: FieldDescriptorProto, comment: str) -> str:
    if one.proto3_optional:
        return f"{comment} May be absent."
    if one.HasField("oneof_index"):
        return f"{comment} One of `{message.oneof_decl[one.oneof_index].name}`."
    return comment


def _oneofs(file: File, path: Path, message: DescriptorProto, linker: Linker) -> list[str]:
    parts = []
    for index, oneof in enumerate(message.oneof_decl):
        members = [
            f"`{one.name}`"
            for one in message.field
            if one.HasField("oneof_index") and one.oneof_index == index and not one.proto3_optional
        ]
        if members:
            comment = linker.prose(file.comment(*path, ONEOF, index))
            parts.append(f"`{oneof.name}` is one of {', '.join(members)}. {comment}")
    return [part.rstrip() for part in parts]


def _table(rows: list[list[str]]) -> str:
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)
