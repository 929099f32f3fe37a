"""Update masks: which fields of a message an update means, and how they are laid over the rest.

Paths are relative to the resource. No mask is every populated field, `*` every field that may be
set; a path that names no field is refused, one that names a field that only the service sets is
ignored.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TypeVar, cast

from google.protobuf.descriptor import Descriptor
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message import Message

from schoolbell_server.contract.fields import ReportViolation
from schoolbell_server.rpc import field_reasons as reasons
from schoolbell_server.rpc.field_reasons import FieldReason
from schoolbell_server.rpc.validation import Violations

M = TypeVar("M", bound=Message)


_EVERY = "*"


def masked_paths(
    mask: FieldMask,
    given: Message,
    settable: Collection[str],
    violations: Violations,
    *,
    also: Collection[str] = (),
) -> tuple[str, ...]:
    """Return the paths that an update means; those of `also` only where they are named or set."""
    known = {*settable, *also}
    populated = tuple(field.name for field, _ in given.ListFields() if field.name in known)
    if not mask.paths:
        return populated
    if list(mask.paths) == [_EVERY]:
        return (*sorted(settable), *(name for name in populated if name in also))
    descriptor = cast(Descriptor, given.DESCRIPTOR)
    for index, path in enumerate(mask.paths):
        if path == _EVERY:
            violations.add(
                f"update_mask.paths[{index}]", "must be the only path", reasons.NOT_ALLOWED
            )
        elif not FieldMask(paths=[path]).IsValidForDescriptor(descriptor):
            violations.add(
                f"update_mask.paths[{index}]", f"names no field: {path!r}", reasons.INCONSISTENT
            )
    return tuple(path for path in mask.paths if path.split(".")[0] in known)


def lay_over(stored: M, given: M, paths: Collection[str]) -> M:
    """Return the stored message with these fields of the given one; lists are replaced whole."""
    merged = type(stored)()
    merged.CopyFrom(stored)
    FieldMask(paths=paths).MergeMessage(given, merged, True, True)
    return merged


def only_within(paths: Collection[str], prefix: str, violations: Violations) -> ReportViolation:
    """Return a listener that hears complaints only of masked fields.

    What is stored may break a rule that is younger than it, and is not for the caller to correct.
    """

    def report(field: str, description: str, reason: FieldReason = reasons.BAD_FORMAT, /) -> None:
        if any(_covers(prefix + path, field) for path in paths):
            violations.add(field, description, reason)

    return report


def _covers(path: str, field: str) -> bool:
    return field == path or field.startswith((f"{path}.", f"{path}["))
