"""From a stored delivery to its outcome: leased, prepared, sent, written."""
