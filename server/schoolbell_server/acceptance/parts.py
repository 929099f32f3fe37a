"""Cut a large request into parts, so that others have their turn between them.

Changes of one fact stay together: what a request says of a fact last is what is told of it. So do
those of one key.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from schoolbell_server.acceptance.submission import Submission
from schoolbell_server.domain.fact_keys import all_keys


def parts(submission: Submission, size: int) -> Iterator[Submission]:
    """Yield a submission in parts of `size` changes or a few more, in their order."""
    changes = submission.changes
    if len(changes) <= size:
        yield submission
        return
    facts = [(*all_keys(one.change), one.change.key) for one in changes]
    last: dict[object, int] = {key: at for at, keys in enumerate(facts) for key in keys}
    start, end = 0, 0
    for index, keys in enumerate(facts):
        end = max(end, *(last[key] for key in keys), index)
        if end == index and index + 1 - start >= size:
            yield replace(submission, changes=changes[start : index + 1])
            start = index + 1
    if start < len(changes):
        yield replace(submission, changes=changes[start:])
