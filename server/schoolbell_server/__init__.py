"""Schoolbell's server: decides who is told what changed at school, and tells them."""

from importlib.metadata import version

VERSION = version("schoolbell-server")
"""The version of the installed server, such as `0.1.0`."""
