"""What is to be done at other systems, and the Subscriptions by which an EHR tells what changed."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "job",
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("key", sa.String(length=255), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("asked_at", INSTANT, nullable=False),
        sa.Column("due_at", INSTANT, nullable=False),
        sa.Column("failed_at", INSTANT),
        sa.Column("error", sa.String(length=255), nullable=False),
        sa.PrimaryKeyConstraint("kind", "key", name="pk_job"),
    )
    to_do = sa.text("failed_at IS NULL")
    op.create_index("ix_job_due_at", "job", ["due_at"], sqlite_where=to_do, postgresql_where=to_do)
    op.create_table(
        "ehr_subscription",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("reference", sa.String(length=255), nullable=False),
        sa.Column("criteria", sa.Text(), nullable=False),
        sa.Column("topic", sa.String(length=255), nullable=False),
        sa.Column("content", sa.String(length=16), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("heard_at", INSTANT),
        sa.Column("swept_at", INSTANT),
        sa.Column("seen", sa.BigInteger()),
        sa.Column("missing", sa.Text(), nullable=False),
        sa.Column("gaps", sa.BigInteger(), nullable=False),
        sa.Column("taken", sa.BigInteger(), nullable=False),
        sa.Column("refused", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_ehr_subscription"),
    )
    op.create_table(
        "patient_read",
        sa.Column("patient_id", sa.String(length=64), nullable=False),
        sa.Column("since", sa.String(length=32), nullable=False),
        sa.PrimaryKeyConstraint("patient_id", name="pk_patient_read"),
    )


def downgrade() -> None:
    op.drop_table("patient_read")
    op.drop_table("ehr_subscription")
    op.drop_index("ix_job_due_at", "job")
    op.drop_table("job")
