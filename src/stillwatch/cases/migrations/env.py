"""Run by Alembic: migrates over the connection, and within the transaction, that the store hands over."""

from __future__ import annotations

from alembic import context

connection = context.config.attributes["connection"]
context.configure(connection=connection, transactional_ddl=True, transaction_per_migration=False)
# The store's own transaction is open already, so that all migrations happen or none.
context.run_migrations()
