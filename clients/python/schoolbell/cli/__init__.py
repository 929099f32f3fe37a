"""The `schoolbell` command."""
