"""A search by patient finds and orders its resources by one index; others walk by type and id."""

from __future__ import annotations

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

BEFORE = "ix_resource_patient_id_type"
AFTER = "ix_resource_patient_id_type_id"


def upgrade() -> None:
    op.create_index(AFTER, "resource", ["patient_id", "type", "id"])
    op.drop_index(BEFORE, "resource")


def downgrade() -> None:
    op.create_index(BEFORE, "resource", ["patient_id", "type"])
    op.drop_index(AFTER, "resource")
