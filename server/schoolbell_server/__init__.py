"""Schoolbell's server: decides who is told what changed at school, and tells them."""

import os

# gRPC's core reads it where it is first imported, and by default writes to stderr by itself, past
# the log, a line for every broken handshake of a stranger. GRPC_VERBOSITY=info shows them again.
os.environ.setdefault("GRPC_VERBOSITY", "NONE")
