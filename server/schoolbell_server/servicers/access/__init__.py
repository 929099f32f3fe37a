"""AccessService: keys, rights, the audit log, a person's data."""
