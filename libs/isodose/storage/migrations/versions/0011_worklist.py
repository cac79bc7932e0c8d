"""The worklist keeps a row for each patient and what needs action, in the order in which a clinic is read."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

LEADS = sa.text("leads")


def upgrade() -> None:
    op.create_table(
        "worklist_row",
        sa.Column("patient_id", sa.String(64), primary_key=True),
        sa.Column("options", sa.Text),
        sa.Column("plans", sa.Text),
        sa.Column("alerts", sa.Text),
        sa.Column("changed", sa.BigInteger, nullable=False),
    )
    op.create_index("ix_worklist_row_changed", "worklist_row", ["changed"])
    op.create_table(
        "worklist_need",
        sa.Column("patient_id", sa.String(64), primary_key=True),
        sa.Column("need", sa.String(16), primary_key=True),
        sa.Column("weight", sa.BigInteger, nullable=False),
        sa.Column("leads", sa.Boolean, nullable=False),
    )
    op.create_index(
        "ix_worklist_need_need_weight_patient_id", "worklist_need", ["need", "weight", "patient_id"]
    )
    op.create_index(
        "ix_worklist_need_leads",
        "worklist_need",
        ["weight", "patient_id"],
        sqlite_where=LEADS,
        postgresql_where=LEADS,
    )
    op.create_table(
        "worklist_change",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("last", sa.BigInteger, nullable=False),
    )


def downgrade() -> None:
    op.drop_table("worklist_change")
    op.drop_table("worklist_need")
    op.drop_table("worklist_row")
