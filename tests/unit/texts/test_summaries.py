"""Explanations in a few sentences."""

from __future__ import annotations

import datetime as dt

import pytest

from schoolbell_server.domain.kinds import CancelCause, DeliveryState, Gate, RefusalReason
from schoolbell_server.texts import Explanations
from schoolbell_server.texts.summaries import Fate, Summaries, Verdicts, Why

EXPLANATIONS = Explanations()
ENGLISH = Summaries(EXPLANATIONS, "en")
SIGNED_OUT = Why(Gate.STAYS_LOGGED_IN, RefusalReason.NOT_STAYING_LOGGED_IN)
RETIRED = Why(Gate.DEVICE_USABLE, RefusalReason.DEVICE_RETIRED)
BARRED = Why(Gate.RELATED, RefusalReason.BARRED)
OPEN = Verdicts(told=1)


def then(verdicts: Verdicts | None, *fates: Fate) -> str:
    said = ENGLISH.then_and_now(verdicts, fates, OPEN)
    return said.removeprefix("Then: ").partition(" Now: ")[0]


@pytest.mark.parametrize(
    ("verdicts", "said"),
    [
        (Verdicts(told=2), "Would be told on 2 devices."),
        (Verdicts(), "Might be told, but no device takes part."),
        (
            Verdicts(refusals=[SIGNED_OUT, SIGNED_OUT]),
            "Would not be told. The user did not choose Stay Logged In on the device.",
        ),
        (
            Verdicts(told=1, refusals=[RETIRED, RETIRED]),
            "Would be told on one device. Would not be told on 2 devices. "
            "The device is no longer registered.",
        ),
        (
            Verdicts(refusals=[RETIRED, SIGNED_OUT]),
            "Would not be told on one device. The device is no longer registered. "
            "Would not be told on one device. "
            "The user did not choose Stay Logged In on the device.",
        ),
    ],
)
def test_what_would_be(verdicts: Verdicts, said: str) -> None:
    assert ENGLISH.would(verdicts) == said


def test_what_today_would_stop() -> None:
    assert ENGLISH.now(OPEN) == "Now: Nothing in today's roster and settings would stop it."
    assert ENGLISH.now(Verdicts(refusals=[BARRED])).startswith("Now: Would not be told. ")
    assert ENGLISH.now(Verdicts(told=1, refusals=[RETIRED])).startswith(
        "Now: Nothing in today's roster and settings would stop it on one device. "
        "Would not be told on one device. "
    )


@pytest.mark.parametrize("state", DeliveryState)
def test_only_what_a_provider_accepted_is_called_told(state: DeliveryState) -> None:
    accepted = (DeliveryState.ACCEPTED, DeliveryState.DISPLAYED, DeliveryState.OPENED)
    begins = "Told on one device. " if state in accepted else "Was to be told on one device. "
    assert then(Verdicts(told=1), Fate(state)).startswith(begins)


@pytest.mark.parametrize("locale", ["en", "es"])
def test_every_fate_has_a_sentence_of_its_own(locale: str) -> None:
    fates = [Fate(state) for state in DeliveryState]
    fates += [Fate(DeliveryState.CANCELLED, cause, BARRED) for cause in CancelCause]
    summaries = Summaries(EXPLANATIONS, locale)
    said = {summaries.then_and_now(Verdicts(told=1), [fate], OPEN) for fate in fates}
    assert len(said) == len(fates)


def test_fates_are_counted() -> None:
    shown, lost = Fate(DeliveryState.DISPLAYED), Fate(DeliveryState.UNCERTAIN)
    assert then(Verdicts(told=3), shown, lost, shown) == (
        "Told on 2 devices. The phone showed it. Was to be told on one device. "
        "The provider's answer was lost: the phone may have shown it."
    )


def test_a_delivery_that_is_gone_is_said_to_be() -> None:
    assert then(Verdicts(told=1)) == (
        "Was to be told on one device. What became of it is no longer kept."
    )


def test_a_gate_that_stopped_a_delivery_is_named() -> None:
    stopped = Fate(DeliveryState.CANCELLED, CancelCause.GATE, BARRED)
    assert "barred" in then(Verdicts(told=1), stopped)
    assert "stopped" not in then(Verdicts(told=1), Fate(stopped.state, stopped.cancel_cause))


def test_who_was_not_decided_on() -> None:
    assert then(None) == "Nothing was decided about this person."


def test_the_whole() -> None:
    time = dt.datetime(2026, 11, 24, 10, 3)
    on = "Accepted on Nov 24, 2026, 10:03 AM."
    assert ENGLISH.whole_then(time, 0, 0, None) == f"{on} Nobody was told."
    assert ENGLISH.whole_then(time, 2, 2, None) == f"{on} 2 people were told."
    assert ENGLISH.whole_then(time, 1, 2, None) == (
        f"{on} One person was told. One person was to be told, but no provider is known to have "
        "accepted it."
    )
    off = Why(Gate.DISTRICT_ENABLED, RefusalReason.DISTRICT_DISABLED)
    assert "switched off" in ENGLISH.whole_then(time, 0, 0, off)
    assert ENGLISH.whole_would(1, None) == "If it were published now, one person would be told."
    assert "nobody would be told. Push" in ENGLISH.whole_would(0, off)
