"""Every text that the console's pages ask for is there in every language."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fluent.syntax import FluentParser
from fluent.syntax.ast import Junk, Message

import schoolbell_console
import schoolbell_server.domain
from schoolbell.v1 import (
    access_service_pb2,
    change_pb2,
    common_pb2,
    delivery_pb2,
    device_service_pb2,
    explanation_pb2,
    roster_pb2,
    settings_service_pb2,
    status_pb2,
    subscription_pb2,
    subscription_service_pb2,
)
from schoolbell_console.facts import fact_name, fact_value
from schoolbell_console.menu import _PLACES
from schoolbell_console.texts import LANGUAGES, Words, member_slug, slug
from schoolbell_server.domain.kinds.registry import CONDITIONS

ROOT = Path(schoolbell_console.__file__).parent
DOMAIN = Path(schoolbell_server.domain.__file__).parent
ENUMS: list[Any] = [
    access_service_pb2.AuditFault,
    access_service_pb2.GranteeType,
    access_service_pb2.Right,
    access_service_pb2.Role,
    access_service_pb2.Tool,
    change_pb2.AssignmentAction,
    change_pb2.AttendanceExcuse,
    change_pb2.AttendanceStatus,
    change_pb2.ResponsiveScheduleAction,
    common_pb2.AppType,
    common_pb2.DetailLevel,
    common_pb2.Gate,
    common_pb2.Kind,
    common_pb2.Platform,
    common_pb2.Provider,
    common_pb2.RefusalReason,
    delivery_pb2.CancelCause,
    delivery_pb2.DeliveryState,
    delivery_pb2.HoldCause,
    delivery_pb2.Outcome,
    device_service_pb2.RetirementReason,
    explanation_pb2.Verdict,
    roster_pb2.ImportMode,
    roster_pb2.ImportProblemCode,
    roster_pb2.ImportProblemSeverity,
    roster_pb2.ImportState,
    roster_pb2.RecordType,
    settings_service_pb2.AdultStudentRule,
    status_pb2.Connectivity,
    status_pb2.LinkTrouble,
    status_pb2.ServiceStatus,
    subscription_pb2.LimitTrigger,
    subscription_service_pb2.SubscriptionLevel,
]
FAMILIES: dict[str, Any] = {  # texts that are asked for by the members of an enum
    "link-trouble-{}-do": status_pb2.LinkTrouble,
    "delivery-state-{}-help": delivery_pb2.DeliveryState,
    "import-state-{}-help": roster_pb2.ImportState,
    "change-{}": common_pb2.RefusalReason,
}


def texts(language: str) -> dict[str, Message]:
    """Return the messages of a language, by name; none of the file is unreadable."""
    source = (ROOT / "locales" / f"{language}.ftl").read_text(encoding="utf-8")
    found = FluentParser().parse(source).body
    assert not [one for one in found if isinstance(one, Junk)]
    messages = [one for one in found if isinstance(one, Message)]
    names = [one.id.name for one in messages]
    assert len(set(names)) == len(names), "a text is there twice"
    return dict(zip(names, messages, strict=True))


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_text_of_the_pages_is_there(language: str) -> None:
    known = texts(language)
    asked = set()
    for template in (ROOT / "templates").glob("*.html"):
        asked |= set(re.findall(r"""\bt\(["']([A-Za-z0-9-]+)["'][,)]""", template.read_text()))
    for source in ROOT.rglob("*.py"):
        asked |= set(re.findall(r"""\bwords\("([a-z0-9-]+)\"""", source.read_text()))
    assert asked - known.keys() == set()


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_member_has_its_words(language: str) -> None:
    known = texts(language)
    for enum in ENUMS:
        for number in enum.values()[1:]:
            name = f"{slug(enum.DESCRIPTOR.name)}-{member_slug(enum, number)}"
            assert name in known, name
    for form, family in FAMILIES.items():
        for member in family.values()[1:]:
            assert form.format(member_slug(family, member)) in known, (form, member)
    for code in status_pb2.WarningCode.values()[1:]:
        assert {f"warning-{code}", f"warning-{code}-do"} <= known.keys()
    for place in _PLACES:
        assert {f"place-{place.name}", f"group-{place.group}"} <= known.keys()


def test_the_languages_have_the_same_texts() -> None:
    first, *others = (set(texts(language)) for language in LANGUAGES)
    assert all(other == first for other in others)


def test_a_number_that_is_not_known_is_said_to_be_so() -> None:
    assert Words("en").member(common_pb2.Kind, 99) == "Not known"


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_fact_that_a_rule_sees_has_its_words(language: str) -> None:
    known = texts(language)
    names = {name for source in DOMAIN.rglob("*.py") for name in fact_names(source)}
    names |= {name for condition in CONDITIONS.values() for name in condition().seen()}
    assert {"portal_enabled", "below", "term_enabled", "statuses"} <= names
    assert {f"fact-{name.replace('_', '-')}" for name in names} - known.keys() == set()


def test_facts_are_said_as_people_say_them() -> None:
    words = Words("es", "America/Chicago")
    for name, value, said in (
        ("portal_enabled", "true", ("Marca del portal", "Sí")),
        ("licensed_kinds", "GRADE LUNCH_BALANCE", ("Tipos con licencia", None)),
        ("end_date", "2027-01-05", ("Último día", "5 ene 2027")),
        ("occur_time", "2027-01-05T08:00:00+00:00", ("Ocurrió", "5 ene 2027, 2:00:00")),
        ("of_a_newer_server", "<b>", ("of a newer server", "<b>")),
    ):
        fact = explanation_pb2.GateFact(name=name, value=value)
        assert fact_name(fact, words) == said[0]
        assert said[1] is None or fact_value(fact, words).startswith(said[1])
        assert "GRADE" not in fact_value(fact, words)


def fact_names(source: Path) -> Iterator[str]:
    """Return the names of the facts that the rules of a module see."""
    tree = ast.parse(source.read_text(encoding="utf-8"))
    spread = False
    for call in ast.walk(tree):
        if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name):
            continue
        if call.func.id in ("seen", "see_subscription"):
            spread = spread or any(word.arg is None for word in call.keywords)
            yield from (word.arg for word in call.keywords if word.arg is not None)
        elif call.func.id == "SeenFact" and isinstance(call.args[0], ast.Constant):
            yield str(call.args[0].value)
    if spread:  # then the names are the keys of the module's dicts
        for one in ast.walk(tree):
            if isinstance(one, ast.Dict):
                keys = (key for key in one.keys if isinstance(key, ast.Constant))
                yield from (str(key.value) for key in keys if isinstance(key.value, str))
