"""Configurations that pages show are read by the programs that they are for."""

from __future__ import annotations

import importlib
from pathlib import Path

from schoolbell_sandbox.command import read_faults
from schoolbell_server.config import load_config
from tests.docs.pages import blocks, read


def test_the_table_of_an_issuer_is_read(tmp_path: Path) -> None:
    (shown,) = blocks(read("docs/operations.md"), "toml")
    file = tmp_path / "schoolbell.toml"
    file.write_text(shown.text, encoding="utf-8")
    (issuer,) = load_config(file, {}).identity.issuers.values()
    assert issuer.audience == "schoolbell"


def test_the_configuration_of_a_console_is_read(tmp_path: Path) -> None:
    config = importlib.import_module("schoolbell_console.config")  # a program of its own
    file = tmp_path / "console.toml"
    shown = blocks(read("docs/guide-console.md"), "toml")
    file.write_text("\n".join(block.text for block in shown), encoding="utf-8")
    found = config.load(file)
    assert found.tls is not None
    assert found.oidc.client_id == "schoolbell-console"


def test_the_faults_of_a_file_are_read(tmp_path: Path) -> None:
    (shown,) = blocks(read("docs/sandbox.md"), "toml")
    file = tmp_path / "faults.toml"
    file.write_text(shown.text, encoding="utf-8")
    (fault,) = read_faults(file)
    assert fault.first == 100
