"""Where the CPU time of a row went: by process, and the server's by thread."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.service import Service

_LEAST = 0.01  # of the whole: what is less is not worth a word


@dataclass(frozen=True, slots=True)
class Cost:
    """The CPU time up to now; `since` makes it a text."""

    on: Service
    processes: dict[str, float]
    threads: dict[str, float]

    @classmethod
    def now(cls, on: Service) -> Cost:
        """Look at all processes."""
        return cls(on, on.cpu(), on.threads())

    def of_threads(self, count: int) -> dict[str, float]:
        """Return what each of `count` things cost each thread of the server, in microseconds."""
        return {
            name: (end - self.threads.get(name, 0)) / count * 1e6
            for name, end in self.on.threads().items()
        }

    def since(self, count: int, what: str, load: float = 0.0) -> str:
        """Say what each of `count` things cost; `load` is the load generator's CPU in seconds."""
        spent = {name: end - self.processes[name] for name, end in self.on.cpu().items()}
        threads = {name: end - self.threads.get(name, 0) for name, end in self.on.threads().items()}
        if load:
            spent["load generator"] = load
        inside = f" ({_list(threads, count)})" if len(threads) > 1 else ""
        server = _list({"server": spent.pop("server")}, count) + inside
        return f"CPU {what}: {server}, {_list(spent, count)}."


def _list(spent: dict[str, float], count: int) -> str:
    whole = sum(spent.values())
    return ", ".join(
        f"{name} {seconds / count * 1e6:,.0f} µs"
        for name, seconds in sorted(spent.items(), key=lambda pair: -pair[1])
        if seconds >= whole * _LEAST
    )
