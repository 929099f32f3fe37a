"""The metrics of all processes of a server, each sample with the process that counted it."""

from __future__ import annotations

import urllib.request
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor

from prometheus_client import CollectorRegistry, Counter, Gauge, Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

from schoolbell_server.address import Address

LABEL = "process"
_PATIENCE = 5.0  # seconds for one process
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class ParentMetrics:
    """The metrics of a parent, in a registry that also has those of its processes."""

    def __init__(self, living: Callable[[], Mapping[int, Address]]) -> None:
        """`living` returns where each process that takes calls serves its metrics, by number."""
        self.registry = CollectorRegistry()
        Gauge(
            "schoolbell_processes", "Processes that take calls.", registry=self.registry
        ).set_function(lambda: len(living()))
        self.ended = Counter(
            "schoolbell_processes_ended",
            "Processes that ended unasked; each is followed by another.",
            registry=self.registry,
        )
        self.registry.register(_Gathered(living))


class _Gathered(Collector):
    """Asks all living processes at every scrape; one that does not answer is left out."""

    def __init__(self, living: Callable[[], Mapping[int, Address]]) -> None:
        self._living = living

    def collect(self) -> Iterator[Metric]:
        """Yield each family once, with the samples of all processes."""
        living = self._living()
        with ThreadPoolExecutor(max_workers=max(len(living), 1)) as asking:
            answers = zip(living, asking.map(_families, living.values()), strict=True)
        gathered: dict[str, Metric] = {}
        for number, families in answers:
            for family in families:
                into = gathered.setdefault(
                    family.name, Metric(family.name, family.documentation, family.type)
                )
                for sample in family.samples:
                    labels = {**sample.labels, LABEL: str(number)}
                    into.samples.append(sample._replace(labels=labels))
        yield from gathered.values()


def _families(address: Address) -> Iterable[Metric]:
    try:
        with _DIRECT.open(f"http://{address}/metrics", timeout=_PATIENCE) as answer:
            text = answer.read().decode()
    except OSError:
        return ()
    return list(text_string_to_metric_families(text))
