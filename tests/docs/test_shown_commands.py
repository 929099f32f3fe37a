"""Every command that a page or a help shows is one that there is, with options that it has."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator

import click
import pytest

from schoolbell.cli.main import main as schoolbell
from schoolbell_server.main import main as server
from tests.docs.pages import ROOT, all_pages, blocks
from tests.service.test_command_calls import leaves

PROGRAMS = {"schoolbell": schoolbell, "schoolbell-server": server}
_SHELLS = ("sh", "console", "text", "")
_INLINE = re.compile(r"`((?:schoolbell|schoolbell-server) [^`]+)`")
_PROGRAM = re.compile(r"(?:^|[\s(|/])(schoolbell(?:-server)?) (?=[a-z-])(.+)")
_ENDS = re.compile(r"\s(?:[|><#]|&&).*|\)$|\);.*")
_COMPUTED = re.compile(r"\$\(\(.*?\)\)|\$\([^()]*\)|\$\{?\w+\}?")
_LEFT_OUT = re.compile(r"\s\[[^\]]*\]…?")


def shown() -> Iterator[tuple[str, str, bool]]:
    """Yield where a command is shown, the command line, and whether it is whole."""
    for page in all_pages():
        text, name = page.read_text(encoding="utf-8"), page.relative_to(ROOT).as_posix()
        for block in blocks(text, *_SHELLS):
            for line in block.text.replace("\\\n", " ").splitlines():
                if found := _PROGRAM.search(line):
                    yield name, f"{found[1]} {found[2]}", True
        for match in _INLINE.finditer(text):
            yield name, match[1].replace("\n", " "), False
    for words, command in leaves(schoolbell):
        for example in getattr(command, "examples", ()):
            yield f"schoolbell {words} --help", f"schoolbell {example}", True


SHOWN = sorted(set(shown()))


@pytest.mark.parametrize(("where", "line", "is_whole"), SHOWN, ids=[line for _, line, _ in SHOWN])
def test_a_command_that_is_shown_is_one(where: str, line: str, is_whole: bool) -> None:
    literal = _ENDS.sub("", _COMPUTED.sub("1", line)).replace("…", "x")
    program, *words = shlex.split(_LEFT_OUT.sub("", literal))
    check(PROGRAMS[program], words, is_whole=is_whole, path=program)


def check(command: click.Command, words: list[str], *, is_whole: bool, path: str) -> None:
    """Raise click's own error for an option that is not there, or an argument that lacks."""
    context = click.Context(command, info_name=path)
    if isinstance(command, click.Group):
        _, rest, _ = command.make_parser(context).parse_args(list(words))
        if not rest:
            alone = command.invoke_without_command
            assert alone or not is_whole, f"{path} needs a command"
            return
        inner = command.get_command(context, rest[0])
        if inner is not None:
            check(inner, rest[1:], is_whole=is_whole, path=f"{path} {rest[0]}")
        else:
            assert (not is_whole and "," in rest[0]) or rest[0].isupper(), f"{path}: {rest[0]}"
        return
    given, rest, _ = command.make_parser(context).parse_args(list(words))
    assert not rest, f"{path} takes no {rest}"
    for parameter in command.get_params(context):
        value = given.get(parameter.name)
        if isinstance(parameter.type, click.Choice) and isinstance(value, str):
            assert value in parameter.type.choices or value.isupper(), (path, value)
        asked = parameter.required and not parameter.envvar
        missing = is_whole and asked and value in (None, ())
        assert not missing, f"{path} needs {parameter.name}"


def test_an_option_or_a_command_that_is_not_there_is_found() -> None:
    for line in ("roster import oneroster/", "settings set --enabled", "rooster import"):
        with pytest.raises((click.UsageError, AssertionError)):
            check(schoolbell, line.split(), is_whole=True, path="schoolbell")
