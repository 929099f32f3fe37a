"""Taking changes in: decided and stored in one transaction, in groups."""
