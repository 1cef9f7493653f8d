"""Alembic's entry: runs the revisions on the connection that `registry.db.migrate` hands over."""

from __future__ import annotations

from alembic import context

from registry.db.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    # SQLite alters tables by copying them.
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
