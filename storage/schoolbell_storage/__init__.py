"""Schoolbell's storage: one code path on SQLite and PostgreSQL."""
