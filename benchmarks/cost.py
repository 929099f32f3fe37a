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

    def of_processes(self, count: int) -> dict[str, float]:
        """Return what each of `count` things cost each process, in microseconds."""
        return {
            name: (end - self.processes[name]) / count * 1e6 for name, end in self.on.cpu().items()
        }

    def of_threads(self, count: int) -> dict[str, float]:
        """Return what each of `count` things cost each thread of the server, in microseconds."""
        return {
            name: (end - self.threads.get(name, 0)) / count * 1e6
            for name, end in self.on.threads().items()
        }

    def since(self, count: int, what: str, load: float = 0.0) -> str:
        """Say what each of `count` things cost; `load` is the load generator's CPU in seconds."""
        spent, threads = self.of_processes(count), self.of_threads(count)
        if load:
            spent["load generator"] = load / count * 1e6
        inside = f" ({_list(threads)})" if len(threads) > 1 else ""
        server = _list({"server": spent.pop("server")}) + inside
        return f"CPU {what}: {server}, {_list(spent)}."


def _list(spent: dict[str, float]) -> str:
    whole = sum(spent.values())
    return ", ".join(
        f"{name} {us:,.0f} µs"
        for name, us in sorted(spent.items(), key=lambda pair: -pair[1])
        if us >= whole * _LEAST
    )
