"""A schema tells which code it serves: older code goes on working while a newer schema is brought in."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
serves_from = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "schema_reach",
        sa.Column("revision", sa.String(32), nullable=False),
        sa.Column("serves_from", sa.String(32), nullable=False),
        sa.PrimaryKeyConstraint("revision", name="pk_schema_reach"),
    )


def downgrade() -> None:
    op.drop_table("schema_reach")
