"""One server as several processes on one port, kept alive by a parent that takes no calls."""
