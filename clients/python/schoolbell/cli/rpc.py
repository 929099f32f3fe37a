"""Commands that are one call each, made from the descriptors of the contract.

The fields of the request become options, of which the contract says what is required; the answer
is shown as a list in columns, or whole. What is more than a call has a module of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import click
from google.api import field_behavior_pb2
from google.protobuf.descriptor import Descriptor, FieldDescriptor, MethodDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from schoolbell.blocking import Client
from schoolbell.cli import values
from schoolbell.cli.choosing import type_of
from schoolbell.cli.failing import Failed
from schoolbell.cli.helps import help_of
from schoolbell.cli.output import Column
from schoolbell.cli.session import Session
from schoolbell.cli.shared import Command
from schoolbell.v1 import (
    access_service_pb2,
    change_service_pb2,
    device_service_pb2,
    district_service_pb2,
    roster_service_pb2,
    settings_service_pb2,
    status_service_pb2,
    subscription_service_pb2,
)

_SERVICES = {
    "access": access_service_pb2.DESCRIPTOR,
    "changes": change_service_pb2.DESCRIPTOR,
    "devices": device_service_pb2.DESCRIPTOR,
    "districts": district_service_pb2.DESCRIPTOR,
    "roster": roster_service_pb2.DESCRIPTOR,
    "settings": settings_service_pb2.DESCRIPTOR,
    "status": status_service_pb2.DESCRIPTOR,
    "subscriptions": subscription_service_pb2.DESCRIPTOR,
}
"""The stubs of a client, and the file of each one's service."""
_OWN = frozenset({"district_id", "page_token", "update_mask", "etag"})
_NAMES = {"page_size": "limit", "validate_only": "dry_run", "request_id": "request_id"}
_LIMIT = 50

Prepare = Callable[[Any, dict[str, Any]], None]


@dataclass(frozen=True, kw_only=True)
class Rpc:
    """A command that makes one call."""

    call: str
    """The stub of the client and its method, such as `access.ListRights`."""
    help: str
    example: str
    """What people write behind `schoolbell`."""
    nothing: str = ""
    """What there is none of in an empty list."""
    columns: Sequence[Column] = ()
    arguments: Sequence[str] = ()
    """Fields that are named by their place; a repeated one takes the rest."""
    options: Mapping[str, str] = field(default_factory=dict)
    """Names of options by field, where the field's own would not do; '' leaves it out."""
    parts: Sequence[str] = ()
    """Fields whose message's fields are options of their own."""
    fixed: Mapping[str, Any] = field(default_factory=dict)
    """Fields that have one value."""
    patch: str = ""
    """The part of which only what is named is changed, by the request's mask."""
    more: Sequence[click.Parameter] = ()
    """Options that are no fields: for `prepare`."""
    prepare: Prepare | None = None
    """Completes the request; takes out of the options what are no fields."""
    confirm: str = ""
    """What is asked before, unless `--yes` or `--dry-run` is given."""
    guard: Callable[[Any], str] | None = None
    """Says of the answer to the same request with `validate_only` what speaks against it, '' for
    nothing; it is then done with `--yes` only."""
    any_district: bool = False
    """Without a district it is for every district."""
    fails: Callable[[Any], bool] = lambda _answer: False
    """Whether an answer says that the command failed."""

    @cached_property
    def method(self) -> MethodDescriptor:
        """Return the method's descriptor."""
        stub, _, name = self.call.partition(".")
        (service,) = _SERVICES[stub].services_by_name.values()
        found: MethodDescriptor = service.methods_by_name[name]
        return found

    @property
    def is_list(self) -> bool:
        """Return whether the answer comes in pages."""
        return "next_page_token" in self.method.output_type.fields_by_name

    def command(self, name: str) -> click.Command:
        """Return the command."""
        parameters = [*self._parameters(), *self.more]
        if self.confirm or self.guard:
            said = "Do not ask." if self.confirm else "Do it although something speaks against it."
            parameters.append(click.Option(["--yes"], is_flag=True, help=said))
        if self._reads():
            parameters.append(
                click.Option(["--watch"], is_flag=True, help="Show it again every two seconds.")
            )
        return Command(
            name,
            callback=click.pass_obj(self._run),
            params=parameters,
            help=self.help,
            examples=[self.example],
            calls=[self.call],
        )

    def _reads(self) -> bool:
        return self.method.name.startswith(("Get", "List"))

    def _parameters(self) -> Iterator[click.Parameter]:
        optional: list[click.Parameter] = []
        found = dict(_fields(self.method.input_type, self.parts))
        for path in self.arguments:
            one = found.pop(path, None) or self.method.input_type.fields_by_name[path]
            yield click.Argument(
                [_key(path)],
                type=type_of(one),
                nargs=-1 if one.is_repeated else 1,
                required=_is_required(one),
                metavar=_metavar(one),
            )
        for path, one in found.items():
            if path in self.fixed or self.options.get(path) == "":
                continue
            needed = _is_required(one) and not (self.patch and path.startswith(f"{self.patch}."))
            optional.append(self._option(path, one, required=needed))
        yield from sorted(optional, key=lambda option: not option.required)

    def _option(self, path: str, one: FieldDescriptor, *, required: bool) -> click.Option:
        name = (self.options.get(path) or _option_name(one)).replace("_", "-")
        kept: dict[str, Any] = {"required": required, "help": help_of(one)}
        if one.name == "page_size":
            kept |= {"default": _LIMIT, "show_default": True, "type": click.IntRange(1)}
        elif one.cpp_type == FieldDescriptor.CPPTYPE_BOOL and not one.is_repeated:
            if one.has_presence:
                return click.Option([_key(path), f"--{name}/--no-{name}"], default=None, **kept)
            kept |= {"is_flag": True}
        else:
            kept |= {"type": type_of(one), "multiple": one.is_repeated}
        return click.Option([_key(path), f"--{name}"], **kept)

    def _run(self, session: Session, **chosen: Any) -> None:
        watched, yes = chosen.pop("watch", False), chosen.pop("yes", False)
        request = self._request(session, chosen)
        if self.confirm and not (yes or chosen.get("validate_only")):
            click.confirm(self.confirm, abort=True, err=True)
        with session.client() as client:
            if self.guard and not (yes or request.validate_only):
                self._check(client, request, self.guard)
            session.repeat(lambda: self._show(session, client, request), watched=watched)

    def _check(self, client: Client, request: Any, guard: Callable[[Any], str]) -> None:
        """Refuse what the guard speaks against."""
        counted = type(request)()
        counted.CopyFrom(request)
        counted.validate_only = True
        if against := guard(self._call(client)(counted)):
            raise Failed(f"{against}; --yes does it all the same")

    def _call(self, client: Client) -> Callable[[Any], Any]:
        stub, _, name = self.call.partition(".")
        found: Callable[[Any], Any] = getattr(getattr(client, stub), name)
        return found

    def _request(self, session: Session, chosen: dict[str, Any]) -> Any:
        request: Any = GetMessageClass(self.method.input_type)()
        takes_district = "district_id" in self.method.input_type.fields_by_name
        if takes_district and "district_id" not in {*self.arguments, *self.fixed}:
            every = (session.district_id or "-") if self.any_district else ""
            request.district_id = every or session.need_district()
        if self.prepare is not None:
            self.prepare(request, chosen)
        for path, value in self.fixed.items():
            _put(request, path, value)
        for key, value in chosen.items():
            if value is None or value == () or (value is False and key == "validate_only"):
                continue
            path = key.replace("__", ".")
            _put(request, path, value)
            if self.patch and path.startswith(f"{self.patch}."):
                request.update_mask.paths.append(path.removeprefix(f"{self.patch}."))
        if self.patch and not request.update_mask.paths:
            raise click.UsageError("name something to change")
        return request

    def _show(self, session: Session, client: Client, request: Any) -> None:
        call = self._call(client)
        if self.is_list:
            limit, asked = request.page_size, type(request)()
            asked.CopyFrom(request)
            pages = session.pages(call, asked, limit)
            found = [one for page in pages for one in values.lists_of(page)][:limit]
            session.output.rows(found, self.columns, self.nothing)
            return
        answer = call(request)
        if self.columns:
            session.output.rows(values.lists_of(answer), self.columns, self.nothing)
        else:
            session.output.message(_only_part(answer))
        if self.fails(answer):
            raise SystemExit(Failed.REFUSED)


