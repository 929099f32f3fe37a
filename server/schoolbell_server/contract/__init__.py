"""Between the contract's messages and the domain's values: one direction a function."""
