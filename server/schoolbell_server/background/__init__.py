"""Loops, groups and shutdown: how the server's own work runs beside the calls."""
