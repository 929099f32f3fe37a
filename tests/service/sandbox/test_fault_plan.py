"""Which requests a fault strikes."""

from __future__ import annotations

from schoolbell_sandbox.effect import (
    Effect,
)
from schoolbell_sandbox.faults import Endpoint, Fault, FaultPlan
from tests.service.sandbox.wire import (
    TOPIC,
)


def struck(plan: FaultPlan, count: int, address: str = "a", topic: str = TOPIC) -> list[int]:
    hits = [plan.match(Endpoint.APNS, address, topic) is not None for _ in range(count)]
    return [number for number, hit in enumerate(hits, start=1) if hit]


def test_a_fault_strikes_the_nth_request_every_so_often_and_so_many_times() -> None:
    plan = FaultPlan()
    plan.add(Fault(effect=Effect(silent=True), first=3, every=2, times=3))
    assert struck(plan, 12) == [3, 5, 7]
    assert [counts[1:] for counts in plan.counts()] == [(12, 3)]


def test_a_fault_strikes_by_endpoint_address_and_topic() -> None:
    plan = FaultPlan()
    plan.add(Fault(effect=Effect(), endpoint=Endpoint.APNS, address="a", topic=TOPIC))
    assert plan.match(Endpoint.FCM, "a", TOPIC) is None
    assert struck(plan, 1, address="b") == [] and struck(plan, 1, topic="other") == []
    assert struck(plan, 1) == [1]


def test_a_look_whether_the_provider_answers_uses_up_no_fault() -> None:
    plan = FaultPlan()
    plan.add(Fault(effect=Effect(silent=True), times=1))
    assert plan.match(Endpoint.APNS, "a", TOPIC, sends=False) is None
    assert struck(plan, 2) == [1]
    plan.add(Fault(effect=Effect(silent=True)))
    assert plan.match(Endpoint.APNS, "a", TOPIC, sends=False) is not None


def test_a_fault_strikes_by_chance_the_same_way_each_time() -> None:
    def run() -> list[int]:
        plan = FaultPlan(seed=7)
        plan.add(Fault(effect=Effect(), probability=0.3))
        return struck(plan, 1000)

    assert run() == run()
    assert 230 < len(run()) < 370
