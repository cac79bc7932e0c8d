"""What of the results is at the EHR, and who is told of them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "written_back",
        sa.Column("type", sa.String(length=64), nullable=False),
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("patient_id", sa.String(length=64), nullable=False),
        sa.Column("remote", sa.String(length=160), nullable=False),
        sa.Column("etag", sa.String(length=128), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("tried", sa.String(length=64), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("type", "id", name="pk_written_back"),
    )
    op.create_index("ix_written_back_patient_id", "written_back", ["patient_id"])
    op.create_index("ix_written_back_state", "written_back", ["state"])

    op.create_table(
        "subscriber",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("asked", sa.Text(), nullable=False),
        sa.Column("access", sa.Text(), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("last", sa.BigInteger(), nullable=False),
        sa.Column("delivered", sa.BigInteger(), nullable=False),
        sa.Column("told_at", sa.DateTime(timezone=True)),
        sa.PrimaryKeyConstraint("id", name="pk_subscriber"),
    )
    op.create_table(
        "subscriber_event",
        sa.Column("subscription_id", sa.String(length=64), nullable=False),
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("focus", sa.String(length=160), nullable=False),
        sa.Column("context", sa.Text(), nullable=False),
        sa.Column("patient_id", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("subscription_id", "number", name="pk_subscriber_event"),
    )
    op.create_index("ix_subscriber_event_at", "subscriber_event", ["at"])


def downgrade() -> None:
    op.drop_table("subscriber_event")
    op.drop_table("subscriber")
    op.drop_table("written_back")
