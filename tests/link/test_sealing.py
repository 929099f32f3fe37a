"""Sealed contents open for the hub's key and the district that sealed them, and for nobody else."""

from __future__ import annotations

from pathlib import Path

import pytest

from schoolbell_server.security.sealing import (
    CannotOpen,
    HubKeys,
    SealKeyUnusable,
    read_public_key,
    seal,
)
from schoolbell_server.security.secret_file import write_secret

TEXT = b"Algebra: 80 %"


def test_what_is_sealed_opens_for_the_hub_alone(tmp_path: Path) -> None:
    hub, another = HubKeys.load(tmp_path / "hub"), HubKeys.load(tmp_path / "another")
    sealed = seal(TEXT, read_public_key(hub.public_key), "lincoln")
    assert TEXT not in sealed.ciphertext
    assert hub.open(sealed, "lincoln") == TEXT
    with pytest.raises(CannotOpen):
        another.open(sealed, "lincoln")


def test_what_another_district_sealed_or_somebody_changed_does_not_open(tmp_path: Path) -> None:
    hub = HubKeys.load(tmp_path)
    sealed = seal(TEXT, read_public_key(hub.public_key), "lincoln")
    flipped = bytes([sealed.ciphertext[-1] ^ 1])
    changed = sealed._replace(ciphertext=sealed.ciphertext[:-1] + flipped)
    for one, district in ((sealed, "jefferson"), (changed, "lincoln")):
        with pytest.raises(CannotOpen):
            hub.open(one, district)
    for public_key in (b"", bytes(32)):
        with pytest.raises(CannotOpen):
            hub.open(sealed._replace(public_key=public_key), "lincoln")


def test_a_second_key_is_given_out_and_the_first_still_opens(tmp_path: Path) -> None:
    first = HubKeys.load(tmp_path / "first").public_key
    sealed = seal(TEXT, read_public_key(first), "lincoln")
    second = HubKeys.load(tmp_path / "second").public_key
    write_secret(tmp_path / "first" / "hub-2.key", (tmp_path / "second/hub-1.key").read_bytes())
    both = HubKeys.load(tmp_path / "first")
    assert both.public_key == second
    assert both.open(sealed, "lincoln") == TEXT


@pytest.mark.parametrize("text", ["", "x", "AAAA", "é" * 44])
def test_a_text_that_is_no_key_is_refused(text: str) -> None:
    with pytest.raises(SealKeyUnusable):
        read_public_key(text)
