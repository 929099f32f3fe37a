"""The pure core: who is told, and why. Standard library only; no clock, no I/O, no protobuf."""
