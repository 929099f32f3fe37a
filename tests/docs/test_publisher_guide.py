"""What the publisher's guide says beside its blocks, and how the blocks' answers are compared."""

from __future__ import annotations

import pytest

from schoolbell.build import money
from tests.docs.pages import blocks, read, section
from tests.docs.played import compare

PAGE = read("docs/guide-publisher.md")
MISTAKES = section(PAGE, "## Ten mistakes, and what is said")
BY_HAND = section(PAGE, "## By hand: buf curl and grpcurl")


def test_every_mistake_has_its_message_and_its_advice() -> None:
    feed, said = blocks(MISTAKES, "sh")[0].text, blocks(MISTAKES, "text")[0].text
    for number in range(1, 11):
        assert f"\nline {number}: " in f"\n{said}"
        assert f"\n{number}. " in MISTAKES
    assert feed.count('{"key"') == 10


def test_the_message_of_a_builder_is_told_word_for_word() -> None:
    amount: str = 4.25  # type: ignore[assignment]
    with pytest.raises(TypeError) as refused:
        money(amount)
    assert f"`{refused.value}`" in " ".join(MISTAKES.split())


def test_grpcurl_asks_what_buf_asks() -> None:
    with_buf, with_grpcurl = blocks(BY_HAND, "sh")
    assert with_grpcurl.not_run
    for one in (with_buf, with_grpcurl):
        assert "ChangeService/PublishChange <<END\n" in one.text
    asked, again = (one.text.rpartition("<<END\n")[2] for one in (with_buf, with_grpcurl))
    assert asked == again


def test_answers_that_differ_are_found() -> None:
    compare("accepted 5\ntold …\n", "accepted 5  \ntold on Nov 24\n")
    for shown, said in (("accepted 5\n", "accepted 4\n"), ("accepted 5\n", "accepted 5\nmore\n")):
        with pytest.raises(AssertionError, match="said:"):
            compare(shown, said)
