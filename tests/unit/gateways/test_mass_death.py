"""The guard against mass death."""

from __future__ import annotations

import datetime as dt

from hypothesis import given
from hypothesis import strategies as st

from schoolbell_server.domain.kinds import Outcome
from schoolbell_server.gateways.common.mass_death import IN_A_ROW, MassDeathGuard
from schoolbell_server.gateways.common.push import PushResult

SINCE = dt.datetime(2026, 3, 2, tzinfo=dt.UTC)


def results(*outcomes: Outcome) -> list[PushResult]:
    return [
        PushResult(
            delivery_id=str(number),
            outcome=outcome,
            provider_reason="Unregistered",
            token_dead_since=SINCE,
        )
        for number, outcome in enumerate(outcomes)
    ]


def dead(count: int) -> list[PushResult]:
    return results(*[Outcome.TOKEN_DEAD] * count)


def retired(admitted: object) -> int:
    assert isinstance(admitted, list)
    return sum(result.outcome is Outcome.TOKEN_DEAD for result in admitted)


def test_ordinary_deaths_are_admitted() -> None:
    guard = MassDeathGuard()
    batch = results(Outcome.ACCEPTED, Outcome.TOKEN_DEAD, Outcome.ACCEPTED)
    assert guard.admit(batch) == batch


def test_a_batch_of_nothing_but_death_retires_nobody() -> None:
    guard = MassDeathGuard()
    admitted = guard.admit(dead(IN_A_ROW))
    assert guard.tripped
    assert [result.outcome for result in admitted] == [Outcome.TOKEN_OF_ANOTHER_APP] * IN_A_ROW
    assert all(result.token_dead_since is None for result in admitted)
    assert all(result.provider_reason == "Unregistered" for result in admitted)


def test_deaths_that_come_one_by_one_trip_it_too() -> None:
    guard = MassDeathGuard()
    lost = sum(retired(guard.admit(dead(1))) for _ in range(1000))
    assert lost == IN_A_ROW - 1


def test_one_acceptance_lifts_it() -> None:
    guard = MassDeathGuard()
    guard.admit(dead(IN_A_ROW))
    batch = results(Outcome.ACCEPTED, *[Outcome.TOKEN_DEAD] * IN_A_ROW)
    assert retired(guard.admit(batch)) == IN_A_ROW
    assert not guard.tripped


def test_answers_that_say_nothing_of_tokens_neither_trip_nor_lift_it() -> None:
    guard = MassDeathGuard()
    others = [one for one in Outcome if one not in (Outcome.ACCEPTED, Outcome.TOKEN_DEAD)]
    for _ in range(IN_A_ROW):
        guard.admit(results(*others))
    assert not guard.tripped
    guard.admit(dead(IN_A_ROW))
    guard.admit(results(*others))
    assert guard.tripped


@given(st.lists(st.lists(st.sampled_from(list(Outcome)), max_size=30), max_size=30))
def test_only_deaths_are_changed_and_never_more_than_the_bound_without_an_acceptance(
    batches: list[list[Outcome]],
) -> None:
    guard = MassDeathGuard()
    lost = 0
    for outcomes in batches:
        batch = results(*outcomes)
        admitted = guard.admit(batch)
        assert [one.delivery_id for one in admitted] == [one.delivery_id for one in batch]
        for before, after in zip(batch, admitted, strict=True):
            assert after == before or before.outcome is Outcome.TOKEN_DEAD
        if Outcome.ACCEPTED in outcomes:
            lost = 0
        else:
            lost += retired(list(admitted))
        assert lost < IN_A_ROW
