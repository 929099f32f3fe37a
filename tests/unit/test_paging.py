"""A page token is bound to its request, and a forged one is refused, whatever it says."""

from __future__ import annotations

import base64
import json

import pytest

from schoolbell.v1.roster_service_pb2 import ListImportsRequest, ListStudentsRequest
from schoolbell_server.rpc.errors import SchoolbellError
from schoolbell_server.rpc.validation import Violations
from schoolbell_server.servicers.paging import Page, Position, read_page

SHAPE = (int, str)


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


@pytest.mark.parametrize(
    "position",
    [
        None,
        [],
        [1],
        ["a", 1],
        [1, "a", 1],
        [True, "a"],
        [2**63, "a"],
        [1.5, "a"],
        [1, "nul\0"],
        [1, "\ud800"],
        {"a": 1},
        [[1], "a"],
    ],
)
def test_a_forged_position_is_refused(position: object) -> None:
    request = ListImportsRequest(district_id="maple")
    forged = read(request).digest + json.dumps(position).encode()
    request.page_token = base64.urlsafe_b64encode(forged).decode().rstrip("=")
    with pytest.raises(SchoolbellError):
        read(request)


@pytest.mark.parametrize("token", ["x", "====", "é", "\0", "A" * 10_000, "[" * 4000])
def test_what_is_no_token_is_refused(token: str) -> None:
    with pytest.raises(SchoolbellError):
        read(ListImportsRequest(district_id="maple", page_token=token))
