"""Accept, fold, decide and write the deliveries of a group of changes: one transaction.

Locks are taken in one order everywhere: change keys, facts, deliveries, tallies, revision; each
sorted. What is refused leaves no trace: its key is given back in the same transaction.
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from sqlalchemy.ext.asyncio import AsyncConnection

from schoolbell_server.contract.change_records import write_change_record
from schoolbell_server.domain import acceptance, fact_keys, fold, record, timing
from schoolbell_server.domain.change import Change, ChangeKey
from schoolbell_server.domain.decision import Decision
from schoolbell_server.domain.fact import FactKey
from schoolbell_server.domain.kinds import CancelCause, DeliveryState
from schoolbell_server.domain.world import World
from schoolbell_server.pipeline.lanes import lane_of
from schoolbell_server.status import journal
from schoolbell_storage import changes as change_store
from schoolbell_storage import deliveries as delivery_store
from schoolbell_storage import facts as fact_store
from schoolbell_storage import status_log
from schoolbell_storage.changes import CHANGES_TALLY, ChangeRow, KeyClaim
from schoolbell_storage.deliveries import DeliveryRow
from schoolbell_storage.world import Apps, fetch_world
