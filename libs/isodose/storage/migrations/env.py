"""Run by Alembic on the connection that `migrating.migrate` hands over."""

from __future__ import annotations

from alembic import context

from isodose.storage import tables
from isodose.storage.migrating import note_reach

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=tables.metadata,
    render_as_batch=True,
    transaction_per_migration=context.config.attributes["a_transaction_each"],
    on_version_apply=note_reach,
)
with context.begin_transaction():
    context.run_migrations()
