"""Who is calling: known to everything that runs on behalf of the call."""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass

from schoolbell_server.domain.principal import Principal
from schoolbell_server.security.api_key import Grant, Role
from schoolbell_server.security.permissions import Rule, districts_of
from schoolbell_storage.audit import Actor


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """An authenticated caller in one call."""

    key: Grant
    rule: Rule
    """The rule of the RPC that is called."""
    request_id: str
    page_key: bytes
    """Under which this installation's page tokens are hashed."""
    client_address: str = ""
    """The network address of the caller, without its port; empty if it has none."""

    @property
    def role(self) -> Role:
        """What sort of caller it is."""
        return self.key.role

    @property
    def name(self) -> str:
        """Who it is in one word: the person behind the key, else the key."""
        return self.key.principal.name

    @property
    def principal(self) -> Principal:
        """Who it is, for records of what was done: the key, and the person behind it."""
        return self.key.principal

    @property
    def actor(self) -> Actor:
        """Who it is, for the audit log."""
        return Actor(self.principal, self.client_address, self.request_id)

    def districts(self, asked: str) -> frozenset[str] | None:
        """Return the districts to read for a `district_id`; None is every district."""
        return districts_of(self.rule, self.key, asked)


_CALLER: ContextVar[Caller] = ContextVar("schoolbell_caller")


def current_caller() -> Caller:
    """Return the caller of the call that is being served; LookupError outside of one."""
    return _CALLER.get()


def set_caller(caller: Caller) -> None:
    """Say who the caller of the present task's call is."""
    _CALLER.set(caller)
