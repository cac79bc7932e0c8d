"""A day is gone through in batches, kept in a table; guidance says how a patient stands, to be counted."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

INDEX = "ix_guidance_service_state"


def upgrade() -> None:
    op.create_table(
        "day_pass",
        sa.Column("service", sa.String(64), primary_key=True),
        sa.Column("on_date", sa.Date, nullable=False),
        sa.Column("knowledge_version", sa.String(64), nullable=False),
        sa.Column("after_patient", sa.String(64), nullable=False),
        sa.Column("failed", sa.Integer, nullable=False),
        sa.Column("begun_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True)),
        sa.Column("traceparent", sa.String(64)),
    )
    op.add_column("guidance", sa.Column("state", sa.String(32), nullable=False, server_default=""))
    op.create_index(INDEX, "guidance", ["service", "state"])


def downgrade() -> None:
    op.drop_index(INDEX, "guidance")
    op.drop_column("guidance", "state")
    op.drop_table("day_pass")