def _fields(
    descriptor: Descriptor, parts: Iterable[str], before: str = ""
) -> Iterator[tuple[str, FieldDescriptor]]:
    """Yield what of a request callers choose, by dotted path."""
    for one in descriptor.fields:
        if (one.name in _OWN and not before) or _behaves(one, field_behavior_pb2.OUTPUT_ONLY):
            continue
        if one.name == "etag":
            continue
        if one.name in parts and one.message_type is not None:
            yield from _fields(one.message_type, parts, f"{before}{one.name}.")
        else:
            yield before + one.name, one


def _behaves(one: FieldDescriptor, behavior: int) -> bool:
    extension: Any = field_behavior_pb2.field_behavior
    return behavior in one.GetOptions().Extensions[extension]


def _is_required(one: FieldDescriptor) -> bool:
    return _behaves(one, field_behavior_pb2.REQUIRED)


def _key(path: str) -> str:
    return path.replace(".", "__")


def _metavar(one: FieldDescriptor) -> str:
    name = values.words(_singular(one)).replace(" ", "_").upper()
    return f"{name}..." if one.is_repeated else name


def _singular(one: FieldDescriptor) -> str:
    if not one.is_repeated:
        return one.name
    if one.name.endswith("ies"):
        return f"{one.name[:-3]}y"
    return one.name.removesuffix("s")


def _option_name(one: FieldDescriptor) -> str:
    """Return the name of a field's option, such as `student` for `student_ids`."""
    if one.name in _NAMES:
        return _NAMES[one.name]
    if one.name.endswith("_time") and one.name.startswith(("start_", "end_")):
        return "since" if one.name.startswith("start_") else "until"
    if one.name == "change_keys":
        return "change"
    return _singular(one).removesuffix("_id")


def _put(request: Any, path: str, value: Any) -> None:
    """Set a field by its dotted path."""
    *parents, last = path.split(".")
    for name in parents:
        request = getattr(request, name)
    one = request.DESCRIPTOR.fields_by_name[last]
    if one.is_repeated:
        getattr(request, last).extend(value)
    elif isinstance(value, Message):
        getattr(request, last).CopyFrom(value)
    else:
        setattr(request, last, value)


def _only_part(answer: Message) -> Message:
    """Return the one message that an answer wraps, else the answer."""
    fields = answer.DESCRIPTOR.fields
    if len(fields) == 1 and fields[0].message_type is not None and not fields[0].is_repeated:
        part: Message = getattr(answer, fields[0].name)
        return part
    return answer
