"""How far each Bulk Data export of an EHR is read, and which patients the EHR merged into which."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_SERIAL = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def _count(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger(), nullable=False, server_default="0")


def upgrade() -> None:
    op.create_table(
        "bulk_export",
        sa.Column("id", _SERIAL, primary_key=True, autoincrement=True),
        sa.Column("feed", sa.Text(), nullable=False),
        sa.Column("state", sa.String(8), nullable=False),
        sa.Column("status_url", sa.Text(), nullable=False),
        sa.Column("since", sa.String(40)),
        sa.Column("transaction_time", sa.String(40)),
        sa.Column("needs_token", sa.Boolean(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True)),
        sa.PrimaryKeyConstraint("id", name="pk_bulk_export"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "bulk_file",
        sa.Column("export", sa.BigInteger(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(8), nullable=False),
        sa.Column("type", sa.String(64), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("etag", sa.Text(), nullable=False, server_default=""),
        *map(_count, ("offset", "lines", "accepted", "changed", "unchanged")),
        sa.Column("done", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.PrimaryKeyConstraint("export", "number", name="pk_bulk_file"),
    )
    op.create_table(
        "bulk_line",
        sa.Column("export", sa.BigInteger(), nullable=False),
        sa.Column("file", sa.Integer(), nullable=False),
        sa.Column("line", sa.BigInteger(), nullable=False),
        sa.Column("place", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("text", sa.Text()),
        sa.PrimaryKeyConstraint("export", "file", "line", name="pk_bulk_line"),
    )
    op.create_table(
        "bulk_patient",
        sa.Column("export", sa.BigInteger(), nullable=False),
        sa.Column("patient_id", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("export", "patient_id", name="pk_bulk_patient"),
    )
    op.create_table(
        "merged_patient",
        sa.Column("patient_id", sa.String(64), nullable=False),
        sa.Column("survivor", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("patient_id", name="pk_merged_patient"),
    )
    op.create_index("ix_merged_patient_survivor", "merged_patient", ["survivor"])


def downgrade() -> None:
    for table in ("merged_patient", "bulk_patient", "bulk_line", "bulk_file", "bulk_export"):
        op.drop_table(table)
