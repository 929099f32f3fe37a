"""Alembic's way in: it is handed the connection to migrate, and never opens one itself."""

from __future__ import annotations

from alembic import context

from schoolbell_storage.tables import metadata

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=metadata,
    render_as_batch=connection.dialect.name == "sqlite",
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
