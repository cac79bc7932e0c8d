"""The history of everything, newest first, is read in the order of an index."""

from __future__ import annotations

from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

INDEX = "ix_resource_version_last_updated_type_id_version"


def upgrade() -> None:
    op.create_index(INDEX, "resource_version", ["last_updated", "type", "id", "version"])


def downgrade() -> None:
    op.drop_index(INDEX, "resource_version")
