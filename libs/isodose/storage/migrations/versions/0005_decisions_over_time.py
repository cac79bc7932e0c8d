"""Decisions, and the records and knowledge they were made on, are kept: a decision can be made again."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

KEY = ("service", "patient_id", "record_version", "knowledge_version", "on_date")


def upgrade() -> None:
    op.create_table(
        "decision",
        sa.Column("service", sa.String(64), nullable=False),
        sa.Column("patient_id", sa.String(64), nullable=False),
        sa.Column("record_version", sa.BigInteger, nullable=False),
        sa.Column("knowledge_version", sa.String(64), nullable=False),
        sa.Column("on_date", sa.Date, nullable=False),
        sa.Column("decided_at", sa.String(24), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint(*KEY, name="pk_decision"),
    )
    op.create_table(
        "record_version",
        sa.Column("patient_id", sa.String(64), nullable=False),
        sa.Column("version", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("content", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("patient_id", "version", name="pk_record_version"),
    )
    op.create_table(
        "knowledge_version",
        sa.Column("service", sa.String(64), nullable=False),
        sa.Column("version", sa.String(64), nullable=False),
        sa.Column("content", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("service", "version", name="pk_knowledge_version"),
    )


def downgrade() -> None:
    op.drop_table("knowledge_version")
    op.drop_table("record_version")
    op.drop_table("decision")
