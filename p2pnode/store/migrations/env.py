"""Runs migrations on the connection, and in the transaction, that the caller has put into the configuration."""

from alembic import context

from p2pnode.store.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,
)
context.run_migrations()
