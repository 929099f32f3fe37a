"""A program that serves once for every line it reads, each time in a process of its own.

What a server imports is imported once, so that a start costs a fraction of a second. Every start
is told on stdout as `started <process>`, every end as `ended <exit code>`.
"""

import os
import sys

import schoolbell_server.app  # noqa: F401 - what `serve` imports late
from schoolbell_server.main import main

if __name__ == "__main__":
    for _line in sys.stdin:
        child = os.fork()
        if child == 0:
            main()
        print("started", child, flush=True)
        print("ended", os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
