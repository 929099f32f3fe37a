"""Who lives in the sample district. All of them are invented."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

_GIVEN = (
    "Ada",
    "Amir",
    "Ana",
    "Ben",
    "Bruno",
    "Carla",
    "Chen",
    "Clara",
    "Dario",
    "Diego",
    "Elena",
    "Eli",
    "Emma",
    "Farah",
    "Felix",
    "Gael",
    "Hana",
    "Hugo",
    "Ines",
    "Iris",
    "Jade",
    "Jonas",
    "Julia",
    "Kai",
    "Lena",
    "Leo",
    "Lucia",
    "Luis",
    "Maya",
    "Mateo",
    "Mila",
    "Nadia",
    "Noah",
    "Nora",
    "Omar",
    "Paula",
    "Pia",
    "Quinn",
    "Rosa",
    "Ruben",
    "Sara",
    "Sofia",
    "Talia",
    "Theo",
    "Uma",
    "Vera",
    "Victor",
    "Wen",
    "Yara",
    "Zoe",
)
_FAMILY = (
    "Adler",
    "Baker",
    "Castillo",
    "Diaz",
    "Ekberg",
    "Flores",
    "Garcia",
    "Haddad",
    "Ibarra",
    "Jensen",
    "Kim",
    "Lopez",
    "Mori",
    "Navarro",
    "Okafor",
    "Perez",
    "Quiroga",
    "Rossi",
    "Silva",
    "Torres",
    "Ueda",
    "Vargas",
    "Weber",
    "Young",
    "Zapata",
)

HIGH, MIDDLE = "high", "middle"
_COUNT = {HIGH: 36, MIDDLE: 24}


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """A student or a guardian."""

    user_id: str
    given_name: str
    family_name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Tie:
    """A guardian's tie to a student."""

    student_id: str
    guardian_id: str
    relation: str
    portal: bool = True
    barred: bool = False


@dataclass(slots=True, kw_only=True)
class People:
    """The district's people; schools are by name, a student may attend both."""

    students: dict[str, list[Person]] = field(default_factory=lambda: {HIGH: [], MIDDLE: []})
    guardians: list[Person] = field(default_factory=list)
    ties: list[Tie] = field(default_factory=list)
    in_both_schools: str = ""
    of_age: str = ""


def people() -> People:
    """Return everybody, the same people every time."""
    chance, found = random.Random(7), People()
    number = 0
    for school, count in _COUNT.items():
        for _ in range(count):
            number += 1
            family = chance.choice(_FAMILY)
            student = Person(
                user_id=f"s{number:03}", given_name=chance.choice(_GIVEN), family_name=family
            )
            found.students[school].append(student)
            _add_guardians(found, student, family, number, chance)
    found.in_both_schools = found.students[MIDDLE][0].user_id
    found.of_age = found.students[HIGH][0].user_id
    return found


def _add_guardians(
    found: People, student: Person, family: str, number: int, chance: random.Random
) -> None:
    """Give a student one to three guardians: one has no portal flag, one is barred by a court."""
    relations = ("Mother", "Father", "Grandmother")[: chance.choice((1, 2, 2, 2, 3))]
    for place, relation in enumerate(relations, start=1):
        guardian = Person(
            user_id=f"g{number:03}{place}",
            given_name=chance.choice(_GIVEN),
            family_name=family if place == 1 else chance.choice(_FAMILY),
        )
        found.guardians.append(guardian)
        found.ties.append(
            Tie(
                student_id=student.user_id,
                guardian_id=guardian.user_id,
                relation=relation,
                portal=relation != "Grandmother",
                barred=number == 5 and relation == "Father",
            )
        )
