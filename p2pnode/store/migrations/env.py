"""Runs migrations on the connection, and in the transaction, that the caller has put into the configuration."""

from alembic import context

context.configure(connection=context.config.attributes["connection"], render_as_batch=True)
context.run_migrations()
