"""How many files this process may have open: a connection is one, and so is a database."""

from __future__ import annotations

import resource

OWN = 256
"""Files that the server needs beside its callers' connections."""
ENOUGH = 4096
"""Files below which a few hundred idle connections keep everybody else out."""


def raise_limit() -> int:
    """Raise the soft limit to the hard one; return how many files may be open now."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard if hard != resource.RLIM_INFINITY else ENOUGH * 1024


def most_connections(wanted: int) -> int:
    """Return how many connections leave the server the files of its own, at least 16."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return wanted
    return max(16, min(wanted, soft - OWN))
