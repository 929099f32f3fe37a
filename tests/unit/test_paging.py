"""A page token is bound to its request, caller and installation; a forged one is refused."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from schoolbell.v1.error_reason_pb2 import ErrorReason
from schoolbell.v1.roster_service_pb2 import ListImportsRequest, ListStudentsRequest
from schoolbell_server.rpc.caller import Caller, set_caller
from schoolbell_server.rpc.errors import SchoolbellError
from schoolbell_server.rpc.validation import Violations
from schoolbell_server.security.api_key import EVERY_DISTRICT, ApiKey, Role
from schoolbell_server.security.fingerprint import TokenFingerprints
from schoolbell_server.security.permissions import Reach, Rule
from schoolbell_server.servicers.common.paging import Page, Position, read_page

SHAPE = (int, str)
TAG_BYTES = 16


@pytest.fixture(autouse=True)
def caller() -> None:
    call_as("maple")


def call_as(*district_ids: str, page_key: bytes = b"installation") -> None:
    key = ApiKey(
        key_id="k", secret_hash="", district_ids=frozenset(district_ids), role=Role.MONITOR
    )
    rule = Rule(roles=frozenset({Role.MONITOR}), reach=Reach.READABLE)
    set_caller(Caller(key=key, rule=rule, request_id="r", page_key=page_key))


def read(request: ListImportsRequest) -> Page:
    violations = Violations()
    page = read_page(request, SHAPE, violations)
    violations.refuse()
    return page


def token_of(position: Position, request: ListImportsRequest) -> str:
    found = [0] * (read(request).size + 1)
    return read(request).cut(found, lambda _: position)[1]


def test_a_token_brings_its_position_back() -> None:
    request = ListImportsRequest(district_id="maple")
    request.page_token = token_of((-5, "zoë/1"), request)
    assert read(request).after == (-5, "zoë/1")


def test_the_size_may_change_from_page_to_page() -> None:
    token = token_of((1, "a"), ListImportsRequest(district_id="maple", page_size=2))
    request = ListImportsRequest(district_id="maple", page_size=7, page_token=token)
    assert read(request).after == (1, "a")


def test_only_a_page_with_more_behind_it_has_a_token() -> None:
    page = read(ListImportsRequest(district_id="maple", page_size=2))
    assert page.limit == 3
    assert page.cut([1, 2], lambda row: (row,)) == ([1, 2], "")
    shown, token = page.cut([1, 2, 3], lambda row: (row,))
    assert shown == [1, 2]
    assert token


def test_a_token_of_another_request_is_refused() -> None:
    token = token_of((1, "a"), ListImportsRequest(district_id="maple"))
    with pytest.raises(SchoolbellError):
        read(ListImportsRequest(district_id="oak", page_token=token))
    other = ListStudentsRequest(district_id="maple", page_token=token)
    with pytest.raises(SchoolbellError):
        read_page(other, SHAPE, Violations())


def test_a_token_of_a_caller_who_reads_other_districts_is_refused() -> None:
    call_as("maple", "oak")
    request = ListImportsRequest(district_id=EVERY_DISTRICT)
    request.page_token = token_of((1, "a"), request)
    assert read(request).after == (1, "a")
    for others in (("maple",), ("maple", "elm"), (EVERY_DISTRICT,)):
        call_as(*others)
        with pytest.raises(SchoolbellError):
            read(request)


def test_a_token_of_another_installation_is_refused(tmp_path: Path) -> None:
    request = ListImportsRequest(district_id="maple")
    for folder, agrees in (("a", True), ("a", True), ("b", False)):
        keys = TokenFingerprints.load(tmp_path / folder)
        call_as("maple", page_key=keys.derive("page tokens"))
        if not request.page_token:
            request.page_token = token_of((1, "a"), request)
        if agrees:
            assert read(request).after == (1, "a")
        else:
            with pytest.raises(SchoolbellError):
                read(request)


@pytest.mark.parametrize(
    "text", [b'[2,"a"]', b'[9223372036854775808,"a"]', b'[1,"a"] ', b"[" * 5000, b"", b"null"]
)
def test_a_position_that_no_server_wrote_is_refused(text: bytes) -> None:
    """Not even under the tag of a real token."""
    request = ListImportsRequest(district_id="maple")
    real = base64.urlsafe_b64decode(token_of((1, "ab"), request) + "==")
    assert real[TAG_BYTES:] == b'[1,"ab"]'
    request.page_token = base64.urlsafe_b64encode(real[:TAG_BYTES] + text).decode().rstrip("=")
    with pytest.raises(SchoolbellError) as refused:
        read(request)
    assert refused.value.reason == ErrorReason.ERROR_REASON_PAGE_TOKEN_INVALID


@pytest.mark.parametrize("token", ["x", "====", "é", "\0", "A" * 10_000, "[" * 4000])
def test_what_is_no_token_is_refused(token: str) -> None:
    with pytest.raises(SchoolbellError):
        read(ListImportsRequest(district_id="maple", page_token=token))
