"""The version of this client."""

VERSION = "0.1.0"
"""It follows that of the contract."""
