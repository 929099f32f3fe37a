"""Why somebody was told, or was not: through a real service, as a clerk reads it aloud.

Each case is a small story whose explanation has to be, word for word, the text file of its name.
"""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from google.protobuf import json_format
from google.protobuf.field_mask_pb2 import FieldMask

from schoolbell.cli.explain import lines
from schoolbell.v1 import access_service_pb2 as access
from schoolbell.v1 import (
    common_pb2,
    device_service_pb2,
    roster_pb2,
    subscription_pb2,
)
from schoolbell.v1.change_service_pb2 import ExplainChangeRequest
from tests.service.asking import about, explain, told
from tests.service.command import schoolbell
from tests.service.held import hold_grades
from tests.service.scene import (
    FATHER,
    MOTHER,
    SIBLING,
    SOURCE,
    STUDENT,
    absence,
    grade,
    phone,
    populate,
    publish,
    register,
    subscribe,
    upsert,
)
from tests.service.whole import DISTRICT, Whole, whole

GOLDEN = Path(__file__).parent / "explanations"
_SECRETS = (
    (r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "<id>"),
    (r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(Z|\+00:00)?", "<time>"),
    (r"\d{4}-\d\d-\d\d", "<date>"),
    (r"[A-Z][a-z]{2} \d{1,2}, \d{4}, \d{1,2}:\d\d\s[AP]M", "<time>"),
    (r"\d{1,2} [a-z]{3,4} \d{4}, \d{1,2}:\d\d", "<time>"),
    (r"lateness = [\d.]+s", "lateness = <span>"),
    (r"facts_version \d+", "facts_version <n>"),
)
"""What differs from run to run, and what stands for it."""

Case = Callable[[Whole], Awaitable[ExplainChangeRequest]]


async def relate(service: Whole, **facts: bool) -> None:
    """Rewrite how the father is related to the student."""
    record = roster_pb2.RosterRecord(
        relationship=roster_pb2.Relationship(
            student_id=STUDENT,
            guardian_id=FATHER,
            relation="father",
            **facts,  # type: ignore[arg-type]
        )
    )
    await upsert(service, record)


def below(percent: float) -> subscription_pb2.Subscription:
    """Return the wish to be told of grades below a limit."""
    wanted = subscription_pb2.Subscription(
        student_id=STUDENT, kind=common_pb2.KIND_GRADE, enabled=True
    )
    wanted.condition.grade.below_percent = percent
    return wanted


async def told_and_accepted(service: Whole) -> ExplainChangeRequest:
    """Tell the mother; nobody else has a phone."""
    await register(service, phone(MOTHER))
    await told(service, grade("g", 65), deliveries=1)
    return about("g")


async def signed_out_then_and_back_now(service: Whole) -> ExplainChangeRequest:
    """Let a grade come while the mother is signed out, and sign her in again."""
    (device,) = await register(service, phone(MOTHER, stay_logged_in=False))
    await publish(service, grade("g", 65))
    async with service.client(access.ROLE_MOBILE_BACKEND) as backend:
        await backend.devices.UpdateDevice(
            device_service_pb2.UpdateDeviceRequest(
                district_id=DISTRICT,
                user_id=MOTHER,
                device_id=device.device_id,
                device=device_service_pb2.Device(device_id=device.device_id, stay_logged_in=True),
                update_mask=FieldMask(paths=["stay_logged_in"]),
            )
        )
    return about("g", user_id=MOTHER)


async def told_then_and_barred_now(service: Whole) -> ExplainChangeRequest:
    """Tell the father, and bar him afterwards."""
    await register(service, phone(FATHER))
    await told(service, absence("a"), deliveries=1)
    await relate(service, portal_enabled=True, barred=True)
    return about("a", user_id=FATHER)


async def no_portal_flag(service: Whole) -> ExplainChangeRequest:
    """Leave the father a guardian, but without the portal flag."""
    await relate(service, portal_enabled=False)
    await register(service, phone(MOTHER), phone(FATHER))
    await told(service, absence("a"), deliveries=1)
    return about("a")


async def switched_off_then_and_on_now(service: Whole) -> ExplainChangeRequest:
    """Switch the district off while the change comes."""
    await register(service, phone(MOTHER))
    await service.configure(enabled=False)
    await publish(service, grade("g", 65))
    await service.configure(enabled=True)
    return about("g")


async def above_the_limit_in_spanish(service: Whole) -> ExplainChangeRequest:
    """Want grades below 70 on one phone of the mother, all of them on the other."""
    first, _ = await register(service, phone(MOTHER), phone(MOTHER, number=2, ios=False))
    await subscribe(service, first, below(70))
    await told(service, grade("g", 82.5), deliveries=1)
    return about("g", locale="es")


async def replaced_before_it_was_sent(service: Whole) -> ExplainChangeRequest:
    """Hold grades for an hour, within which a second one comes."""
    await hold_grades(service)
    await register(service, phone(MOTHER))
    await publish(service, grade("g1", 65), grade("g2", 68))
    return about("g1", user_id=MOTHER)


async def told_by_another_section(service: Whole) -> ExplainChangeRequest:
    """Mark the same absence in two sections."""
    await register(service, phone(MOTHER), phone(FATHER))
    await told(service, absence("a1"), deliveries=2)
    await publish(service, absence("a2", section="algebra-2"))
    return about("a2")


async def unrelated(service: Whole) -> ExplainChangeRequest:
    """Ask why the father was not told of the sibling, whose guardian he is not."""
    await register(service, phone(MOTHER), phone(FATHER))
    await told(service, absence("a", SIBLING), deliveries=1)
    return about("a", user_id=FATHER)


async def might_be_published(service: Whole) -> ExplainChangeRequest:
    """Ask what a grade of 75 would do: the mother has a limit, the father is signed out."""
    first, _, _ = await register(
        service, phone(MOTHER), phone(FATHER, stay_logged_in=False), phone(STUDENT)
    )
    await subscribe(service, first, below(70))
    asked = grade("", 75)
    asked.ClearField("key")
    return ExplainChangeRequest(change=asked)


CASES: list[Case] = [
    told_and_accepted,
    signed_out_then_and_back_now,
    told_then_and_barred_now,
    no_portal_flag,
    switched_off_then_and_on_now,
    above_the_limit_in_spanish,
    replaced_before_it_was_sent,
    told_by_another_section,
    unrelated,
    might_be_published,
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
async def test_an_explanation_reads_as_it_is_written(case: Case, tmp_path: Path) -> None:
    async with whole(tmp_path) as service:
        await populate(service)
        answer = await explain(service, await case(service))
    assert _masked(lines(answer)) == _golden(case.__name__)


async def test_every_gate_is_shown_with_who_set_its_facts(tmp_path: Path) -> None:
    async with whole(tmp_path) as service:
        await populate(service)
        answer = await explain(service, await told_and_accepted(service))
    assert _masked(lines(answer, gates=True)) == _golden("every_gate")


def _masked(said: list[str]) -> str:
    text = "\n".join(said) + "\n"
    for pattern, stand_in in _SECRETS:
        text = re.sub(pattern, stand_in, text)
    return text


def _golden(name: str) -> str:
    return (GOLDEN / f"{name}.txt").read_text(encoding="utf-8")


async def test_the_command_reads_it_aloud(tmp_path: Path) -> None:
    async with whole(tmp_path) as service:
        await populate(service)
        await told_and_accepted(service)
        administrator = access.ROLE_ADMINISTRATOR
        plain = await schoolbell(service, administrator, "explain", SOURCE, "g")
        one = await schoolbell(service, administrator, "--json", "explain", SOURCE, "g")
        asked = tmp_path / "change.json"
        asked.write_text(json_format.MessageToJson(grade("", 50)), encoding="utf-8")
        might = await schoolbell(
            service, administrator, "explain", "--change", str(asked), "--user", MOTHER
        )
        neither = await schoolbell(service, administrator, "explain", SOURCE)
        unknown = await schoolbell(service, administrator, "explain", SOURCE, "nothing")
        newest = await schoolbell(service, administrator, "explain", "--user", MOTHER)
        named = await schoolbell(service, administrator, "explain", SOURCE, "g", "--user", MOTHER)
        nobody = await schoolbell(service, administrator, "explain", "--user", "aunt")
    assert _masked(plain.out.splitlines()) == _golden("told_and_accepted")
    assert json.loads(one.out)["recipients"][2]["devices"][0]["delivery"]["attempts"]
    assert might.out.splitlines()[-1] == "  Would be told on one device."
    assert (neither.code, unknown.code) == (2, 4)
    assert "CHANGE_NOT_FOUND" in unknown.err
    assert newest.out == named.out
    assert newest.err == f"The newest about {MOTHER}: {SOURCE} g\n"
    assert nobody.code == 4
    assert "nothing was decided about 'aunt'" in nobody.err
