"""What crosses the link, generated from `proto/schoolbell/link/v1` by `make proto`."""
