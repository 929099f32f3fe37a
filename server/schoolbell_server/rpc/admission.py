"""What every request passes before its servicer sees it, in this order.

Size and bytes, the district id's form, the caller's permission, strings and enum numbers.
Credentials were checked before the first byte was parsed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from google.protobuf.message import DecodeError, Message

from schoolbell.v1.error_reason_pb2 import ErrorReason
from schoolbell_server.rpc.call import Call
from schoolbell_server.rpc.errors import SchoolbellError
from schoolbell_server.rpc.validation import Violations
from schoolbell_server.rpc.values import READ_BY_SERVICERS, bad_values
from schoolbell_server.security.api_key import EVERY_DISTRICT, Grant
from schoolbell_server.security.denials import describe
from schoolbell_server.security.permissions import Denial, Reach, Rule, refusal


@dataclass(frozen=True, slots=True, kw_only=True)
class Admission:
    """How the requests of one RPC are read and who may send them."""

    method: str
    rule: Rule
    parse: Callable[[bytes], Message]
    most_bytes: int

    def admit(self, data: bytes, call: Call) -> Message:
        """Return the message; SchoolbellError if it is not one, or not this caller's to send."""
        call.received += len(data)
        message = self._parse(data)
        if self.rule.public:
            return message
        district_id: str = getattr(message, "district_id", "")
        if not district_id and self.rule.optional_district:
            district_id = EVERY_DISTRICT
        bound = call.district_id  # by the first message of a stream; later ones may leave it empty
        if not bound or district_id not in ("", bound):
            self._check_district(district_id, call)
        Violations(bad_values(message, apart=READ_BY_SERVICERS)).refuse()
        return message

    def check_role(self, key: Grant) -> None:
        """Refuse a stream, before its first request, to who may not open it in any district."""
        if key.role not in self.rule.roles:
            raise self._denied(key, "", Denial())

    def _parse(self, data: bytes) -> Message:
        if len(data) > self.most_bytes:
            raise SchoolbellError(
                ErrorReason.ERROR_REASON_MESSAGE_TOO_LARGE,
                f"a message has at most {self.most_bytes} bytes, this one {len(data)}",
            )
        try:
            return self.parse(data)
        except DecodeError:
            raise SchoolbellError(
                ErrorReason.ERROR_REASON_MALFORMED_MESSAGE,
                "the bytes are not a message of this type",
            ) from None

    def _check_district(self, district_id: str, call: Call) -> None:
        violations = Violations()
        violations.district_id(district_id, every=self.rule.reach is not Reach.ONE)
        violations.refuse()
        assert call.key is not None
        if found := refusal(self.rule, call.key, district_id):
            raise self._denied(call.key, district_id, found)
        call.district_id = district_id

    def _denied(self, key: Grant, district_id: str, found: Denial) -> SchoolbellError:
        metadata = {"method": self.method.removeprefix("/")}
        if found.tool and found.right:
            metadata |= {"tool": found.tool.name, "right": found.right.name}
        return SchoolbellError(
            ErrorReason.ERROR_REASON_PERMISSION_DENIED,
            describe(self.rule, key, district_id, found),
            metadata=metadata,
        )
