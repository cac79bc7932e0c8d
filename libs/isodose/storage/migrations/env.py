"""Run by Alembic on the connection that `schema.upgrade` hands over; the transaction is the caller's."""

from __future__ import annotations

from alembic import context

from isodose.storage import tables

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=tables.metadata,
    render_as_batch=True,
)
context.run_migrations()
