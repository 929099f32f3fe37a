"""The contract `schoolbell.v1`, generated from its `.proto` files by `make proto`."""
