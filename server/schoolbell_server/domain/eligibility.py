"""Who is told of a change, and by which gate everybody else is not.

The gates run in the order change (1, 2, 3, 4, 5, 6, 7, 16), recipient (8, 9), device (10 to 15);
the first failure is the recorded one.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping

from schoolbell_server.domain.change import Change
from schoolbell_server.domain.decision import Decision, Moment, Refusal
from schoolbell_server.domain.fact import Baseline, FactUpdate
from schoolbell_server.domain.world import World


def decide(
    change: Change,
    moment: Moment,
    update: FactUpdate,
    world: World,
    baselines: Mapping[str, Baseline],
) -> Decision:
    """Decide who is told of a change.

    `baselines` is by device_id; a device that it lacks is judged against `update.previous`.
    """
    raise NotImplementedError


def recheck(
    change: Change, user_id: str, device_id: str, school_day: dt.date, world: World
) -> Refusal | None:
    """Judge gates 1 to 12 again for one delivery, before an attempt.

    Gate 3 is left out: lateness is a fact of the receipt, and the delivery's own expire time
    rules since then.
    """
    raise NotImplementedError
