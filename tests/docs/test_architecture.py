"""The architecture page names files that there are, and the layers that the linter holds."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path

from tests.docs.pages import read

CHECKOUT = Path(__file__).resolve().parents[2]
PAGE = read("docs/architecture.md")
_FILE = re.compile(r"`([\w/.…]+\.(?:py|proto|toml|ftl|go|java|ts|html))`")
_FOLDER = re.compile(r"`((?:[\w]+/)+[\w]*)`")


def test_every_file_and_folder_that_it_names_is_there() -> None:
    listed = subprocess.run(
        ["git", "ls-files"], cwd=CHECKOUT, capture_output=True, text=True, check=True
    ).stdout.split()
    for name in set(_FILE.findall(PAGE)):
        assert any(f"/{one}".endswith(f"/{name}") for one in listed), name
    for name in {name.rstrip("/") for name in _FOLDER.findall(PAGE)}:
        assert any(f"/{name}/" in f"/{one}" for one in listed), name


def test_the_layers_are_those_that_the_linter_holds() -> None:
    with (CHECKOUT / "pyproject.toml").open("rb") as file:
        contracts = tomllib.load(file)["tool"]["importlinter"]["contracts"]
    (layers,) = (one["layers"] for one in contracts if one["type"] == "layers")
    picture = PAGE.split("```mermaid", 1)[1].split("```", 1)[0]
    for layer in (name for line in layers for name in line.split(" | ")):
        assert layer in picture or layer == "run_command", layer
