"""Schoolbell's server: decides who is told what changed at school, and tells them."""

import os
from importlib.metadata import version

# gRPC's core reads it where it is first imported, and by default writes to stderr by itself, past
# the log, a line for every broken handshake of a stranger. GRPC_VERBOSITY=info shows them again.
os.environ.setdefault("GRPC_VERBOSITY", "NONE")

VERSION = version("schoolbell-server")
"""The version of the installed server, such as `0.1.0`."""
