"""Who is calling: known to everything that runs on behalf of the call."""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass

from schoolbell_server.domain.kinds import PrincipalType
from schoolbell_server.domain.principal import Principal
from schoolbell_server.security.api_key import EVERY_DISTRICT, ApiKey, Role


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """An authenticated caller in one call."""

    key: ApiKey
    request_id: str

    @property
    def role(self) -> Role:
        """What sort of caller it is."""
        return self.key.role

    @property
    def name(self) -> str:
        """Who it is, for the audit log: the person behind the key, else the key."""
        return self.key.user_id or self.key.key_id

    @property
    def principal(self) -> Principal:
        """Who it is, for records of what was done: the key, and the person behind it."""
        return Principal(PrincipalType.API_KEY, self.key.key_id, self.key.user_id)

    def district(self, asked: str) -> str | None:
        """Return the one district to read for a `district_id`; None is every district."""
        if asked != EVERY_DISTRICT:
            return asked
        return None if self.key.district_id == EVERY_DISTRICT else self.key.district_id


_CALLER: ContextVar[Caller] = ContextVar("schoolbell_caller")


def current_caller() -> Caller:
    """Return the caller of the call that is being served; LookupError outside of one."""
    return _CALLER.get()


def set_caller(caller: Caller) -> None:
    """Say who the caller of the present task's call is."""
    _CALLER.set(caller)
